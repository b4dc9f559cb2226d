"""A trial on paper: hand-built, nothing is run."""

import json
from dataclasses import replace
from io import StringIO

from reluctant.record.comparison import Comparison
from reluctant.record.trial import LOSS, Treatment, Trial
from reluctant.report import terminal, trials
from reluctant.trials.compare import compare

PLAIN = [1.0, 1.2, 1.1]


def compared(metric: str, treated: list[float | None], placebo: list[float | None]) -> Comparison:
    arms = {"treated": treated, "placebo": placebo}
    return compare(metric, "low", ("untreated", [*PLAIN]), arms)


TRIAL = Trial(
    "train.py",
    ("--lr", "1"),
    False,
    "/runs/trial",
    3,
    (compared(LOSS, [0.5, 0.7, 0.5], [1.0, 1.3, 1.0]),),
    3,
    2,
    (Treatment("revive", "dead-units", 2, 1),),
    ("of revive, twice: 3 living units, chosen at random, began anew.",),
    False,
    ("Something is missing.",),
    {"untreated": ("/runs/trial/untreated-0",)},
)


def printed(trial: Trial) -> str:
    stream = StringIO()
    terminal.show(trials.verdict(trial), stream)
    return stream.getvalue()


def test_a_trial_in_words() -> None:
    assert (
        printed(TRIAL)
        == """
reluctant  trial  train.py --lr 1
           3 seeds, each untreated, treated and with a placebo

  metric         untreated  treated  placebo  difference, 95 % interval  verdict
  training loss        1.1    0.567      1.1  -0.533, -0.677 to -0.39    better

  The treatment helped: training loss.

  done     revive, for dead-units, in 2 of 3 runs; undone in 1
  placebo  of revive, twice: 3 living units, chosen at random, began anew.
  records  /runs/trial

  Something is missing.
"""
    )


def test_what_is_said() -> None:
    def said(*treated: float | None, touched: int = 3, fixed: bool = False) -> str:
        found = (compared(LOSS, [*treated], [*treated]),)
        return "\n".join(
            trials.sentences(replace(TRIAL, comparisons=found, treated=touched, fixed=fixed))
        )

    assert said(2.0, 2.3, 2.2).startswith("The treatment harmed: training loss.")
    assert "The placebo did something, too: training loss worse." in said(2.0, 2.3, 2.2)
    assert said(*PLAIN, touched=0) == "No intervention: the runs are the same."
    assert said(1.0, 1.0, 1.0, touched=0).endswith("differ is the script's own doing.")
    assert said(1.0, 1.3, 1.0) == (
        "No difference in training loss is shown: 3 pairs would probably have shown one of 0.31."
    )
    assert said(*PLAIN) == "No difference in training loss: it is the same in all 3 pairs."
    assert said(0.1, None, None, fixed=True) == (
        "All untreated runs are the same, so n is 1 in truth: the script sets its own seed. If it "
        "takes that as an argument, say how, as --seed-arg '--seed {}'.\n"
        "No difference in training loss is shown: one pair shows none of any size."
    )


def test_for_programs() -> None:
    said = json.loads(trials.dumps(TRIAL))
    (metric,) = said["metrics"]
    assert metric.keys() >= {
        "schema", "metric", "direction", "candidates", "baseline", "detectable"
    }  # fmt: skip
    for candidate in metric["candidates"]:
        assert candidate.keys() >= {
            "name", "n", "mean", "difference", "low", "high", "verdict"
        }  # fmt: skip
    assert metric["baseline"] == "untreated"
    assert metric["candidates"][0]["verdict"] == "better"
    assert said["limits"] == ["Something is missing."]
