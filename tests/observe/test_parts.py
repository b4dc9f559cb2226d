"""Which parameters take part: those cut off from the loss are told from those nobody uses."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.observe.conftest import Watched
from torch import Tensor, nn

from reluctant.observe import graph, parameters


class Lost(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        return None


def without_gradient(inner: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return inner(x)


# What becomes of an inner layer's output: does it go on, though no gradient comes back?
CUT: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], bool]] = {
    "detached": (lambda inner, x: torch.relu(inner(x)).detach(), True),
    "its data": (lambda inner, x: inner(x).data, True),
    "under no_grad": (without_gradient, True),
    "by way of numpy": (lambda inner, x: torch.from_numpy(inner(x).detach().numpy()), True),
    "by way of a list": (lambda inner, x: torch.tensor(inner(x).tolist()), True),
    "as a number": (lambda inner, x: x * inner(x).mean().item(), True),
    "as a choice": (lambda inner, x: x * inner(x).argmax(1, keepdim=True), True),
    "as a mask": (lambda inner, x: x * (inner(x) > 0), True),
    "by a function that gives none": (lambda inner, x: Lost.apply(inner(x)), True),
    "dropped": (lambda inner, x: x + 0 * x.sum() if inner(x).dim() else x, False),
    "dropped, its shape asked for": (lambda inner, x: x + torch.zeros_like(inner(x)), False),
    "never called": (lambda inner, x: x, False),
}


def a_training(
    pass_on: Callable[[nn.Module, Tensor], Tensor], evaluate: bool = False, steps: int = 3
) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(pass_on(self.inner, x))

    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(steps):
        loss = net(torch.randn(8, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if evaluate:
            with torch.no_grad():
                net.head(net.inner(torch.randn(8, 4)))


def test_the_search_for_a_cut_comes_to_an_end(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph is followed in a few samples, however long a parameter goes without gradient."""
    followed: list[object] = []
    leaves = graph.leaves
    monkeypatch.setattr(graph, "leaves", lambda node: followed.append(node) or leaves(node))
    monkeypatch.setattr(parameters, "SEARCHES", 2)
    run = watched(lambda: a_training(CUT["detached"][0], steps=3))
    few = len(followed)
    longer = watched(lambda: a_training(CUT["detached"][0], steps=9))
    assert few
    assert len(followed) == 2 * few
    for each in (run, longer):
        assert {at.name: at.used for at in each.parameters}["inner.weight"]


@pytest.mark.parametrize("name", CUT)
def test_cut_off_or_not_used(watched: Watched, name: str) -> None:
    pass_on, goes_on = CUT[name]
    run = watched(lambda: a_training(pass_on))
    parts = {at.name: at for at in run.parameters}
    inner, head = parts["inner.weight"], parts["head.weight"]
    assert (inner.used, inner.first_gradient) == (goes_on, None)
    assert (head.used, head.first_gradient) == (True, 0)


def test_an_evaluation_is_no_cut(watched: Watched) -> None:
    run = watched(lambda: a_training(CUT["never called"][0], evaluate=True))
    assert not {at.name: at for at in run.parameters}["inner.weight"].used


def test_what_has_its_gradient_is_used(watched: Watched) -> None:
    run = watched(lambda: a_training(lambda inner, x: inner(x) + inner(x).detach()))
    assert all(at.used and at.first_gradient == 0 for at in run.parameters)
