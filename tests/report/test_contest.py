"""A comparison on paper: hand-built, nothing is run."""

import json
from dataclasses import replace
from io import StringIO

import pytest

from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.contest import Contest, Entrant
from reluctant.report import contest as report
from reluctant.report import terminal

COMPARISON = Comparison(
    "accuracy",
    "high",
    "baseline",
    0.9,
    (
        Candidate("prelu", 9, 0.93, 0.03, 0.01, 0.06, "better", 0.02),
        Candidate("silu", 9, 0.905, 0.005, -0.02, 0.06, "no difference shown", 0.025),
        Candidate("tanh", 4, 0.8, -0.1, -0.3, -0.05, "worse", 0.03),
    ),
)

CONTEST = Contest(
    "train.py",
    ("--lr", "1"),
    False,
    "/runs/contest",
    COMPARISON,
    "the last in the script's output",
    ("relu",),
    ("relu",),
    tuple(range(5, 14)),
    9,
    (
        Entrant("baseline", 9, None, 0.0012, 300e6, 12.0, 4.0),
        Entrant("prelu", 9, 1.2, 0.0015, 310e6, None),
        Entrant("silu", 9, 0.1, 0.0014, 310e6, 0.0, 8.0),
        Entrant("tanh", 4, -3.0, 0.0013, None, None, None, 1.0, "stopped after 4 seeds, early"),
    ),
    ("Something is missing.",),
    {"baseline": ("/runs/contest/baseline-0",)},
)


def printed(contest: Contest) -> str:
    stream = StringIO()
    terminal.show(report.verdict(contest), stream)
    return stream.getvalue()


def test_a_comparison_in_words() -> None:
    assert (
        printed(CONTEST)
        == """
reluctant  compare  train.py --lr 1
           3 functions in the place of relu, up to 9 seeds
           accuracy, the last in the script's output; more is better

  function  seeds  accuracy  difference, 95 % interval  verdict
  baseline              0.9
  prelu         9      0.93  0.03, 0.01 to 0.06         better
  silu          9     0.905  0.005, -0.02 to 0.06       no difference shown
  tanh          4       0.8  -0.1, -0.3 to -0.05        worse

  function  a step  memory     kept  dead units  effect size
  baseline  1.2 ms  300 MB  4 bytes          12
  prelu     1.5 ms  310 MB                               1.2
  silu      1.4 ms  310 MB  8 bytes           0          0.1
  tanh      1.3 ms                                        -3

  relu is what the script has: that is the baseline.
  prelu is better than the script as it stands: accuracy 0.03, 0.01 to 0.06.
  Worse than the script as it stands: tanh.
  No difference shown: silu. 9 seeds would probably (four times in five) have shown an improvement
  of 0.025.
  tanh was stopped after 4 seeds, early.
  Differences are means over pairs of runs with the same seed. The intervals hold for all functions
  together, whenever each was stopped.

  Something is missing.

  records  /runs/contest
"""
    )


def test_rates_are_shown_where_they_were_tuned() -> None:
    entrants = tuple(replace(at, factor=3.0) for at in CONTEST.entrants)
    text = printed(replace(CONTEST, entrants=entrants))
    assert "function  learning rate" in text
    assert text.count("3 times") == 4


def test_the_object_for_programs() -> None:
    said = json.loads(report.dumps(CONTEST))
    assert (said["schema"], said["metric"], said["direction"]) == (1, "accuracy", "high")
    assert (said["baseline"], said["detectable"]) == ("baseline", 0.03)
    assert said["candidates"][0] == {
        "name": "prelu",
        "n": 9,
        "mean": 0.93,
        "difference": 0.03,
        "low": 0.01,
        "high": 0.06,
        "verdict": "better",
        "detectable": 0.02,
        "differences": [],
    }
    assert (said["seeds"], said["first_seed"]) == (9, 5)
    assert said["entrants"][3]["stopped"] == "stopped after 4 seeds, early"


@pytest.mark.parametrize("direction", ["high", "low"])
def test_the_best_comes_first(direction: str) -> None:
    better = tuple(replace(at, verdict="better") for at in COMPARISON.candidates)
    comparison = replace(COMPARISON, candidates=better, direction=direction)  # type: ignore[arg-type]
    names = replace(CONTEST, comparison=comparison).where("better")
    assert names == (
        ("prelu", "silu", "tanh") if direction == "high" else ("tanh", "silu", "prelu")
    )


def test_too_few_seeds_to_say_anything() -> None:
    one = Candidate("elu", 1, 0.9, 0.01, None, None, "no difference shown", None)
    comparison = replace(COMPARISON, candidates=(one,))
    text = printed(replace(CONTEST, comparison=comparison, entrants=CONTEST.entrants[:1]))
    assert "0.01, too few seeds" in text
    assert "So few pairs show none of any size." in text
