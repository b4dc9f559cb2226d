"""A search's verdict, on results that are written by hand."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from reluctant.record.comparison import Candidate, Comparison, Verdict
from reluctant.record.discovery import Discovery, Found
from reluctant.report import search


def discovery(verdict: Verdict = "better", difference: float = -0.25) -> Discovery:
    candidate = Candidate("max(z, tanh(z))", 5, 0.5, difference, -0.3, -0.2, verdict, 0.08)
    silu = Candidate("silu(z)", 5, 0.8, 0.05, -0.1, 0.2, "no difference shown", 0.2)
    define = 'reluctant.register("found_1", reluctant.expression("max(z, tanh(z))"))'
    return Discovery(
        "train.py",
        ("--epochs", "3"),
        False,
        "/runs/found",
        ("relu",),
        Comparison("training loss", "low", "as it stands", 0.75, (candidate, silu)),
        5,
        (Found("max(z, tanh(z))", define, (), 3.0),),
        40,
        60,
        3,
        {"It was ended after 60 s.": 1, "It failed with exit code 1: boom": 2},
        5400.0,
    )


def text(of: Discovery) -> str:
    console = Console(width=110, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(search.verdict(of))
    return captured.get()


def test_the_table_the_answer_and_how_to_use_it() -> None:
    said = text(discovery())
    assert (
        "40 functions in 60 runs, 1 h 30 min; judged on 5 seeds that the search never used" in said
    )
    row = next(line for line in said.splitlines() if "better" in line)
    assert row.split() == "max(z, tanh(z)) 0.5 −0.25, −0.3 to −0.2 3 better".split()
    assert (
        "The search's answer, max(z, tanh(z)), lowers the training loss by 0.25 against the script"
        in said
    )
    assert 'define   reluctant.register("found_1"' in said
    assert "reluctant run --swap 'relu=max(z, tanh(z))' train.py --epochs 3" in said
    assert "failed   1 run: It was ended after 60 s." in said
    assert "2 runs: It failed with exit code 1: boom" in said


def test_rates_are_told_where_any_is_not_the_scripts_own() -> None:
    known = discovery()
    own = replace(known, factors={"as it stands": 1.0, "max(z, tanh(z))": 1.0, "silu(z)": 1.0})
    assert " rate " not in text(own).partition("The search's answer")[0]
    name = "with its own functions"
    comparison = replace(known.comparison, baseline=name)
    factors = {name: 3.0, "max(z, tanh(z))": 1 / 3, "silu(z)": 1.0}
    said = text(replace(known, comparison=comparison, factors=factors))
    rows = [line.split() for line in said.splitlines()]
    assert any(row[:3] == ["function", "rate", "training"] for row in rows)
    assert [*name.split(), "3", "times", "0.75"] in rows
    assert [*"max(z, tanh(z)) 0.33 times 0.5".split()] == next(
        row[:5] for row in rows if row[-1:] == ["better"]
    )
    assert "With its own functions, too, the script does better at 3 times its rate." in said
    assert "with 0.33 times the learning rate that the script has" in said


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"verdict": "worse"}, "is worse on seeds that it never used."),
        ({"verdict": "no difference shown"}, "5 pairs would probably have shown one of 0.08."),
        ({"verdict": "no difference shown", "low": 0.0, "high": 0.0}, "all 5 pairs are the same."),
        (
            {"verdict": "no difference shown", "n": 1, "low": None, "detectable": None},
            "one pair shows none of any size.",
        ),
    ],
)
def test_what_is_said_where_nothing_was_gained(changed: dict[str, object], says: str) -> None:
    known = discovery()
    first, silu = known.comparison.candidates
    candidates = (replace(first, **changed), silu)  # type: ignore[arg-type]
    found = replace(known, comparison=replace(known.comparison, candidates=candidates))
    assert says in next(search.sentences(found))


def test_one_object_for_programs() -> None:
    said = json.loads(search.dumps(discovery()))
    assert said["schema"] == 1
    assert (said["metric"], said["direction"], said["baseline"]) == (
        "training loss",
        "low",
        "as it stands",
    )
    assert {"name", "n", "mean", "difference", "low", "high", "verdict"} <= said["candidates"][
        0
    ].keys()
    assert said["detectable"] == 0.2
    assert said["found"][0]["function"] == "max(z, tanh(z))"
