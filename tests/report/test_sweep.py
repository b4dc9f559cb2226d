"""A sweep on paper: hand-built, nothing is run."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from reluctant.errors import FolderNotWritable, WrongArgument
from reluctant.record.sweep import Rate, Sweep, Verdict
from reluctant.report import sweep, sweep_picture, terminal


def rate(factor: float, loss: float, killed: float, verdict: Verdict, usual: float | None) -> Rate:
    return Rate(factor, 0.01 * factor, 1, loss, killed + 2, killed, verdict, usual)


SWEEP = Sweep(
    "train.py",
    ("--lr", "0.01"),
    False,
    "/runs/sweep",
    100,
    1,
    (
        rate(0.1, 1.0, 0, "too slow", None),
        rate(1, 0.5, 0, "learns", None),
        rate(3.16, 0.25, 0, "learns", 0.0),
        rate(10, 0.2, 38, "kills", 0.0),
        rate(100, float("nan"), 60, "diverges", 0.0),
    ),
    100,
    640,
    ("Something is missing.",),
)


def printed(found: Sweep) -> str:
    stream = StringIO()
    terminal.show(sweep.verdict(found), stream)
    return stream.getvalue()


def test_a_sweep_in_words() -> None:
    assert (
        printed(SWEEP)
        == """
reluctant  lr  train.py --lr 0.01
           5 rates, 100 steps each, 1 seed

    rate  times own  loss  dead  killed  verdict
   0.001        0.1     1     2       0  too slow
    0.01          1   0.5     2       0  learns
  0.0316       3.16  0.25     2       0  learns <
     0.1         10   0.2    40      38  kills
       1        100   nan    62      60  diverges

         1 |o                                                       ^| 62 %
           |                                                         |
           |                                                         |
           |                                                         |
           |                                     x                   |
           |                                                         |
           |                   o                                     |
           |                                                         |
           |                                                         |
           |                            o                            |
       0.2 |x                  x        x        o                   | 0 %
            0.001                       rate                        1

  o  loss     x  share of units that are dead     ^  a loss beyond all this

  In 100 steps, 0.0316 is the largest rate that learns and kills no one.
  The script's own, 0.01, is 3.16 times lower.
  The loss is lowest at 0.1, which kills 38 units.

  dead     of 100 units whose function switches off; silent on 640 inputs or more, so that they fire
           on less than 0.47 % (95 %)
  killed   the dead that fired before; a rate kills if they are more than at lower ones that learn
  records  /runs/sweep

  Something is missing.
"""
    )


def said(*changed: Rate, **facts: int) -> str:
    rates = {at.factor: at for at in (*SWEEP.rates, *changed)}
    found = replace(SWEEP, rates=tuple(rates[at] for at in sorted(rates)), **facts)  # type: ignore[arg-type]
    return " ".join(sweep.sentences(found))


def test_what_is_said() -> None:
    assert said() == (
        "In 100 steps, 0.0316 is the largest rate that learns and kills no one. The script's own, "
        "0.01, is 3.16 times lower. The loss is lowest at 0.1, which kills 38 units."
    )
    assert "learns. The" in said(units=0)
    assert "and does not kill: 3 of 100 units die, and 2.5 at lower rates that learn" in said(
        rate(3.16, 0.1, 3, "learns", 2.5)
    )
    at_fault = said(rate(1, 0.5, 1, "kills", 0.0), rate(3.16, 0.25, 4, "kills", 0.0))
    assert at_fault == "Every rate that learns kills: 0.01 the fewest, 1 % of the units."
    alone = [rate(at, 2.3, 0, "no learning", None) for at in (0.1, 1, 3.16, 10, 100)]
    assert said(*alone).startswith("No rate learns in 100 steps: give more with --steps")
    lower = said(rate(0.1, 0.7, 0, "learns", None), rate(1, 0.5, 9, "kills", 0.0),
                 rate(3.16, 0.6, 9, "kills", 0.0), rate(10, 0.9, 9, "kills", 0.0))  # fmt: skip
    assert lower.startswith("In 100 steps, 0.001 is the largest")
    assert "The script's own, 0.01, is 10 times higher, and kills 9 units." in lower
    own = replace(SWEEP, rates=SWEEP.rates[:2])
    assert "It is the script's own." in sweep.sentences(own)


def test_a_rate_that_is_not_known_is_told_by_its_factor() -> None:
    bare = replace(SWEEP, rates=tuple(replace(at, rate=None) for at in SWEEP.rates))
    assert "3.16 times the script's own is the largest rate" in printed(bare)


def test_for_programs() -> None:
    found = json.loads(sweep.dumps(SWEEP))
    assert found["named"]["factor"] == 3.16
    assert found["own"]["verdict"] == "learns"
    assert found["best"]["rate"] == 0.1
    assert [at["loss"] for at in found["rates"]] == [1.0, 0.5, 0.25, 0.2, None]
    assert found["said"] == list(sweep.sentences(SWEEP))
    assert found.keys() >= {"schema", "script", "arguments", "steps", "seeds", "units", "limits"}


def test_a_picture(tmp_path: Path) -> None:
    sweep_picture.draw(SWEEP, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    for text in ("learning rate", "loss", "dead units (%)", "train.py, 100 steps at each rate"):
        assert text in drawn
    sweep_picture.draw(SWEEP, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn, "the same file each time"
    with pytest.raises(WrongArgument):
        sweep_picture.draw(SWEEP, tmp_path / "plot.none")
    with pytest.raises(FolderNotWritable):
        sweep_picture.draw(SWEEP, tmp_path / "no" / "plot.svg")
