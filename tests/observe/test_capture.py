"""Nothing of ours gets into what a CUDA graph captures, shown where there is no GPU to do it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import reluctant


class Graph:
    """What torch.cuda.CUDAGraph is like, as far as it is used here: it captures nothing."""

    def capture_begin(self, pool: Any = None) -> None:
        """Begin."""

    def capture_end(self) -> None:
        """End."""


class Counting(TorchDispatchMode):
    """Counts the operations in its body."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        return func(*args, **(kwargs or {}))


def train(step: Callable[[], None]) -> int:
    """Three steps, one more that is captured, and three: how many operations were captured."""
    for _ in range(3):
        step()
    graph: Any = torch.cuda.CUDAGraph()
    graph.capture_begin()
    with Counting() as counting:
        step()
    graph.capture_end()
    for _ in range(3):
        step()
    return counting.operations


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize("heal", [False, True])
def test_nothing_of_ours_is_captured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heal: bool, manual: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    begin, end = Graph.capture_begin, Graph.capture_end

    def trained(watched: bool) -> tuple[int, dict[str, torch.Tensor], Any]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        x = torch.randn(16, 4)

        def step() -> None:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            if manual:
                with torch.no_grad():
                    for at in model.parameters():
                        at -= 0.01 * at.grad
            else:
                optimizer.step()

        if not watched:
            return train(step), model.state_dict(), None
        of = None if manual else optimizer
        watch = reluctant.heal if heal and not manual else reluctant.watch
        with watch(model, of, out=tmp_path / "run", every=1) as watching:
            count = train(step)
        return count, model.state_dict(), watching.run()

    plain, weights, _ = trained(watched=False)
    count, others, run = trained(watched=True)
    assert count == plain
    for key, weight in weights.items():
        assert torch.equal(others[key], weight)
    assert run.info.failure is None
    assert (Graph.capture_begin, Graph.capture_end) == (begin, end)
    if not manual:
        assert run.info.captured == 1
        assert "1 step was captured in a CUDA graph" in " ".join(reluctant.diagnose(run).limits)
        assert [at.step for at in run.samples] == [0, 1, 2, 4, 5, 6]


def test_a_capture_that_does_not_begin_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Graph):
        def capture_begin(self, pool: Any = None) -> None:
            raise RuntimeError("another capture is under way")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Refusing)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with reluctant.watch(model, optimizer, out=tmp_path / "run", every=1) as watching:
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(2, 4)).sum().backward()
            optimizer.step()
            with pytest.raises(RuntimeError, match="under way"):
                torch.cuda.CUDAGraph().capture_begin()
    run = watching.run()
    assert [at.step for at in run.samples] == [0, 1, 2, 3]
    assert run.info.captured == 0
