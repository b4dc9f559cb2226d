"""Through depth, one step at a time: the gradient that comes to each layer, and what it is fed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import stretches
from reluctant.report.page.columns import Columns
from reluctant.report.page.figure import (
    ACCENT,
    DEAD,
    GRID,
    LEGEND,
    SECOND,
    Figure,
    Numbers,
    axis,
    decades,
    plain,
)
from reluctant.report.page.profile import Profile
from reluctant.report.page.subject import Subject
from reluctant.words import number


@dataclass(frozen=True)
class Depth:
    """The figures that a slider over these columns of time moves."""

    control: str
    labels: list[str]
    flow: Figure
    activations: Figure


def depth(
    subject: Subject, profiles: Sequence[Profile], columns: Columns, numbers: Numbers, key: str
) -> Depth | None:
    """Both figures; None where no activation was seen."""
    if not profiles:
        return None

    def table(read: Callable[[Profile], NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.transpose([columns.means(at.samples, read(at)) for at in profiles])

    gradient = table(lambda at: at.gradient)
    mean, spread = table(lambda at: at.mean), table(lambda at: at.spread)
    weights = _weights(subject, profiles, columns)
    control = f"{key}-step"
    return Depth(
        control,
        columns.labels,
        _flow(profiles, gradient, weights, control, numbers, f"{key}-flow"),
        _activations(profiles, mean, spread, control, numbers, f"{key}-activations"),
    )


def _weights(
    subject: Subject, profiles: Sequence[Profile], columns: Columns
) -> NDArray[np.float64]:
    """(C, L): the root mean square of the weight gradient of the layer that feeds each."""
    found = np.full((len(profiles), columns.count), np.nan)
    for place, profile in enumerate(profiles):
        if profile.layer is None:
            continue
        series = subject.run.series.layer(profile.layer.index)
        if len(series.samples):
            # Rows hold norms; each is of so many weights.
            many = max(int(np.prod(profile.layer.shape[1:])), 1)
            square = np.empty(len(series.samples))
            for at in stretches(series.gradient):
                square[at] = np.nanmean(np.square(series.gradient[at], dtype=np.float64), axis=1)
            found[place] = columns.means(series.samples, np.sqrt(square / many))
    return np.transpose(found)


def _names(profiles: Sequence[Profile]) -> dict[str, Any]:
    count = len(profiles)
    every = -(-count // 16)
    shown = list(range(0, count, every))
    return axis(
        "layer, from the input to the output",
        tickvals=shown,
        ticktext=[plain(profiles[at].label[-12:]) for at in shown],
        range=[-0.5, count - 0.5],
    )


def _mode(profiles: Sequence[Profile]) -> str:
    return "lines+markers" if len(profiles) <= 40 else "lines"


def _flow(
    profiles: Sequence[Profile],
    gradient: NDArray[np.float64],
    weights: NDArray[np.float64],
    control: str,
    numbers: Numbers,
    key: str,
) -> Figure:
    x = list(range(len(profiles)))
    mode = _mode(profiles)
    names = [plain(at.label) for at in profiles]
    data = []
    for table, name, colour, dash, symbol in (
        (gradient, "at the output", ACCENT, "solid", "circle"),
        (weights, "of the weights", SECOND, "dot", "diamond"),
    ):
        data.append(
            {
                "type": "scatter", "mode": mode, "name": name, "x": x, "text": names,
                "y": numbers.add(table, log=True, pick=True),
                "line": {"color": colour, "dash": dash, "width": 2},
                "marker": {"symbol": symbol, "size": 7},
                "hovertemplate": "layer %{text}<br>%{y:.3g} " + name + "<extra></extra>",
            }
        )  # fmt: skip
    values = np.concatenate([gradient.ravel(), weights.ravel()])
    values = values[np.isfinite(values) & (values > 0)]
    ends = (-6.0, 0.0)
    if values.size:
        ends = float(np.log10(values.min())) - 0.6, float(np.log10(values.max())) + 0.3
    # A logarithm has no zero, but that nothing comes is what matters most.
    nothing = np.where(gradient == 0, 10 ** (ends[0] + 0.25), np.nan)
    if np.isfinite(nothing).any():
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": "none at all", "x": x, "text": names,
                "y": numbers.add(nothing, pick=True),
                "marker": {"symbol": "x", "size": 9, "color": DEAD},
                "hovertemplate": "layer %{text}<br>no gradient at all<extra></extra>",
            }
        )  # fmt: skip
    text = "Line through the layers: the root mean square of the loss gradient at their outputs."
    last = gradient[-1]
    if np.isfinite(last).all() and last.size > 1:
        text += (
            f" At the last sample {number(float(last[0]))} at layer {profiles[0].label} and "
            f"{number(float(last[-1]))} at layer {profiles[-1].label}."
        )
    layout = {
        "xaxis": _names(profiles),
        "yaxis": axis("root mean square", **decades(*ends)),
        "legend": LEGEND,
        "margin": {"l": 56, "r": 10, "t": 30, "b": 44},
    }  # fmt: skip
    return Figure(key, data, layout, text, height=300, control=control)


def _activations(
    profiles: Sequence[Profile],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    control: str,
    numbers: Numbers,
    key: str,
) -> Figure:
    x = list(range(len(profiles)))
    hidden: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    data = [
        {**hidden, "y": numbers.add(mean - spread, wide=True, pick=True), "line": {"width": 0}},
        {
            **hidden,
            "y": numbers.add(mean + spread, wide=True, pick=True),
            "line": {"width": 0},
            "fill": "tonexty",
            "fillcolor": "var(--band)",
            "name": "mean ± spread",
            "showlegend": True,
        },
        {
            "type": "scatter", "mode": _mode(profiles), "x": x, "name": "mean",
            "y": numbers.add(mean, wide=True, pick=True),
            "line": {"color": ACCENT, "width": 2}, "marker": {"size": 7},
            "text": [plain(at.label) for at in profiles],
            "hovertemplate": "layer %{text}<br>mean %{y:.3g}<extra></extra>",
        },
    ]  # fmt: skip
    text = "Line through the layers: the mean of what their functions are fed, and a band about it."
    if np.isfinite(mean[-1]).any():
        at = int(np.nanargmax(np.abs(mean[-1])))
        text += (
            f" At the last sample the mean is furthest from zero in layer {profiles[at].label}: "
            f"{number(float(mean[-1, at]))}, with a spread of {number(float(spread[-1, at]))}."
        )
    layout = {
        "xaxis": _names(profiles),
        "yaxis": axis("input to the function", zeroline=True, zerolinecolor=GRID, zerolinewidth=2),
        "legend": LEGEND,
        "margin": {"l": 56, "r": 10, "t": 30, "b": 44},
    }  # fmt: skip
    return Figure(key, data, layout, text, height=300, control=control)
