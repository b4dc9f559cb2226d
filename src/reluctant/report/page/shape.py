"""The curve of a function, its derivative, and the curves of those in whose place it stood."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from reluctant.report.page.figure import FAINT, INK, SECOND, Figure, Numbers, axis
from reluctant.words import number

# Outputs beyond these are not shown: of the first few units all functions differ most.
_LEAST, _MOST = -3.0, 6.0


def shape(
    entry: Mapping[str, Any], beside: Sequence[Mapping[str, Any]], numbers: Numbers, key: str
) -> Figure:
    """The figure of one function.

    Args:
        entry: its facts, of which `name`, `curve`, `slope` and `flat` are drawn.
        beside: those of others.
        numbers: those of all figures of the page.
        key: where the figure is on the page.
    """
    xs, ys = entry["curve"]
    known = [y for y in (*ys, *entry["slope"][1]) if isfinite(y)]
    low, high = max(min(known, default=0), _LEAST), min(max(known, default=1), _MOST)
    room = 0.06 * max(high - low, 0.1)
    left, right = xs[0], xs[-1]
    layout = {
        "xaxis": axis("z", range=[left, right]),
        "yaxis": axis("", range=[low - room, high + room]),
        "margin": {"l": 34, "r": 10, "t": 8, "b": 40},
        "showlegend": False,
        "shapes": [
            {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
             "x0": max(start, left), "x1": min(end, right), "line": {"width": 0},
             "fillcolor": "var(--flat)"}
            for start, end in entry["flat"] if start < right and end > left
        ],
    }  # fmt: skip
    data: list[dict[str, Any]] = [
        *({**_line(at["curve"], numbers, FAINT, "dot", 2), "hoverinfo": "skip"} for at in beside),
        {**_line(entry["slope"], numbers, SECOND, "dash", 2),
         "hovertemplate": "f′(%{x:.2f}) = %{y:.3g}<extra></extra>"},
        {**_line(entry["curve"], numbers, INK, "solid", 3),
         "hovertemplate": "f(%{x:.2f}) = %{y:.3g}<extra></extra>"},
    ]  # fmt: skip
    at = {x: y for x, y in zip(xs, ys, strict=True) if x in (left, right) or abs(x) < 1e-9}
    # The middle of the curve's points is zero but for rounding.
    told = ((round(x, 9) + 0.0, round(y, 9) + 0.0) for x, y in at.items())
    ends = ", ".join(f"{number(y)} at {number(x)}" for x, y in told)
    text = f"The curve of {entry['name']} and its derivative. It gives {ends}."
    return Figure(key, data, layout, text, height=240)


def _line(
    points: tuple[Sequence[float], Sequence[float]], numbers: Numbers, colour: str, dash: str,
    width: int,
) -> dict[str, Any]:  # fmt: skip
    xs, ys = (numbers.add(np.asarray(at), pick=True) for at in points)
    return {
        "type": "scatter", "mode": "lines", "x": xs, "y": ys,
        "line": {"color": colour, "dash": dash, "width": width},
    }  # fmt: skip
