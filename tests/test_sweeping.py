"""A sweep within a program: each run from the same state, which is there again afterwards."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

import reluctant
from reluctant.errors import FolderNotWritable, NothingSwept, WrongArgument

RATE = 0.03


def network() -> nn.Sequential:
    hidden = nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.1)
    return nn.Sequential(*hidden, nn.Linear(24, 2))


def loss_of(model: nn.Module) -> Tensor:
    # All three generators are used.
    x = torch.randn(32, 6) + random.random() / 10 + np.random.rand() / 10
    return (model(x) - x[:, :2].abs()).square().mean()


def trains(
    model: nn.Module, optimizer: torch.optim.Optimizer, firsts: list[float]
) -> Callable[[], None]:
    """Zeroes gradients after the step, so that a run ends before that is done."""

    def train() -> None:
        model.train()
        for step in range(40):
            loss = loss_of(model)
            if not step:
                firsts.append(loss.item())
            loss.backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] *= 0.99
            optimizer.zero_grad()

    return train


def content(state: object) -> object:
    """Comparable: tensors by their numbers."""
    if isinstance(state, Tensor):
        return state.tolist()
    if isinstance(state, dict):
        return {key: content(value) for key, value in state.items()}
    return [content(at) for at in state] if isinstance(state, list | tuple) else state


@pytest.mark.parametrize("trained", [0, 5])
def test_all_is_as_it_was_and_each_run_begins_there(
    trained: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model, firsts = network(), list[float]()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(trained):
        loss_of(model).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()

    def state() -> object:
        return content(
            [
                model.state_dict(), optimizer.state_dict(), model.training,
                [at.grad for at in model.parameters()], torch.get_rng_state(), random.getstate(),
                np.random.get_state()[1].tolist(),
            ]
        )  # fmt: skip

    before = state()
    found = reluctant.lr_range(
        trains(model, optimizer, firsts), model, steps=20, out=tmp_path / "all", quiet=True
    )
    assert state() == before
    assert len(firsts) == len(found.rates) > 4
    assert len(set(firsts)) == 1, "each run begins alike"
    assert capsys.readouterr() == ("", "")
    assert found.named is not None
    assert found.own.rate == RATE
    assert all(at.rate == pytest.approx(RATE * at.factor) for at in found.rates)
    records = list((tmp_path / "all").iterdir())
    assert {reluctant.load(at).info.steps for at in records} == {20}
    with pytest.raises(FolderNotWritable):
        reluctant.lr_range(trains(model, optimizer, []), model, steps=20, out=tmp_path / "all")
    assert state() == before
    # It steps at its own rate again.
    loss_of(model).backward()
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == RATE


def test_a_model_that_is_made_in_each_run(capsys: pytest.CaptureFixture[str]) -> None:
    firsts: list[float] = []

    def fit() -> None:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
        trains(model, optimizer, firsts)()

    found = reluctant.lr_range(fit, steps=20)
    assert len(firsts) == len(found.rates)
    assert len(set(firsts)) == 1
    out, err = capsys.readouterr()
    assert "reluctant  lr  fit" in out
    assert "is the largest rate that " in out
    assert "records" not in out
    assert err.count("reluctant  run ") == len(found.rates)


@pytest.mark.parametrize(("warms", "rising"), [(8, False), (100, True)])
def test_a_schedule_that_is_made_in_it_counts_from_the_start(warms: int, rising: bool) -> None:
    model = network()

    def fit() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
        schedule = lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / warms))
        for _ in range(20):
            loss_of(model).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    found = reluctant.lr_range(fit, model, steps=20, quiet=True)
    # The largest of the warm-up's rates is what is said.
    assert found.own.rate == pytest.approx(RATE * min(1, 19 / warms))
    assert any("still raising the rate" in at for at in found.limits) == rising


def halves(model: nn.Sequential) -> list[torch.optim.Optimizer]:
    return [
        torch.optim.SGD(model[0].parameters(), lr=RATE),
        torch.optim.Adam(model[4].parameters(), lr=RATE / 10),
    ]


def by_closure(model: nn.Sequential) -> list[torch.optim.Optimizer]:
    return [torch.optim.LBFGS(model.parameters(), lr=RATE, max_iter=3)]


@pytest.mark.parametrize("build", [halves, by_closure])
def test_every_optimizer_steps_at_the_same_multiple_of_its_rate(
    build: Callable[[nn.Sequential], list[torch.optim.Optimizer]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = network()
    optimizers = build(model)
    groups = [list(at.param_groups[0]["params"]) for at in optimizers]
    x = torch.randn(64, 6)
    before = content([model.state_dict(), *(at.state_dict() for at in optimizers)])
    begin = [nn.utils.parameters_to_vector(at).detach() for at in groups]
    moved: list[list[float]] = []

    def train() -> None:
        losses = 0

        def closure() -> Tensor:
            nonlocal losses
            losses += 1
            if losses == 2:  # LBFGS has moved once by now, and is still in its first step
                now = [nn.utils.parameters_to_vector(at).detach() for at in groups]
                moved.append([float((a - b).norm()) for a, b in zip(now, begin, strict=True)])
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = (model(x) - x[:, :2].abs()).square().mean()
            loss.backward()
            return loss

        for _ in range(20):
            if build is by_closure:
                optimizers[0].step(closure)
                continue
            closure()
            for optimizer in optimizers:
                optimizer.step()

    found = reluctant.lr_range(train, model, steps=20, out=tmp_path / "all", quiet=True)
    assert found.own.rate == RATE
    factors = [at.factor for at in found.rates]
    for distances in zip(*sorted(moved), strict=True):
        own = distances[factors.index(1)]
        assert distances == pytest.approx([own * at for at in factors], rel=1e-2)
    assert any("2 optimizers step" in at for at in found.limits) == (build is halves)
    # A step is one of an optimizer, however often it asks for the loss.
    records = list((tmp_path / "all").iterdir())
    assert {reluctant.load(at).info.steps for at in records} == {20}
    assert content([model.state_dict(), *(at.state_dict() for at in optimizers)]) == before


def test_what_it_raises_at_its_own_rate_is_its_own() -> None:
    model = network()
    before = content(model.state_dict())

    def fit() -> None:
        loss_of(model).backward()
        torch.optim.SGD(model.parameters(), lr=RATE).step()
        raise KeyError("data")

    with pytest.raises(KeyError, match="data"):
        reluctant.lr_range(fit, model, quiet=True)
    assert content(model.state_dict()) == before


@pytest.mark.parametrize(
    ("train", "options", "error", "words"),
    [
        (lambda: None, {"quiet": True}, NothingSwept, "train takes 0 steps and ends"),
        (lambda: None, {"steps": 3}, WrongArgument, "steps needs a whole number from 10 on"),
        (lambda: None, {"model": "resnet"}, WrongArgument, "model needs a torch.nn.Module"),
    ],
)
def test_what_cannot_be_swept(
    train: Callable[[], object], options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        reluctant.lr_range(train, **options)  # type: ignore[arg-type]
