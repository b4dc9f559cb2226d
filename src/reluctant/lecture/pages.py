"""A lecture that was run, on a terminal, and as a page in Markdown with a figure a claim."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.errors import FolderNotWritable
from reluctant.lecture.interval import Interval
from reluctant.lecture.outcome import Shown, dumps
from reluctant.words import number, plural

_STYLE = {"holds": "bold green", "does not hold": "bold red", "holds in part": "bold yellow"}
_SIGN = {
    "holds": "✔",
    "does not hold": "✖",
    "holds in part": "◐",
    "not shown": "?",
    "measured": " ",
}

_INTRODUCTION = """\
# What is taught about rectifiers, shown by experiment

Written by `reluctant lecture`, from the numbers of its runs. Each statement is put to a
small experiment on real data with several seeds. What is measured is a mean over seeds, or of
ratios the geometric mean, with Student's interval at 95 %. An answer *holds* where the whole
interval lies on the side on which it has to be, *does not hold* where all of it lies on the other,
and is *not shown* where it reaches over the limit; where nothing is asked, it was only *measured*.
The limits were set by hand. A statement holds where all its answers do, and in part where some do.
"""


def table(shown: Sequence[Shown]) -> RenderableType:
    """Each statement with its verdict, and below it what was measured."""
    parts: list[RenderableType] = []
    for at in shown:
        head = Text.assemble(
            (f"{_SIGN[at.verdict]} {at.verdict}", _STYLE.get(at.verdict, "bold")),
            ("  " + at.claim.name, "bold"),
        )
        lines = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        lines.add_column(ratio=1, overflow="fold")
        lines.add_column(justify="right", no_wrap=True)
        lines.add_column(no_wrap=True)
        for answer in at.answers:
            verdict = Text(f"{_SIGN[answer.verdict]} {answer.verdict}")
            verdict.stylize(_STYLE.get(answer.verdict, ""))
            lines.add_row(answer.what, said(answer.value), verdict)
        how = Text(f"{plural(at.n, 'seed')}. {at.setting}", "dim")
        body = Group(Text(at.claim.statement, "italic"), lines, how)
        parts += [head, Padding(body, (0, 0, 1, 2))]
    return Group(*parts)


def said(value: Interval) -> str:
    """The mean with its interval."""
    if value.low is None or value.high is None:
        return f"{number(value.mean)}, one seed: no interval"
    if value.low == value.high:
        return number(value.mean)
    return f"{number(value.mean)} ({number(value.low)} to {number(value.high)})"


def page(shown: Sequence[Shown], figures: str | None) -> str:
    """In Markdown; `figures` is the folder where the claims' figures are, None for none."""
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        "| statement | | |",
        "|---|---|---|",
    ]
    lines += [
        f"| [{at.claim.name}](#{at.claim.name}) | {at.claim.statement} | {at.verdict} |"
        for at in shown
    ]
    for at in shown:
        lines += ["", f"## {at.claim.name}", "", f"*{at.claim.statement}* {_sentence(at)}", ""]
        lines += ["| measured | mean, 95 % interval | if it holds | |", "|---|---|---|---|"]
        lines += [
            f"| {answer.what} | {said(answer.value)} | {answer.wanted} | {answer.verdict} |"
            for answer in at.answers
        ]
        size = ", at the size of `--quick`" if at.quick else ""
        lines += ["", f"{plural(at.n, 'seed')}{size}. {at.setting}"]
        if figures is not None:
            lines += [
                "",
                f"![{at.claim.name}: {at.claim.statement}]({figures}/{at.claim.name}.svg)",
            ]
    return "\n".join(lines) + "\n"


def _sentence(at: Shown) -> str:
    return f"**{at.verdict[0].upper()}{at.verdict[1:]}.**"


def write(shown: list[Shown], folder: Path) -> None:
    """numbers.json, lecture.md and, where matplotlib is there, a figure a claim, into `folder`.

    Raises:
        FolderNotWritable: they cannot be put there.
    """
    drawn = find_spec("matplotlib") is not None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "numbers.json").write_text(dumps(shown), "utf-8")
        (folder / "lecture.md").write_text(page(shown, "." if drawn else None), "utf-8")
        if drawn:
            draw(shown, folder)
    except OSError as error:
        raise FolderNotWritable.at(folder, error) from None


def draw(shown: Sequence[Shown], folder: Path) -> None:
    """A figure a claim; needs matplotlib."""
    from reluctant.report import pictures

    for at in shown:
        # The same file each time: neither a date nor random names in it.
        with pictures.rc_context({"svg.hashsalt": "reluctant", "svg.fonttype": "none"}):
            axes = pictures.picture(None, 7.2, 4.0)
            axes.grid(axis="y", linewidth=0.4, alpha=0.5)
            axes.set_axisbelow(True)
            at.claim.draw(at.samples, axes)
            figure = axes.get_figure()
            assert isinstance(figure, pictures.Figure)
            figure.savefig(folder / f"{at.claim.name}.svg", metadata={"Date": None})
