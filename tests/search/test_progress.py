"""How far a search is, as one sees it on a terminal and elsewhere."""

import pytest
from rich.console import Console

from reluctant.search.progress import bar, sentence
from reluctant.search.quest import Progress

AT = Progress("search", 3, 1, 2, "silu(z)", 600.0, 3000.0)


def test_elsewhere_each_run_has_a_line() -> None:
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured, bar(console) as (show, tell):
        show(AT)
        tell("silu(z), seed 0: it said [odd] things")
    assert captured.get() == "reluctant  silu(z), seed 0: it said [odd] things\n"


def test_on_a_terminal_there_is_a_bar_below_them() -> None:
    console = Console(width=120, force_terminal=True, color_system=None)
    with console.capture() as captured, bar(console) as (show, tell):
        tell("silu(z), seed 0: it said [odd] things")
        show(AT)
    assert "reluctant  silu(z), seed 0: it said [odd] things" in captured.get()
    line = next(at for at in captured.get().splitlines() if "searching" in at)
    assert "3 runs, 1 failed, about 50 min 0 s left, best so far silu(z)" in line
    assert line.count("━") == 3, "a sixth of 20"


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (Progress("baseline", 0, 0, 1, None, 1.0, 0.0), "the script as it stands: 0 runs"),
        (Progress("tune", 1, 0, 1, None, 1.0, 30.0), "learning rates: 1 run, about 30 s left"),
        (Progress("confirm", 9, 0, 1, "z", 1.0, 9.0), "judging: 9 runs, about 9.0 s left, best"),
    ],
)
def test_each_stage_in_words(at: Progress, says: str) -> None:
    assert sentence(at).startswith(says)
