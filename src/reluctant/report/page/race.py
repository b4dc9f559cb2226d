"""The race: how each function did seed by seed, and where it was stopped."""

from typing import Any

from reluctant.record.contest import Contest
from reluctant.report.page.figure import DEAD, FAINT, Figure, axis, plain, scale
from reluctant.words import number, plural

# From worse to better.
COLOURS = [f"var(--ratio-{at})" for at in range(6, -1, -1)]

_GAP = "×"
_MOST_LETTERS = 16


def race(contest: Contest, key: str) -> Figure:
    """A row for each function, a column for each seed: what the pair said of it."""
    rows, seeds = contest.comparison.candidates, contest.seeds
    sign = 1 if contest.comparison.direction == "high" else -1
    gains = [[None if at is None else sign * at for at in one.differences] for one in rows]
    # The middle of the scale is no difference, and one seed that went astray does not dim the rest.
    sizes = sorted(abs(at) for row in gains for at in row if at is not None)
    most = (sizes[int(0.9 * (len(sizes) - 1))] if sizes else 0.0) or 1.0
    runs = [contest.entrant(at.name).runs for at in rows]
    gaps = [(seed, row) for row, one in enumerate(gains) for seed in range(runs[row])
            if seed >= len(one) or one[seed] is None]  # fmt: skip
    shown = range(0, len(seeds), max(1, round(len(seeds) / 8)))
    layout = {
        "xaxis": axis("seed", tickvals=list(shown), ticktext=[str(seeds[at]) for at in shown],
                      range=[-0.5, len(seeds) - 0.5], showgrid=False, zeroline=False, ticks=""),
        "yaxis": axis("", tickvals=list(range(len(rows))),
                      ticktext=[plain(_short(at.name)) for at in rows], ticks="",
                      range=[len(rows) - 0.5, -0.5], showgrid=False, zeroline=False),
        "margin": {"l": 40, "r": 8, "t": 8, "b": 44},
        "showlegend": False,
        "shapes": [
            {"type": "line", "x0": runs[row] - 0.5, "x1": runs[row] - 0.5, "y0": row - 0.4,
             "y1": row + 0.4, "line": {"color": DEAD, "width": 5}}
            for row, at in enumerate(rows) if contest.entrant(at.name).stopped is not None
        ],
    }  # fmt: skip
    marks = {
        "type": "scatter", "mode": "text", "x": [seed for seed, _ in gaps],
        "y": [row for _, row in gaps], "text": [_GAP] * len(gaps), "hoverinfo": "skip",
        "textfont": {"color": FAINT, "size": 14},
    }  # fmt: skip
    grid: dict[str, Any] = {
        "type": "heatmap", "z": gains, "zmin": -most, "zmax": most, "colorscale": scale(COLOURS),
        "showscale": False, "xgap": 2, "ygap": 3,
        "text": [[_glyph(at) for at in row] for row in gains], "texttemplate": "%{text}",
        "customdata": [[_said(contest, row, place) for place in range(len(seeds))]
                       for row in range(len(rows))],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
    told = " ".join(_told(contest, at.name) for at in rows)
    text = f"Grid of functions by seeds: better or worse than {contest.comparison.baseline} with "
    text += f"the same seed. {told}"
    return Figure(key, [grid, marks], layout, text, height=30 * len(rows) + 76)


def _glyph(gain: float | None) -> str:
    """So that no colour has to say it."""
    return "" if gain is None else "+" if gain > 0 else "−" if gain < 0 else "="


def _said(contest: Contest, row: int, place: int) -> str:
    """What is told of a cell."""
    at = contest.comparison.candidates[row]
    entrant, value = contest.entrant(at.name), None
    if place < len(at.differences):
        value = at.differences[place]
    if value is not None:
        said = number(value)
    elif place < entrant.runs:
        said = "no pair: one of both came to no number"
    else:
        said = "not run" if entrant.stopped is None else f"not run: {plain(entrant.stopped)}"
    return f"{plain(at.name)}, seed {contest.seeds[place]}<br>{said}"


def _told(contest: Contest, name: str) -> str:
    at, entrant = contest.comparison.of(name), contest.entrant(name)
    sign = 1 if contest.comparison.direction == "high" else -1
    ahead = sum(one is not None and sign * one > 0 for one in at.differences)
    ended = f"; {entrant.stopped}" if entrant.stopped else ""
    return f"{name}: better in {ahead} of {plural(at.n, 'pair')}{ended}."


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
