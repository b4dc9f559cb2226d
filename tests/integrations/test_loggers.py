"""Scalars of each sample in TensorBoard and W&B."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reluctant


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Told = dict[str, list[tuple[int, float]]]


def train(on_sample: Any, each: Callable[[int], object] = int) -> tuple[Told, list[Any]]:
    """What `on_sample` was told, by name, and the weights."""
    told: Told = {}

    def tell(step: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            told.setdefault(name, []).append((step, value))
        on_sample(step, scalars)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with reluctant.watch(model, every=2, on_sample=tell):
        for step in range(7):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
            each(step)
    assert told.keys() == {
        *("loss", "rate", "1:relu/firing", "1:relu/silent", "1:relu/gradient"),
        *("0/update", "2/update"),
    }
    assert [step for step, _ in told["loss"]] == [0, 2, 4, 6]
    return told, [at.tolist() for at in model.state_dict().values()]


class Odd(nn.Module):
    """Calls one function twice, and has a name that says more than most."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("a+b", nn.Linear(4, 8))
        self.two, self.out = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        one = getattr(self, "a+b")
        return self.out(torch.relu(self.two(torch.relu(one(x)))))


def test_names_are_such_as_every_logger_takes() -> None:
    """MLflow takes the fewest: letters, digits and these signs."""
    names: set[str] = set()
    torch.manual_seed(0)
    model = Odd()
    with reluctant.watch(model, on_sample=lambda step, scalars: names.update(scalars)):
        model(torch.randn(16, 4)).square().mean().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert {"Odd:relu/firing", "Odd:relu-1/firing", "a-b/update"} <= names
    assert all(re.fullmatch(r"[\w.\-: /]+", name) for name in names)


def test_tensorboard() -> None:
    pytest.importorskip(
        "tensorboard", reason="needs tensorboard: pip install 'reluctant[tensorboard]'"
    )
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    from reluctant.integrations.tensorboard import into

    with SummaryWriter("board") as writer:
        told, weights = train(into(writer))
    events = EventAccumulator("board")
    events.Reload()
    written = {
        name: [(at.step, at.value) for at in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    assert written == {
        f"reluctant/{name}": [(step, pytest.approx(value, rel=1e-6)) for step, value in values]
        for name, values in told.items()
    }
    assert weights == train(lambda step, scalars: None)[1]


def test_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scalars come along with what the script logs, and its steps stay as they are."""
    wandb = pytest.importorskip("wandb", reason="needs wandb: pip install wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", dir=str(Path.cwd()), project="p", settings={"console": "off"})
    kept: dict[str, list[float]] = {}

    def mine(step: int) -> None:
        run.log({"mine": step})
        for name, value in dict(run.summary).items():
            if kept.setdefault(name, [value])[-1] != value:
                kept[name].append(value)

    told, weights = train(lambda step, scalars: run.log(scalars, commit=False), mine)
    mine(7)  # takes the last sample along
    assert run.step == 8
    run.finish()
    for name in ("loss", "1:relu/gradient", "0/update"):
        assert kept[name] == [value for _, value in told[name]]
    assert kept["mine"] == list(range(8))
    assert weights == train(lambda step, scalars: None)[1]
