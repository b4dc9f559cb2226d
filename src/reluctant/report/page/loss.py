"""The loss over the steps, with what was found and what was done."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reluctant.record.finding import Severity
from reluctant.report.page.figure import (
    ACCENT,
    DEAD,
    REMEDY,
    Figure,
    axis,
    mark,
    marked,
    sample_axis,
)
from reluctant.report.page.subject import Subject
from reluctant.report.scales import logarithmic
from reluctant.words import number, plural


def loss(subject: Subject, key: str, look: Mapping[str, Any]) -> Figure | None:
    """The figure, None where no loss was seen; `look` is what `scale` says of its axis."""
    steps, losses = subject.run.steps, subject.run.losses
    known = np.isfinite(losses)
    if not known.any():
        return None
    values = losses[known]
    first, last = float(values[0]), float(values[-1])
    text = f"Line of the loss over {plural(int(known.sum()), 'observed step')}: "
    text += f"from {number(first)} to {number(last)}, at most {number(float(values.max()))}."
    marks = list(_marks(subject))
    if marks:
        text += f" Marked: {', '.join(at['annotation']['text'] for at in marks)}."
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if known.sum() <= 120 else "lines",
        "x": np.flatnonzero(known).tolist(),
        "text": [f"{step:,}" for step in steps[known].tolist()],
        "y": values.tolist(),
        "line": {"color": ACCENT, "width": 2},
        "marker": {"size": 5},
        "hovertemplate": "step %{text}<br>loss %{y:.4g}<extra></extra>",
    }
    tall = max((at["annotation"]["yshift"] for at in marks), default=0)
    layout = {
        "xaxis": sample_axis(steps.tolist()),
        "yaxis": axis("loss", **look),
        "margin": {"l": 50, "r": 14, "t": 24 + tall, "b": 40},
        "showlegend": False,
    }
    return Figure(key, [trace], marked(layout, marks), text, height=280 + tall)


def _marks(subject: Subject) -> Iterator[dict[str, Any]]:
    """What was done, and, of each kind, the first step at which an error or a warning was seen."""
    steps = subject.run.steps
    told: dict[int, list[tuple[str, bool]]] = {}
    for at in subject.run.interventions:
        if not at.refused:
            told.setdefault(at.step, []).append((at.remedy, True))
    first: dict[str, int] = {}
    for finding in subject.diagnosis.findings:
        if finding.severity > Severity.NOTE and finding.first_step is not None:
            step = finding.first_step + subject.origin
            first[finding.slug] = min(step, first.get(finding.slug, step))
    for slug, step in first.items():
        told.setdefault(step, []).append((slug, False))
    level = 0
    for step, words in sorted(told.items()):
        later = np.flatnonzero(steps >= step)
        place = int(later[0]) if later.size else len(steps)
        for word, done in words:
            text = f"{word}, step {step:,}"
            look: dict[str, Any] = {"level": level, "dash": "dash" if done else "solid"}
            yield mark(place - 0.5 * done, text, REMEDY if done else DEAD, len(steps), **look)
            level = (level + 1) % 4


def scale(subjects: Sequence[Subject]) -> dict[str, Any]:
    """How the axis of the loss looks, the same for all of these runs."""
    values = np.concatenate([at.run.losses[np.isfinite(at.run.losses)] for at in subjects])
    look: dict[str, Any] = {"type": "log", "dtick": 1} if logarithmic(values) else {}
    if len(subjects) > 1 and values.size:
        low, high = float(values.min()), float(values.max())
        room = 0.05 * (high - low)
        if look:
            low, high, room = np.log10(low), np.log10(high), 0.1
        look["range"] = [low - room, high + room]
    return look
