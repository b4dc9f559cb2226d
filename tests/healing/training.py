"""Small loops on digits, sick and sound, that leave behind all there is to compare."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

import reluctant
from reluctant.record.run import Intervention, Run

Make = Callable[[nn.Module], Optimizer]


@cache
def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    images = torch.tensor(found.data, dtype=torch.float32)
    return (images - images.mean()) / images.std(), torch.tensor(found.target)


def modes() -> int:
    """How many of torch's function modes are on, besides that of a default device."""
    others = torch.get_default_device().type != "cpu"
    return int(torch._C._len_torch_function_stack()) - others


def sound(seed: int = 0, depth: int = 3) -> nn.Sequential:
    """A plain network as He would have it."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for at in range(depth):
        parts += [nn.Linear(64, 64), nn.ReLU()]
        nn.init.kaiming_normal_(parts[2 * at].weight, nonlinearity="relu")  # type: ignore[arg-type]
        nn.init.zeros_(parts[2 * at].bias)  # type: ignore[arg-type]
    return nn.Sequential(*parts, nn.Linear(64, 10))


def born_dead(seed: int = 0) -> nn.Sequential:
    """The same with a layer none of whose units fires on anything."""
    model = sound(seed)
    nn.init.constant_(model[2].bias, -50.0)  # type: ignore[arg-type]
    return model


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.05)


@dataclass
class Trained:
    """What a loop leaves behind: the batches it drew, its losses, weights and random states."""

    model: nn.Module
    optimizer: Optimizer
    batches: list[Tensor] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    random: list[Tensor] = field(default_factory=list)
    run: Run | None = None

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        assert self.run is not None
        return self.run.interventions

    @property
    def remedies(self) -> list[tuple[str, bool | None]]:
        return [(at.remedy, at.kept) for at in self.interventions]

    @property
    def loss(self) -> float:
        """On all data."""
        with torch.no_grad():
            return float(F.cross_entropy(self.model(digits()[0]), digits()[1]))


def train(
    model: nn.Module, make: Make = sgd, *, steps: int = 150, heal: Any = None, **options: Any
) -> Trained:
    """Train a model, under `reluctant.heal` if `heal` is True or names remedies."""
    images, labels = digits()
    trained = Trained(model, make(model))
    torch.manual_seed(7)
    watching = None
    if heal is not None:
        remedies = None if heal is True else heal
        watching = reluctant.heal(model, trained.optimizer, remedies=remedies, **options)
    for _ in range(steps):
        batch = torch.randint(len(images), (64,), device=images.device)
        trained.batches.append(batch)

        def closure(batch: Tensor = batch) -> Tensor:
            trained.optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            return loss

        if isinstance(trained.optimizer, torch.optim.LBFGS):
            loss = trained.optimizer.step(closure)  # type: ignore[arg-type]
        else:
            loss = closure()
            trained.optimizer.step()
        trained.losses.append(float(loss.detach()))
        trained.random.append(torch.get_rng_state())
    if watching is not None:
        watching.close()
        trained.run = watching.run()
    return trained
