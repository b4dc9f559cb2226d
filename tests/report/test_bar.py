"""How far trials are, on a terminal and where there is none."""

from io import StringIO

import pytest
from rich.console import Console

from reluctant.record.progress import Progress
from reluctant.report import bar


def told(terminal: bool, *shown: Progress, width: int = 100) -> str:
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, color_system=None)
    with bar.trials(lambda number: f"run {number}", console) as (tell, show):
        for at in shown:
            show(at)
        tell("elu, seed 0: it said [odd] :bug: things, at length" + " and more" * 10)
        tell("elu, seed 1: 2 s")
    return stream.getvalue()


RUNNING = Progress(("prelu, seed 3", "[red]silu, seed 3"), 7, 24, 200.0)


def test_where_there_is_no_terminal_each_run_has_a_line_and_nothing_else() -> None:
    first, second = told(False, RUNNING).splitlines()
    assert first.startswith("reluctant  run 1  elu, seed 0: it said [odd] :bug: things, at length")
    assert first.endswith("and more"), "in one line, however long"
    assert second == "reluctant  run 2  elu, seed 1: 2 s"


def test_on_a_terminal_there_is_a_bar_below_the_lines() -> None:
    text = told(True, RUNNING)
    assert "7 of up to 24 runs, up to 3 min 20 s left: prelu, seed 3; [red]silu" in text
    assert text.index("it said [odd] :bug: things") < text.index("run 2  elu, seed 1: 2 s")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (Progress(("baseline, seed 0",), 0, 12), "0 of up to 12 runs: baseline, seed 0"),
        (Progress((), 1, 1, 0.0), "1 of up to 1 run, up to 0.0 s left"),
    ],
)
def test_what_is_not_known_is_not_said(at: Progress, says: str) -> None:
    assert says in told(True, at)


def test_the_bar_has_one_line_on_a_narrow_terminal() -> None:
    long = Progress(tuple(f"function {at}, seed 0" for at in range(9)), 7, 24, 200.0)
    rows = [row for row in told(True, long, width=50).splitlines() if "24 runs" in row]
    assert rows
    assert all("…" in row for row in rows)


@pytest.mark.parametrize(("passed", "says"), [(20, "3 min 0 s left"), (1000, "up to 0.0 s left")])
def test_the_time_that_is_left_passes(passed: float, says: str) -> None:
    now, stream = [1000.0], StringIO()
    console = Console(
        file=stream, force_terminal=True, width=100, color_system=None, get_time=lambda: now[0]
    )
    with bar.trials(str, console) as (_, show):
        show(RUNNING)
        now[0] += passed
    assert says in stream.getvalue()
