"""What stands for a remedy: as much, at the same step, and to no purpose."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
import torch
from torch import Tensor, nn

from reluctant.healing.placebo import Placebo
from reluctant.observe.observer import Observer
from reluctant.observe.schedule import Schedule
from reluctant.record import folder
from reluctant.record.info import RunInfo
from reluctant.record.reader import load
from reluctant.record.run import Intervention, Run

AT = 5


def intervention(
    remedy: str, step: int = AT, kept: bool | None = True, **more: object
) -> Intervention:
    facts = {"layer": "2", "units": 4, "after": 0.0, **more}
    return Intervention(
        0, step, remedy, "dead-units", "born-dead", measure="dead-units", before=4.0, predicted=0.0,
        kept=kept, **facts,  # type: ignore[arg-type]
    )  # fmt: skip


def observed(path: Path, train: Callable[[Observer], object]) -> Run:
    path.mkdir()
    folder.write_info(path, RunInfo(script="test"))
    observer = Observer(path, Schedule(every=1), rank=0, began=perf_counter())
    observer.start()
    try:
        train(observer)
    finally:
        observer.finish()
    return load(path)


Weights = list[list[Tensor]]  # after each step, the first those at the start
Trained = Callable[..., tuple[Weights, tuple[Intervention, ...]]]


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """Trains ten steps with the placebo of some interventions."""

    def train(
        treated: Sequence[Intervention], seed: int = 0, dead: int = 0, adam: bool = False
    ) -> tuple[Weights, tuple[Intervention, ...]]:
        name = str(len(list(tmp_path.iterdir())))
        observed(tmp_path / f"treated-{name}", lambda at: [at.intervened(one) for one in treated])
        weights: Weights = []

        def steps(observer: Observer) -> None:
            placebo = Placebo(observer, tmp_path / name, tmp_path / f"treated-{name}", seed)
            torch.manual_seed(1)
            model = nn.Sequential(
                nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2)
            )
            with torch.no_grad():
                model.get_parameter("2.bias")[:dead] = -100
            kind = torch.optim.Adam if adam else torch.optim.SGD
            optimizer = kind(model.parameters(), lr=1e-3)
            for _ in range(10):
                with torch.no_grad():
                    weights.append([at.clone() for at in model.parameters()])
                optimizer.zero_grad()
                model(torch.randn(32, 4)).square().mean().backward()
                optimizer.step()
            placebo.close()

        run = observed(tmp_path / name, steps)
        return weights, run.interventions

    return train


def changed(weights: Weights, other: Weights) -> list[int]:
    """After how many steps the weights differ."""
    pairs = zip(weights, other, strict=True)
    return [
        step for step, (one, two) in enumerate(pairs) if not all(map(torch.equal, one, two))
    ]  # fmt: skip


def test_as_many_living_units_begin_anew_at_the_same_step(trained: Trained) -> None:
    weights, (done,) = trained([intervention("revive")], dead=3)
    plain, none = trained([], dead=3)
    assert none == ()
    assert changed(weights, plain) == list(range(AT, 10))
    assert (done.remedy, done.step, done.kept) == ("placebo-revive", AT, None)
    assert (done.units, done.text) == (4, "4 living units, chosen at random, began anew.")
    rows = (weights[AT][2] != plain[AT][2]).any(dim=1)
    assert (int(rows.sum()), bool(rows[:3].any())) == (4, False)
    assert not weights[AT][4][:, rows].any(), "nobody reads them"
    other, _ = trained([intervention("revive")], seed=1, dead=3)
    assert not torch.equal((other[AT][2] != plain[AT][2]).any(dim=1), rows)


def test_half_of_the_living_at_most(trained: Trained) -> None:
    _, (done,) = trained([intervention("revive", units=9)], dead=9)
    assert done.units == 1
    weights, (done,) = trained([intervention("revive", units=9)], dead=11)
    assert (done.kept, done.text) == (False, "Too few units of the layer live.")
    assert not changed(weights, trained([], dead=11)[0])


@pytest.mark.parametrize("adam", [False, True])
def test_all_layers_begin_anew_as_the_script_made_them(trained: Trained, adam: bool) -> None:
    weights, (done,) = trained([intervention("rescale")], adam=adam)
    plain, _ = trained([], adam=adam)
    assert changed(weights, plain) == list(range(AT, 10))
    assert done.text == "All layers began anew, as the script made them."
    for now, first in zip(weights[AT], plain[0], strict=True):
        assert torch.equal(now.flatten().sort().values, first.flatten().sort().values)
        assert now.dim() < 2 or not torch.equal(now, first)
        # Units and inputs in another order leave the singular values as they were.
        if now.dim() == 2:
            norms = torch.linalg.svdvals(now), torch.linalg.svdvals(first)
            torch.testing.assert_close(*norms)


def test_another_layer_leaks(trained: Trained) -> None:
    weights, (done,) = trained([intervention("leak")])
    # The pass of the step after it is the first that computes something else.
    assert changed(weights, trained([])[0]) == list(range(AT + 1, 10))
    assert (done.remedy, done.layer, done.step) == ("placebo-leak", "0", AT)
    assert done.text.startswith("1 is LeakyReLU(0.01) now.")


def test_no_other_layer_could_leak(trained: Trained) -> None:
    treated = [intervention("leak"), intervention("leak", 6, layer="0")]
    weights, done = trained([replace(at, index=n) for n, at in enumerate(treated)])
    assert not changed(weights, trained([])[0])
    assert {at.text for at in done} == {"There is no other layer whose function could leak."}


@pytest.mark.parametrize(
    "treated",
    [
        intervention("roll-back", layer=None, units=None),
        intervention("slow-down", layer=None, units=None, kept=None, after=None),
        intervention("revive", kept=False),
    ],
    ids=["roll-back", "slow-down", "undone"],
)
def test_where_there_is_nothing_to_choose_the_interruption_is_all(
    trained: Trained, treated: Intervention
) -> None:
    weights, (done,) = trained([treated], adam=True)
    assert not changed(weights, trained([], adam=True)[0])
    assert (done.step, done.refused) == (AT, True)
    assert done.text == "Nothing was changed: there is no unit to choose."


def test_what_was_refused_has_no_placebo(trained: Trained) -> None:
    _, done = trained([intervention("revive", kept=False, after=None, text="No.")])
    assert done == ()


def test_several_in_their_order(trained: Trained) -> None:
    treated = [intervention("roll-back", 7), intervention("revive", 3), intervention("revive", 7)]
    _, done = trained([replace(at, index=n) for n, at in enumerate(treated)])
    assert [(at.remedy, at.step) for at in done] == [
        ("placebo-revive", 3),
        ("placebo-roll-back", 7),
        ("placebo-revive", 8),
    ]


def test_what_fails_is_said_and_the_training_goes_on(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Observer, "attend", lambda self: 1 / 0)
    weights, _ = trained([intervention("roll-back")])
    assert len(weights) == 10
    assert "The placebo was given up, while the training goes on: ZeroDivisionError" in (
        capsys.readouterr().err
    )
