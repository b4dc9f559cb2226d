"""A figure as plotly.js takes it, and the numbers of all figures of a page in one block of bytes.

Colours are names of the page's own style sheet, as `var(--ink)`, so that they follow the reader's
choice of light or dark. Text in a figure is a kind of HTML to plotly.js: `plain` makes it text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, FAINT, GRID = "var(--ink)", "var(--faint)", "var(--grid)"
ACCENT, SECOND, DEAD, REMEDY = "var(--accent)", "var(--second)", "var(--dead)", "var(--remedy)"

# Colours of equal steps for the eye, told apart by colour-blind readers and in grey: cividis.
CIVIDIS = "#00224e #123570 #3b496c #575d6d #707173 #8a8678 #a59c74 #c3b369 #e1cc55 #fee838".split()

# Numbers of either sign are told to a thousandth of this, or of themselves if they are larger.
SMALL = 1e-3

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scale(colours: Sequence[str]) -> list[list[Any]]:
    """Colours at equal distances, as plotly.js takes them."""
    last = len(colours) - 1
    return [[place / last, colour] for place, colour in enumerate(colours)]


def plain(text: str) -> str:
    """Text that plotly.js shows as it is."""
    return escape(text, quote=False)


@dataclass(frozen=True)
class Figure:
    """One figure: where it is on the page, what plotly.js draws, and what it says in words.

    `control` names the slider or list that picks a row of those numbers that are marked so.
    `hover` is what the script of the page makes hover texts of.
    """

    key: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    text: str
    height: int = 260
    control: str | None = None
    hover: dict[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """What the page's script needs of it."""
        found: dict[str, Any] = {"data": self.data, "layout": {**self.layout}}
        found["layout"]["height"] = self.height
        if self.control:
            found["control"] = self.control
        if self.hover:
            found["hover"] = self.hover
        return found


class Numbers:
    """Tables of numbers, rounded to so many steps between the least and the most of each."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(
        self,
        values: NDArray[Any],
        low: float | None = None,
        high: float | None = None,
        *,
        fine: bool = True,
        log: bool = False,
        wide: bool = False,
        pick: bool = False,
    ) -> dict[str, Any]:
        """Keep a table, (rows, columns), and say where it is.

        What lies outside `low` and `high` is put at the nearest of them; NaN is a gap. `fine` is
        65,534 steps, otherwise 254. With `log` these are of the logarithm, and what is not
        positive is a gap; with `wide` they are as wide as the number is large, of either sign.
        With `pick` a figure shows one row at a time.
        """
        values = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if log:
            values = np.log10(np.where(values > 0, values, np.nan))
        if wide:
            values = np.arcsinh(values / SMALL)
        values = np.where(np.isfinite(values), values, np.nan)
        some = values[~np.isnan(values)]
        low = (float(some.min()) if some.size else 0.0) if low is None else low
        high = (float(some.max()) if some.size else 1.0) if high is None else high
        high = high if high > low else low + 1.0
        top = 65_535 if fine else 255
        level = np.round((np.clip(values, low, high) - low) / (high - low) * (top - 1))
        data = np.where(np.isnan(level), top, level).astype("<u2" if fine else "u1").tobytes()
        place = {"at": self._size, "shape": list(values.shape), "low": low, "high": high}
        self._parts.append(data)
        self._size += len(data)
        # The next table begins at an even byte.
        if self._size % 2:
            self._parts.append(b"\0")
            self._size += 1
        marks = {"fine": fine, "log": log, "wide": wide, "pick": pick}
        return {"numbers": {**place, **{key: True for key, value in marks.items() if value}}}

    def bytes(self) -> bytes:
        """All tables, one after another."""
        return b"".join(self._parts)


# Above the plot; where it needs a second row that goes up, and the plot down.
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis in the page's own look."""
    look = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True}
    return {"title": {"text": title}, **look, **more}


def decades(low: float, high: float, said: Callable[[float], str] | None = None) -> dict[str, Any]:
    """A logarithmic axis from 10^low to 10^high, labelled at some of its powers of ten."""
    every = max(1, round((high - low) / 6))
    powers = [at for at in range(ceil(low), floor(high) + 1) if at % every == 0]
    said = said or (lambda value: f"10{str(round(log10(value))).translate(_RAISED)}")
    return {
        "type": "log", "range": [low, high], "tickvals": [10.0**at for at in powers],
        "ticktext": [said(10.0**at) for at in powers],
    }  # fmt: skip


def sample_axis(steps: Sequence[int], **more: Any) -> dict[str, Any]:
    """An axis of samples side by side, each as wide as the next, labelled by their steps."""
    count = len(steps)
    shown = sorted({round(at) for at in np.linspace(0, count - 1, min(count, 7))}) if count else []
    return axis(
        "step",
        ticks="",
        tickvals=shown,
        ticktext=[f"{steps[at]:,}" for at in shown],
        range=[-0.5, max(count, 1) - 0.5],
        **more,
    )


def mark(
    x: float, text: str, colour: str, within: int, *, dash: str = "solid", level: int = 0
) -> dict[str, Any]:
    """A line at x across a figure of so many columns, a word above it: a shape, an annotation."""
    side = "left" if x < within / 3 else "right" if x > 2 * within / 3 else "center"
    return {
        "shape": {
            "type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
            "line": {"color": colour, "width": 2, "dash": dash},
        },
        "annotation": {
            "x": x, "xref": "x", "y": 1, "yref": "paper", "text": plain(text), "showarrow": False,
            "yanchor": "bottom", "yshift": 13 * level, "font": {"color": colour, "size": 11},
            "xanchor": side,
        },
    }  # fmt: skip


def marked(layout: dict[str, Any], marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The layout with these marks in it."""
    return {
        **layout,
        "shapes": [*layout.get("shapes", ()), *(at["shape"] for at in marks)],
        "annotations": [*layout.get("annotations", ()), *(at["annotation"] for at in marks)],
    }
