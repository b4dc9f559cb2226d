"""The curve of each activation function met, and over it a histogram of what it was fed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.run import Function, HistogramSeries, Ints
from reluctant.report.histogram import Bars, bars, ends, shares
from reluctant.report.page.figure import (
    INK,
    LEGEND,
    SECOND,
    Figure,
    Numbers,
    axis,
    plain,
)
from reluctant.report.page.profile import Profile
from reluctant.words import percent

# What is said of inputs beyond the ends of the picture, if it is so much.
TELLING = 0.005


@dataclass
class Fed:
    """What one function was fed in each layer: counts at first and at last, (B,) each.

    `flat` is which share of its inputs lay where it is flat, at first and at last. These shares are
    of all that was observed, and the counts of a part. `counted` says that there are any.
    """

    function: Function
    labels: list[str] = field(default_factory=list)
    first: list[Ints] = field(default_factory=list)
    last: list[Ints] = field(default_factory=list)
    flat: list[tuple[float, float]] = field(default_factory=list)
    counted: bool = False

    def add(self, profile: Profile, fed: HistogramSeries) -> None:
        """Take one layer in."""
        late = profile.steps >= 0.8 * profile.steps[-1]
        self.labels.append(profile.label)
        self.first.append(fed.counts[:1].sum(axis=0))
        self.last.append(fed.counts[np.isin(fed.samples, profile.samples[late])].sum(axis=0))
        firing = float(profile.firing[0]), float(np.nanmean(profile.firing[late]))
        self.flat.append((1 - firing[0], 1 - firing[1]))
        self.counted |= bool(len(fed.samples))


@dataclass(frozen=True)
class FunctionFigure:
    """A figure, the list that chooses the layers, what is said of each, and the function's name."""

    figure: Figure
    control: str
    choices: list[str]
    said: list[str]
    label: str


def picture(fed: Fed, numbers: Numbers, key: str) -> FunctionFigure:
    """The figure of one function; the list begins with all layers together."""
    control, function = f"{key}-layer", fed.function
    first, last = (_with_all(np.array(counts)) for counts in (fed.first, fed.last))
    left, right = ends((first[0] + last[0]) / 2)
    fewest = min(int(counts.sum()) for counts in fed.first)
    at_first, at_last = (bars(share, fewest, left, right) for share in (first, last))
    said = list(_said(fed, at_last))
    (xs, ys), fit = _curve(function, left, right)
    shapes: list[dict[str, Any]] = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
            "x0": max(low, left), "x1": min(high, right), "line": {"width": 0},
            "fillcolor": "var(--flat)",
        }
        for low, high in function.flat
        if low < right and high > left
    ]  # fmt: skip
    layout = {
        "xaxis": axis("input to the function", range=[left, right]),
        "yaxis": axis("output", overlaying="y2", range=fit, showgrid=False, tickmode="auto",
                      nticks=6),
        "yaxis2": axis("how often" if fed.counted else "", side="right", showgrid=False,
                       rangemode="tozero", showticklabels=False),
        "bargap": 0,
        "legend": LEGEND,
        "margin": {"l": 46, "r": 46, "t": 30, "b": 44},
        "shapes": shapes,
    }  # fmt: skip
    curve = {
        "type": "scatter", "mode": "lines", "x": xs, "y": ys, "hoverinfo": "skip",
        "name": plain(function.label), "line": {"color": INK, "width": 3},
    }  # fmt: skip
    histograms = _histograms(at_first, at_last, numbers) if fed.counted else []
    text = f"The curve of {function.label}, and behind it what it was fed. {said[0]}"
    choices = ["all layers", *(f"layer {label}" for label in fed.labels)]
    figure = Figure(key, [*histograms, curve], layout, text, height=300, control=control)
    return FunctionFigure(figure, control, choices, said, function.label)


def _with_all(counts: Ints) -> NDArray[np.float64]:
    """(1 + L, B): the shares of all layers, each of which weighs the same, and of each."""
    share = shares(counts)
    return np.vstack([share.sum(axis=0) / max(int(counts.any(axis=1).sum()), 1), share])


def _histograms(at_first: Bars, at_last: Bars, numbers: Numbers) -> list[dict[str, Any]]:
    """Bars for the end, and a dotted outline for the start."""
    edges, widths = at_last.edges, at_last.widths
    heights = at_first.heights
    outline = np.hstack([heights, heights[:, -1:]])
    return [
        {"type": "bar", "x": (edges[:-1] + widths / 2).tolist(), "width": widths.tolist(),
         "y": numbers.add(at_last.heights, 0, pick=True), "yaxis": "y2",
         "name": "fed at the end", "marker": {"color": "var(--band)", "line": {"width": 0}},
         "text": list(at_last.names()), "textposition": "none",
         "customdata": numbers.add(100 * at_last.shares, 0, 100, pick=True),
         "hovertemplate": "%{text}: %{customdata:.2~r} % at the end<extra></extra>"},
        {"type": "scatter", "mode": "lines", "x": edges.tolist(), "yaxis": "y2",
         "y": numbers.add(outline, 0, pick=True), "name": "at first", "hoverinfo": "skip",
         "line": {"shape": "hv", "dash": "dot", "width": 1.5, "color": SECOND}},
    ]  # fmt: skip


def _said(fed: Fed, at_last: Bars) -> Iterator[str]:
    """What is said of all layers, and of each."""
    flat = np.array([np.mean(fed.flat, axis=0), *fed.flat])
    seen = at_last.shares.sum(axis=1) + at_last.beyond
    for (first, last), beyond, any_number in zip(flat, at_last.beyond, seen, strict=True):
        name = fed.function.label
        text = f"{name} is flat nowhere."
        if fed.function.flat:
            text = f"At the end {percent(last)} of its inputs lay where {name} is flat, "
            text += f"at first {percent(first)}."
        if not fed.counted:
            text += " No histogram of them was recorded, as in records of an earlier version."
        elif not any_number:
            text += " None of those at the end was a number."
        elif beyond > TELLING:
            text += f" {percent(beyond)} lay beyond the ends of the picture."
        yield text


def _curve(
    function: Function, left: float, right: float
) -> tuple[tuple[list[float], list[float]], list[float]]:
    """The points of the curve that are shown, and the ends of its axis.

    The record knows the curve near zero. It is drawn further where it is straight or flat.
    """
    points = [(x, y) for x, y in zip(*function.curve, strict=True) if left <= x <= right]
    if len(points) < 2:
        return ([], []), [-1.0, 1.0]
    for end, (x, y), (near, before) in (
        (left, points[0], points[1]),
        (right, points[-1], points[-2]),
    ):
        flat = any(a <= x <= b and a <= end <= b for a, b in function.flat)
        if abs(end) > abs(x) and (function.straight or flat):
            slope = 0.0 if flat else (y - before) / (x - near)
            points.append((end, y + slope * (end - x)))
    xs, ys = map(list, zip(*sorted(points), strict=True))
    low, high = min(ys), max(ys)
    if not function.straight:
        # Some rise so fast that nothing else would be seen.
        low, high = max(low, -3.0), min(high, 6.0)
    room = 0.08 * max(high - low, 0.1)
    return (xs, ys), [low - room, high + room]
