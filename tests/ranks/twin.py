"""The same training in one process that nobody watches, which keeps everything."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.ranks.training import MOMENTUM, RATE, STEPS, loss_of, net, share

Array = NDArray[np.float64]


@dataclass
class Call:
    """What an activation function was given by all ranks in a step, in their order: (N, U)."""

    inputs: Array
    gradient_in: Array
    gradient_out: Array


class Twin:
    """Trains as so many ranks do that take the mean of their gradients.

    `calls` are, for each step, those of each activation module by its name; `gradients` the mean
    gradients of each parameter; `weights` the parameters before each step, and after the last.
    """

    def __init__(self, size: int) -> None:
        self.calls: list[dict[str, Call]] = []
        self.gradients: list[dict[str, Array]] = []
        self.losses: list[float] = []
        self.net = net()
        self.weights = [self._copy()]
        optimizer = torch.optim.SGD(self.net.parameters(), lr=RATE, momentum=MOMENTUM)
        for step in range(STEPS):
            self._gradients(step, size)
            optimizer.step()
            self.weights.append(self._copy())

    def _gradients(self, step: int, size: int) -> None:
        seen: dict[str, list[tuple[Tensor, Tensor]]] = {}
        hooks = [
            module.register_forward_hook(_keep(seen.setdefault(name, [])))
            for name, module in self.net.named_children()
            if not isinstance(module, nn.Linear)
        ]
        total = {name: torch.zeros_like(at) for name, at in self.net.named_parameters()}
        losses = []
        for rank in range(size):
            self.net.zero_grad()
            loss = loss_of(self.net, share(step, rank))
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
            for name, parameter in self.net.named_parameters():
                assert parameter.grad is not None
                total[name] += parameter.grad / size
        for name, parameter in self.net.named_parameters():
            parameter.grad = total[name]
        for hook in hooks:
            hook.remove()
        self.losses.append(sum(losses) / size)
        self.gradients.append({name: at.double().numpy() for name, at in total.items()})
        self.calls.append({name: _call(pairs) for name, pairs in seen.items()})

    def _copy(self) -> dict[str, Array]:
        return {n: p.detach().double().clone().numpy() for n, p in self.net.named_parameters()}


def _keep(into: list[tuple[Tensor, Tensor]]):  # type: ignore[no-untyped-def]
    def keep(module: nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        arguments[0].retain_grad()
        output.retain_grad()
        into.append((arguments[0], output))

    return keep


def _call(pairs: list[tuple[Tensor, Tensor]]) -> Call:
    def joined(tensors: list[Tensor | None]) -> Array:
        return torch.cat([at.detach().double() for at in tensors if at is not None]).numpy()

    return Call(
        joined([z for z, _ in pairs]),
        joined([z.grad for z, _ in pairs]),
        joined([a.grad for _, a in pairs]),
    )
