"""Paired differences: of each function the mean, its interval, and the single pairs as dots."""

from collections.abc import Sequence
from typing import Any

from reluctant.record.comparison import Candidate, Comparison
from reluctant.report.page.figure import FAINT, GRID, INK, Figure, axis, plain
from reluctant.report.page.verdicts import LOOKS
from reluctant.words import number, plural

# Pixels a function.
_ROW = 62
# Within its row: the name on top, the interval in the middle, the pairs below.
_NAME, _PAIRS = -0.34, 0.27
_MOST_LETTERS = 44


def differences(comparison: Comparison, seeds: Sequence[str], key: str) -> Figure:
    """The figure; `seeds` are the names of the pairs, in their order."""
    rows = comparison.candidates
    left, right, cut = _ends(rows)
    better = comparison.direction == "high"
    words = ("◂ worse", "better ▸") if better else ("◂ better", "worse ▸")
    text = (
        f"Mean paired difference in {comparison.metric} to {comparison.baseline}, with 95 % "
        f"intervals. {' '.join(_told(at) for at in rows)}"
    )
    if cut:
        text += " An interval that leaves the picture goes on beyond it."
    layout = {
        "xaxis": axis(f"difference in {plain(comparison.metric)}", range=[left, right],
                      zeroline=False, nticks=7),
        "yaxis": axis("", range=[len(rows) - 0.45, -0.55], showgrid=False, showticklabels=False,
                      zeroline=False, fixedrange=True),
        "margin": {"l": 10, "r": 14, "t": 30, "b": 46},
        "showlegend": False,
        "shapes": [
            {"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
             "line": {"color": INK, "width": 1.5, "dash": "dash"}},
            *(_rule(place) for place in range(1, len(rows))),
        ],
        "annotations": [
            *(_corner(word, end) for end, word in enumerate(words)),
            *(_name(at, place) for place, at in enumerate(rows)),
        ],
    }  # fmt: skip
    data = [*(_interval(at, place) for place, at in enumerate(rows)), _pairs(rows, seeds),
            _means(rows)]  # fmt: skip
    return Figure(key, data, layout, text, height=_ROW * len(rows) + 90)


def _told(at: Candidate) -> str:
    if at.difference is None:
        return f"{at.name}: no pair."
    within = ""
    if at.low is not None and at.high is not None:
        within = f", {number(at.low)} to {number(at.high)}"
    return f"{at.name}: {number(at.difference)}{within}, {at.verdict}."


def _ends(rows: Sequence[Candidate]) -> tuple[float, float, bool]:
    """Of the axis, and whether an interval goes on beyond: of two or three pairs it is vast."""
    points = [0.0]
    for at in rows:
        points += [one for one in (at.difference, *at.differences) if one is not None]
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    bounds = [one for at in rows for one in (at.low, at.high) if one is not None]
    left = max(min([low, *bounds]), low - span)
    right = min(max([high, *bounds]), high + span)
    room = 0.06 * ((right - left) or span)
    left, right = left - room, right + room
    return left, right, any(not left <= one <= right for one in bounds)


def _interval(at: Candidate, place: int) -> dict[str, Any]:
    ends = [at.low, at.high] if at.low is not None and at.high is not None else []
    return {
        "type": "scatter", "mode": "lines", "x": ends, "y": [place] * len(ends),
        "hoverinfo": "skip", "line": {"color": LOOKS[at.verdict].colour, "width": 5},
        "opacity": 0.75,
    }  # fmt: skip


def _pairs(rows: Sequence[Candidate], seeds: Sequence[str]) -> dict[str, Any]:
    known = [
        (
            value,
            place + _PAIRS + _aside(pair),
            f"{plain(at.name)}<br>{seeds[pair]}: {number(value)}",
        )
        for place, at in enumerate(rows)
        for pair, value in enumerate(at.differences)
        if value is not None
    ]
    xs, ys, said = map(list, zip(*known, strict=True)) if known else ([], [], [])
    return {
        "type": "scatter", "mode": "markers", "x": xs, "y": ys, "customdata": said,
        "marker": {"color": INK, "size": 6, "opacity": 0.6},
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _aside(pair: int) -> float:
    """A little up or down, so that pairs that are alike are seen to be several."""
    return 0.14 * (pair * 0.618 % 1 - 0.5)


def _means(rows: Sequence[Candidate]) -> dict[str, Any]:
    """What keys walk along, and so the last."""
    known = [(place, at) for place, at in enumerate(rows) if at.difference is not None]
    looks = [LOOKS[at.verdict] for _, at in known]
    return {
        "type": "scatter", "mode": "markers",
        "x": [at.difference for _, at in known], "y": [place for place, _ in known],
        "customdata": [f"{plain(_told(at))}<br>{plural(at.n, 'pair')}" for _, at in known],
        "marker": {"color": [look.colour for look in looks], "size": 13,
                   "symbol": [look.marker for look in looks], "line": {"width": 2}},
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _name(at: Candidate, place: int) -> dict[str, Any]:
    name = at.name if len(at.name) <= _MOST_LETTERS else f"{at.name[: _MOST_LETTERS - 1]}…"
    return {
        "x": 0, "xref": "paper", "xanchor": "left", "y": place + _NAME, "yref": "y",
        "text": f"{LOOKS[at.verdict].sign} <b>{plain(name)}</b>", "showarrow": False,
        "font": {"color": INK, "size": 13}, "bgcolor": "var(--paper)",
    }  # fmt: skip


def _corner(word: str, end: int) -> dict[str, Any]:
    return {
        "x": end, "xref": "paper", "xanchor": "right" if end else "left", "y": 1, "yref": "paper",
        "yanchor": "bottom", "text": word, "showarrow": False,
        "font": {"color": FAINT, "size": 12},
    }  # fmt: skip


def _rule(place: int) -> dict[str, Any]:
    """A hairline between one function and the next."""
    return {
        "type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": place - 0.54,
        "y1": place - 0.54, "line": {"color": GRID, "width": 1},
    }  # fmt: skip
