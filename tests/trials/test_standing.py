"""Entrants, their pairs and their rates: made-up runs, nothing is run."""

from math import nan
from pathlib import Path

import pytest

from reluctant.record.comparison import Direction
from reluctant.trials.attempt import Attempt
from reluctant.trials.metric import Metric, pattern
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import place, said
from reluctant.trials.processes import Ending
from reluctant.trials.standing import Entry, Standing
from reluctant.trials.tuning import FACTORS, Tuning


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    made = Standing(range(3), candidates=[Entry("prelu", ("--swap", "relu=prelu"))])
    made.metric = Metric("score", "high", "output", pattern("score (.*)"))
    return made


def ended(home: Path, entry: Entry, seed: int, score: object, code: int = 0) -> None:
    path = place(home, entry.arm, seed)
    said(path).write_text("" if score is None else f"score {score}\n")
    made = Attempt(entry.arm, seed, path, Ending(code, 1.0, 1, 0.0))
    vars(made)["outcome"] = Outcome(entry.arm, seed, path, None, None, None, {}, (), None)
    entry.attempts[seed] = made


def test_pairs_are_of_the_seeds_that_both_have(standing: Standing, tmp_path: Path) -> None:
    (prelu,) = standing.candidates
    for seed, score in enumerate((1.0, 2.0, 4.0)):
        ended(tmp_path, standing.baseline, seed, score)
    ended(tmp_path, prelu, 0, 1.5)
    ended(tmp_path, prelu, 1, 9.0, code=3)
    ended(tmp_path, prelu, 2, nan)
    assert standing.pairs(prelu) == ([0.5, 1.0 - 4.0], [1.5, 1.0]), "nan is the worst there was"
    assert [(entry.name, at.seed, why) for entry, at, why in standing.failed()] == [
        ("prelu", 1, "ended with exit code 3")
    ]
    assert prelu.failures == 1
    assert standing.race.resolution == 1.0, "a nan has no digits"


def test_a_run_without_the_metric_is_told(standing: Standing, tmp_path: Path) -> None:
    ended(tmp_path, standing.baseline, 0, None)
    assert [why for _, _, why in standing.failed()] == ["shows no score"]
    assert standing.values(standing.baseline) == [None, None, None]


def test_folders_of_all_names_differ() -> None:
    names = ["leaky_relu:0.1", "leaky_relu-0.1", "leaky_relu:0,1", "z" * 60, "z" * 61]
    arms = {Entry(name).arm for name in names} | {Entry("prelu", factor=3.0).arm, "prelu"}
    assert len(arms) == 7
    assert all(len(arm) < 60 and "/" not in arm and ":" not in arm for arm in arms)


@pytest.mark.parametrize(("direction", "best"), [("high", 3.0), ("low", 1 / 3)])
def test_each_gets_the_rate_it_does_best_with(
    standing: Standing, tmp_path: Path, direction: Direction, best: float
) -> None:
    standing.metric = Metric("score", direction, "output", pattern("score (.*)"))
    (prelu,) = standing.candidates
    tuning = Tuning.of(standing)
    taken = []
    while (task := tuning.take()) is not None:
        taken.append(task)
    assert len(taken) == tuning.left == 2 * 2 * len(FACTORS)
    assert {seed for _, seed in taken} == {3, 4}, "none of the race's"
    for (name, factor), entry in tuning.tried.items():
        for seed in tuning.seeds:
            ended(tmp_path, entry, seed, 5.0 if name == "baseline" else factor)
    assert tuning.left == 0
    tuning.settle(standing)
    assert standing.baseline.factor == 1, "between equals, as the script has it"
    assert standing.baseline.options == ()
    assert prelu.factor == best
    assert prelu.options == ("--swap", "relu=prelu", "--pace", repr(best))
    assert prelu.arm == "prelu-tuned"
