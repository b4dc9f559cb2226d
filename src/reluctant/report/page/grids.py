"""Layers by time: where and when units fell silent, and how large the steps were."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import stretches
from reluctant.record.run import LayerSeries
from reluctant.report.page.columns import Columns
from reluctant.report.page.figure import REMEDY, Figure, Numbers, axis, mark, marked, plain, scale
from reluctant.report.page.profile import Profile
from reluctant.report.page.subject import Subject
from reluctant.words import percent, plural

# From what the page is printed on to the darkest: the more, the darker (the brighter on black).
SILENT = [f"var(--silent-{at})" for at in range(5)]
# About the middle, a tenth of a per cent: blue below it and orange above.
RATIO = [f"var(--ratio-{at})" for at in range(7)]
USUAL, DECADES = 1e-3, 3


def silence(
    subject: Subject, profiles: Sequence[Profile], columns: Columns, numbers: Numbers, key: str
) -> Figure | None:
    """The share of each layer's units that fired on nothing, over time."""
    if not profiles:
        return None
    table = np.array([columns.means(at.samples, at.silent) for at in profiles])
    names = [at.label for at in profiles]
    last = [float(row[np.isfinite(row)][-1]) if np.isfinite(row).any() else 0.0 for row in table]
    worst = int(np.argmax(last))
    text = f"Heat map of {plural(len(names), 'layer')} by time: the share of units that fired on "
    text += "nothing in a sample. At the end "
    if last[worst]:
        text += f"it is highest in layer {names[worst]}, with {percent(last[worst])}."
    else:
        text += "none is silent."
    trace = {
        "z": numbers.add(table, 0, 1, fine=False),
        "zmin": 0,
        "zmax": 1,
        "colorscale": scale(SILENT),
        "showscale": False,
    }
    return _grid(subject, names, trace, columns, text, key, "percent", "of units silent")


def ratios(
    subject: Subject, columns: Columns, numbers: Numbers, key: str
) -> tuple[Figure | None, dict[str, NDArray[np.float64]]]:
    """The median update ratio of each layer's rows over time; and all of them by layer, (T,)."""
    known: dict[str, NDArray[np.float64]] = {}
    for layer in sorted(subject.run.layers, key=lambda layer: layer.order):
        series = subject.run.series.layer(layer.index)
        if len(series.samples):
            values = np.full(len(subject.run.samples), np.nan)
            values[series.samples] = _medians(series)
            known[layer.name] = values
    if not known:
        return None, known
    everywhere = np.arange(len(subject.run.samples))
    table = np.array([columns.means(everywhere, values) for values in known.values()])
    with np.errstate(all="ignore"):
        logs = np.log10(np.where(table > 0, table, np.nan))
    low, high = np.log10(USUAL) - DECADES, np.log10(USUAL) + DECADES
    ends = np.array([np.nanmedian(row[-5:]) if np.isfinite(row[-5:]).any() else np.nan
                     for row in table])  # fmt: skip
    text = f"Heat map of {plural(len(known), 'layer')} by time: by how much a step changed the "
    text += "weights."
    if np.isfinite(ends).any():
        names = list(known)
        small, large = int(np.nanargmin(ends)), int(np.nanargmax(ends))
        text += f" At the end most in layer {names[large]}, {percent(ends[large])}"
        if ends[small] < ends[large]:
            text += f", and least in layer {names[small]}, {percent(ends[small])}"
        text += "."
    trace = {
        "z": numbers.add(np.where(table == 0, low, logs), low, high),
        "zmin": low,
        "zmax": high,
        "colorscale": scale(RATIO),
        "showscale": False,
    }  # fmt: skip
    return _grid(subject, list(known), trace, columns, text, key, "ratio", "changed a step"), known


def _medians(series: LayerSeries) -> NDArray[np.float64]:
    found = np.full(len(series.samples), np.nan)
    for at in stretches(series.update):
        values = np.sort(series.update[at], axis=1)  # NaN come last
        count = np.isfinite(values).sum(axis=1)
        middle = values[np.arange(len(values)), np.maximum(count - 1, 0) // 2]
        found[at] = np.where(count > 0, middle, np.nan)
    return found


def _grid(
    subject: Subject,
    names: Sequence[str],
    trace: dict[str, Any],
    columns: Columns,
    text: str,
    key: str,
    unit: str,
    what: str,
) -> Figure:
    count = len(names)
    every = -(-count // 24)
    shown = list(range(0, count, every))
    labels = [plain(_short(names[at])) for at in shown]
    layout = {
        "xaxis": columns.axis(showgrid=False),
        "yaxis": axis(
            "", tickvals=shown, ticktext=labels, ticks="", showgrid=False, range=[count - 0.5, -0.5]
        ),
        "margin": {"l": 40, "r": 6, "t": 20, "b": 40},
    }
    marks = [
        mark(columns.edge(at.step), at.remedy, REMEDY, columns.count, dash="dash")
        for at in subject.run.interventions
        if not at.refused
    ]
    return Figure(
        key,
        [
            {
                "type": "heatmap",
                "xgap": 1 if columns.count < 40 else 0,
                "ygap": 1 if count < 30 else 0,
                **trace,
            }
        ],
        marked(layout, marks),
        text,
        height=min(max(100 + 22 * count, 280), 560),
        hover={
            "kind": "grid",
            "rows": [f"layer {name}" for name in names],
            "columns": columns.labels,
            "unit": unit,
            "what": what,
        },
    )


def _short(name: str, most: int = 18) -> str:
    """The end of a long name: that is where names differ."""
    return name if len(name) <= most else f"…{name[1 - most :]}"
