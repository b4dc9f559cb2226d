"""What the page of a comparison has on it, whether functions were given or searched for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reluctant.record.comparison import Candidate, Verdict
from reluctant.report.page.facts import Tile
from reluctant.report.page.figure import Figure, Numbers
from reluctant.report.page.shape import shape
from reluctant.report.page.template import filled
from reluctant.report.page.verdicts import LOOKS
from reluctant.words import number

# The facts of a function: of them `name`, `curve`, `slope` and `flat` are drawn.
Drawn = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What stands there, and the number by which its column is sorted."""

    text: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Row:
    """A function, or what it is held against, which has no verdict."""

    name: str
    verdict: Verdict | None
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Column:
    """Its title, and whether numbers stand in it."""

    title: str
    number: bool = True


@dataclass(frozen=True)
class Shown:
    """A function as it is drawn: its curve, and the line of Python that defines it."""

    name: str
    verdict: Verdict | None
    figure: Figure
    define: str | None = None


@dataclass(frozen=True)
class Sheet:
    """All of it: `said` is the verdict in words, `use` the command that makes use of it.

    `reading` is how its figures are to be read, and `limits` what went wrong.
    """

    verb: str
    command: str
    verdict: Verdict
    said: Sequence[str]
    use: str | None
    tiles: Sequence[Tile]
    limits: Sequence[str]
    differences: Figure
    race: Figure | None
    stops: Sequence[str]
    columns: Sequence[Column]
    rows: Sequence[Row]
    functions: Sequence[Shown]
    reading: Sequence[str]
    facts: Sequence[tuple[str, str]]
    numbers: Numbers

    def figures(self) -> list[Figure]:
        """All of its figures."""
        found = [self.differences, *(at.figure for at in self.functions)]
        return found if self.race is None else [*found, self.race]


def page(sheet: Sheet) -> str:
    """As HTML.

    Raises:
        NotInstalled: a library that the page needs is not there.
    """
    return filled("sheet.html", sheet.figures(), sheet.numbers, sheet=sheet, looks=LOOKS)


def functions(
    names: Sequence[str],
    verdicts: Mapping[str, Verdict],
    replaced: Sequence[str],
    curves: Mapping[str, Drawn],
    numbers: Numbers,
    defined: Mapping[str, str] | None = None,
) -> list[Shown]:
    """Those that were replaced, and then these, each with its curve where there is one."""
    beside = [curves[name] for name in replaced if name in curves]
    order = dict.fromkeys([*replaced, *names])
    return [
        Shown(
            name,
            verdicts.get(name),
            shape(curves[name], [] if name in replaced else beside, numbers, f"function-{place}"),
            (defined or {}).get(name),
        )
        for place, name in enumerate(order)
        if name in curves
    ]


def figure(value: float | None, unit: str = "") -> Cell:
    """A number."""
    return Cell() if value is None else Cell(f"{number(value)}{unit}", value)


def difference(at: Candidate) -> Cell:
    """With its interval."""
    if at.difference is None:
        return Cell()
    return Cell(f"{number(at.difference)} ({interval(at)})", at.difference)


def interval(at: Candidate) -> str:
    """From where to where a difference lies."""
    if at.low is None or at.high is None:
        return "too few pairs"
    return f"{number(at.low)} to {number(at.high)}"
