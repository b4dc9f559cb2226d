"""The curve of each activation function met, and over it what the function was fed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.run import Function, Ints, SiteSeries
from reluctant.report.page.figure import (
    INK,
    SECOND,
    Figure,
    Numbers,
    axis,
    plain,
)
from reluctant.report.page.profile import Profile
from reluctant.words import percent

# Inputs are counted in bins so wide, up to so far on either side of zero.
WIDTH, FAR = 0.25, 32.0
# A figure shows at least so much of them, and more where more than this share lies beyond.
NEAR, BEYOND = 6.0, 0.02
MOST_BARS = 64
# The record keeps mean, spread and extremes of each unit, no histogram: of so many units and
# samples they are put together, each taken as normal within its extremes.
MOST_UNITS, MOST_SAMPLES = 64, 4
_EDGES = np.arange(-FAR, FAR + WIDTH / 2, WIDTH)


@dataclass
class Fed:
    """What one function was fed in each layer: densities over the bins at first and at last."""

    function: Function
    labels: list[str] = field(default_factory=list)
    first: list[NDArray[np.float64]] = field(default_factory=list)
    last: list[NDArray[np.float64]] = field(default_factory=list)
    firing: list[float] = field(default_factory=list)

    def add(self, profile: Profile, series: SiteSeries) -> None:
        """Take one layer's series in."""
        late = np.flatnonzero(profile.steps >= 0.8 * profile.steps[-1])
        self.labels.append(profile.label)
        self.first.append(_density(series, np.array([0])))
        self.last.append(_density(series, late[:: -(-len(late) // MOST_SAMPLES)]))
        self.firing.append(float(np.nanmean(profile.firing[late])))


@dataclass(frozen=True)
class FunctionFigure:
    """A figure, the list that chooses the layers, and the function's name."""

    figure: Figure
    control: str
    choices: list[str]
    label: str


def _density(series: SiteSeries, samples: Ints) -> NDArray[np.float64]:
    """(B,): the share of inputs in each bin, the first and last with all beyond them."""
    total = np.zeros(len(_EDGES) - 1)
    units = slice(None, None, -(-series.fired.shape[1] // MOST_UNITS))
    edges = np.concatenate([[-np.inf], _EDGES[1:-1], [np.inf]])
    for at in samples.tolist():
        mean, std, low, high = (
            column[at][units].astype(np.float64)[:, None]
            for column in (series.mean, series.std, series.low, series.high)
        )
        # The normal distribution by a logistic curve, which is off by a hundredth at most.
        scaled = 1.702 * (np.clip(edges, low, high) - mean) / np.maximum(std, 1e-9)
        below = 1 / (1 + np.exp(-np.clip(scaled, -60, 60)))
        below = np.where(edges < low, 0.0, np.where(edges >= high, 1.0, below))
        share = np.diff(below, axis=1)
        share = share[np.isfinite(share).all(axis=1)]
        total += share.sum(axis=0) / max(len(share), 1)
    return total / max(len(samples), 1)


def picture(fed: Fed, numbers: Numbers, key: str) -> FunctionFigure:
    """The figure of one function; the list begins with all layers together."""
    control, function = f"{key}-layer", fed.function
    first = np.vstack([np.mean(fed.first, axis=0), fed.first])
    last = np.vstack([np.mean(fed.last, axis=0), fed.last])
    left, right = _shown(first[0] + last[0])
    (xs, ys), fit = _curve(function, left, right)
    middles = _middles(left, right)
    bars = {"type": "bar", "x": middles, "yaxis": "y2", "marker": {"color": "var(--band)"}}
    step = {"type": "scatter", "mode": "lines", "x": middles, "yaxis": "y2"}
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
        "yaxis2": axis("share of inputs", side="right", showgrid=False, rangemode="tozero",
                       tickformat=".0%", showticklabels=True),
        "bargap": 0,
        "legend": {"orientation": "h", "y": 1.18, "x": 0},
        "margin": {"l": 46, "r": 46, "t": 30, "b": 44},
        "shapes": shapes,
    }  # fmt: skip
    data = [
        {**bars, "y": numbers.add(_bars(last, left, right), 0, pick=True), "name": "fed at the end",
         "hovertemplate": "about %{x:.2g}: %{y:.1%} at the end<extra></extra>"},
        {**step, "y": numbers.add(_bars(first, left, right), 0, pick=True), "name": "at first",
         "hoverinfo": "skip",
         "line": {"shape": "hvh", "dash": "dot", "width": 1.5, "color": SECOND}},
        {"type": "scatter", "mode": "lines", "x": xs, "y": ys, "hoverinfo": "skip",
         "name": plain(function.label), "line": {"color": INK, "width": 3}},
    ]  # fmt: skip
    firing = float(np.mean(fed.firing))
    text = f"The curve of {function.label}, and under it what it was fed. "
    text += f"In the last fifth of the run {percent(firing)} of inputs were off its flat part"
    text += "." if function.flat else " (it has none)."
    choices = ["all layers", *(f"layer {label}" for label in fed.labels)]
    figure = Figure(key, data, layout, text, height=300, control=control)
    return FunctionFigure(figure, control, choices, function.label)


def _shown(density: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the part that is shown, beyond which next to nothing of this lies."""
    share = density / max(float(density.sum()), 1e-30)
    middles = _EDGES[:-1] + WIDTH / 2

    def end(beyond: Callable[[float], NDArray[np.bool_]]) -> float:
        ends = (NEAR, 8.0, 16.0)
        return next((at for at in ends if share[beyond(at)].sum() <= BEYOND), FAR)

    return -end(lambda at: middles < -at), end(lambda at: middles > at)


def _group(left: float, right: float) -> int:
    """How many bins a bar holds: a power of two."""
    size = 1
    while (right - left) / (WIDTH * size) > MOST_BARS:
        size *= 2
    return size


def _middles(left: float, right: float) -> list[float]:
    wide = WIDTH * _group(left, right)
    return [left + (at + 0.5) * wide for at in range(round((right - left) / wide))]


def _bars(table: NDArray[np.float64], left: float, right: float) -> NDArray[np.float64]:
    """(rows, bars): the bins between these ends put together, the outermost with all beyond."""
    begin, end = round((left + FAR) / WIDTH), round((right + FAR) / WIDTH)
    inner = table[:, begin:end].copy()
    inner[:, 0] += table[:, :begin].sum(axis=1)
    inner[:, -1] += table[:, end:].sum(axis=1)
    parts = inner.reshape(len(table), -1, _group(left, right))
    return np.asarray(parts.sum(axis=2))


def _curve(
    function: Function, left: float, right: float
) -> tuple[tuple[list[float], list[float]], list[float]]:
    """The points of the curve that are shown, and the ends of its axis.

    The record knows the curve near zero. It is drawn further where it is straight or flat.
    """
    points = [(x, y) for x, y in zip(*function.curve, strict=True) if left <= x <= right]
    if len(points) < 2:
        return ([], []), [-1.0, 1.0]
    ys = [y for _, y in points]
    low, high = max(min(ys), -3.0), min(max(ys), 6.0)
    room = 0.08 * max(high - low, 0.1)
    for end, (x, y), (near, before) in (
        (left, points[0], points[1]),
        (right, points[-1], points[-2]),
    ):
        flat = any(a <= x <= b and a <= end <= b for a, b in function.flat)
        if abs(end) > abs(x) and (function.straight or flat):
            slope = 0.0 if flat else (y - before) / (x - near)
            points.append((end, y + slope * (end - x)))
    xs, ys = map(list, zip(*sorted(points), strict=True))
    return (xs, ys), [low - room, high + room]
