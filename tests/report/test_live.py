"""The view of a run that goes on: what it says of which run, at any size."""

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.diagnosis.test_properties import runs as any_runs
from tests.diagnosis.test_rules import FLAT, dying
from tests.records import a_run

from reluctant.diagnosis import diagnose
from reluctant.record.finding import Cause, Diagnosis, Finding, Severity, Units
from reluctant.record.run import Intervention, Run
from reluctant.report import braille, terminal
from reluctant.report.live import View
from reluctant.words import duration

START = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def running(run: Run | None = None, **facts: Any) -> Run:
    run = run or a_run()
    told = {"exit_code": None, "steps": None, "seconds": None, "started": START.isoformat()}
    return replace(run, info=replace(run.info, **{**told, **facts}))


def seen(
    run: Run, seconds: float = 2.0, diagnosis: Diagnosis | None = None, width: int = 100,
    height: int | None = None,
) -> str:  # fmt: skip
    """What is on a screen so many seconds after the run began."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    view = View(run, diagnosis or diagnose(run), START + timedelta(seconds=seconds), "q leaves")
    console.print(view, height=height)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def finding(slug: str, step: int, severity: Severity = Severity.ERROR) -> Finding:
    cause = Cause("drifted", f"Because of {slug}.")
    return Finding(slug, severity, "layer0", Units((0, 1), 20), step, cause)


# -- what it says -----------------------------------------------------------------------------


def test_the_essential_words() -> None:
    text = seen(running(a_run(sites={1: dying(8, 19, 4.0)}, losses=FLAT)))
    for words in (
        "reluctant  error  train.py",
        "running, 2.0 s, 20 steps observed, the last, step 190, 0.1 s ago",
        "loss  2.3 at step 190, 2.3 at first",
        "layer1  relu      ┄┄┄┄┄┄┄┄ 2.5 %  ━━━━━━━━ 19 of 20  ━━━━━━━━ 0.001",
        "✖ error  dead-units, killed-by-step:  layer layer1: 19 of 20 units",
        "      The update",
    ):
        assert words in text, text


def test_a_run_that_has_ended() -> None:
    run = a_run()
    text = seen(replace(run, info=replace(run.info, exit_code=-9, observing_seconds=0.09)))
    facts = text.splitlines()[1].strip()
    assert facts == (
        "ended with exit code -9, 191 steps, 9.0 s, 20 steps observed in 1 % of the time"
    )


@pytest.mark.parametrize(
    ("silence", "word"), [(59.0, "running,"), (61.0, "running, or killed,"), (1e6, "or killed,")]
)
def test_a_long_silence_may_mean_that_it_was_killed(silence: float, word: str) -> None:
    run = running()
    assert word in seen(run, run.samples[-1].seconds + silence)


def test_a_silence_as_long_as_others_before_means_nothing() -> None:
    run = running(a_run(steps=range(4)))
    slow = replace(run, samples=tuple(replace(at, seconds=100.0 * at.index) for at in run.samples))
    assert "running, 11 min 30 s," in seen(slow, 690.0)
    assert "running, or killed, 11 min 50 s," in seen(slow, 710.0)


@pytest.mark.parametrize("started", ["", "yesterday", START.replace(tzinfo=None).isoformat()])
def test_without_a_clock_no_time_is_told(started: str) -> None:
    assert "running, 20 steps observed" in seen(running(started=started))


def test_a_clock_that_runs_behind_is_not_believed() -> None:
    assert "running, 20 steps observed" in seen(running(), -5.0)


def test_what_observing_costs_so_far() -> None:
    run = running()
    paid = tuple(replace(at, observing=0.1 * at.seconds) for at in run.samples)
    assert "observed in 10 % of the time, the last" in seen(replace(run, samples=paid))


@pytest.mark.parametrize(
    ("code", "words"),
    [(None, "reluctant  waiting  train.py"), (1, "reluctant  nothing seen  train.py")],
)
def test_no_sample_yet(code: int | None, words: str) -> None:
    run = replace(running(exit_code=code), samples=(), sites=(), layers=())
    text = seen(run)
    assert words in text
    assert "No step was seen yet." in text
    assert "healthy" not in text


def test_a_run_that_nobody_has_looked_into() -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(View(running(), None, START))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "reluctant  reading  train.py" in text
    assert "loss  0.3 at step 190" in text
    assert "Looking into it ..." in text


def test_the_worst_come_first_and_the_newest_of_them() -> None:
    findings = [
        finding("oldest", 1),
        finding("newest", 90),
        finding("newer", 50),
        finding("note", 99, Severity.NOTE),
    ]
    text = seen(running(), diagnosis=Diagnosis(tuple(findings), ()))
    places = [text.index(f"  {slug}, drifted") for slug in ("newest", "newer", "oldest", "note")]
    assert places == sorted(places)
    assert "Because of newest." in text
    assert "Because of note." not in text


def test_what_was_done_is_marked_and_told_the_newest_first() -> None:
    whole = ("learning-rate-too-high", "outsized-update", None, None, "loss")
    done = [
        Intervention(0, 20, "slow-down", *whole, 2.0, 1.0, 1.0, True),
        Intervention(1, 100, "roll-back", *whole, 2.0, 1.0),
        Intervention(2, 190, "revive", *whole, 2.0, 1.0, None, False, "Refused."),
    ]
    text = seen(replace(running(), interventions=tuple(done)))
    assert "Not judged yet." in text
    assert text.index("• begun  roll-back  step 100") < text.index("✔ kept  slow-down  step 20")
    assert "revive" not in text
    axis = next(line for line in text.splitlines() if "└" in line)
    left = axis.index("└") + 1
    marks = [place - left for place, sign in enumerate(axis.rstrip()) if sign == "▲"]
    wide = len(axis.rstrip()) - left - 1
    assert marks == [round(wide * 20 / 190), round(wide * 100 / 190)]
    assert "▲ treated" in text


def test_names_are_shown_as_they_are() -> None:
    run = running(script="[red]train.py")
    layers = tuple(replace(at, name="net[bold].[/red]:smile:") for at in run.layers)
    text = seen(replace(run, layers=layers))
    assert "net[bold].[/red]:smile:" in text
    assert "'[red]train.py'" in text


# -- how it fits ------------------------------------------------------------------------------


def long() -> Run:
    run = a_run(depth=40, sites={5: dying(8, 19, 4.0), 30: dying(8, 19, 4.0)}, losses=FLAT)
    words = tuple(f"--option-number-{index}=some/long/value" for index in range(20))
    layers = tuple(replace(at, name="block." * 20 + at.name) for at in run.layers)
    return running(replace(run, layers=layers, path=Path("/long" * 30)), arguments=words)


LONG = long()
FOUND = diagnose(LONG)


def check_fits(text: str, width: int, height: int) -> None:
    lines = text.splitlines()
    assert len(lines) == height
    assert lines[-1].strip() == "q leaves"[: max(width - 2, 0)] or width < 10
    assert max(map(len, lines)) <= width


@settings(max_examples=60)
@given(st.integers(12, 200), st.integers(4, 90))
def test_it_fits_a_terminal_of_any_size(width: int, height: int) -> None:
    check_fits(seen(LONG, 2.0, FOUND, width, height), width, height)


@settings(max_examples=40)
@given(any_runs(), st.integers(20, 120), st.integers(6, 60))
def test_any_run_fits(run: Run, width: int, height: int) -> None:
    check_fits(seen(run, width=width, height=height), width, height)


@pytest.mark.parametrize(("width", "gone"), [(100, ()), (80, ("function",)), (60, ("update",))])
def test_what_is_less_needed_makes_way_where_it_is_narrow(
    width: int, gone: tuple[str, ...]
) -> None:
    text = seen(LONG, 2.0, FOUND, width, 40)
    (titles,) = (line.split() for line in text.splitlines() if line.startswith("  layer "))
    assert {"layer", "firing", "dead"} <= set(titles)
    assert not set(gone) & set(titles)


def test_where_not_all_layers_fit_those_with_findings_stay() -> None:
    text = seen(LONG, 2.0, FOUND, 100, 30)
    assert "layer5  " in text
    assert "layer30  " in text
    assert "more layers" in text


def test_without_a_limit_everything_is_shown() -> None:
    text = seen(LONG, 2.0, FOUND)
    for line in FOUND.layers:
        assert f"{line.name[-8:]} " in text


# -- the curve --------------------------------------------------------------------------------


def test_a_steady_fall_is_a_diagonal() -> None:
    rows = braille.curve(np.arange(8.0), -np.arange(8.0), 4, 2)
    assert rows == ["⠑⢄⠀⠀", "⠀⠀⠑⢄"]


def test_what_is_not_finite_breaks_the_curve() -> None:
    ys = np.array([1.0, np.nan, 0.0, np.inf, 1.0])
    assert braille.curve(np.arange(5.0), ys, 3, 1) == ["⠁⡀⠈"]


def test_nothing_that_is_known_draws_nothing() -> None:
    assert braille.curve(np.arange(3.0), np.full(3, np.nan), 2, 1) == ["⠀⠀"]
    assert braille.curve(np.zeros(0), np.zeros(0), 2, 1) == ["⠀⠀"]


@given(
    st.lists(st.floats(width=64), max_size=30), st.integers(1, 40), st.integers(1, 9)
)  # fmt: skip
def test_any_curve_can_be_drawn(values: list[float], width: int, height: int) -> None:
    rows = braille.curve(np.arange(float(len(values))), np.array(values), width, height)
    assert [len(row) for row in rows] == [width] * height
    assert all(0x2800 <= ord(sign) < 0x2900 for row in rows for sign in row)
    drawn = any(sign != "⠀" for row in rows for sign in row)
    assert drawn == bool(np.isfinite(values).any())


@pytest.mark.parametrize(
    ("losses", "logarithmic"),
    [([2.0, 1.0], False), ([100.0, 1.0], True), ([100.0, -1.0], False), ([1e3, np.nan, 1.0], True)],
)
def test_a_loss_of_many_sizes_is_drawn_by_its_logarithm(
    losses: list[float], logarithmic: bool
) -> None:
    text = seen(running(a_run(steps=range(len(losses)), losses=losses)))
    assert ("logarithmic" in text) == logarithmic
    assert "│" in text


def test_a_stream_without_braille_gets_stars() -> None:
    content = io.BytesIO()
    with io.TextIOWrapper(content, encoding="ascii") as stream:
        terminal.show(View(running(), diagnose(running()), START), stream)
        stream.flush()
        text = content.getvalue().decode("ascii")
    assert "*" in text
    assert "?" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"), (7500.0, "2 h 5 min"), (1e7, "2,777 h 46 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
