"""The findings: those of one kind and cause together, each with its evidence drawn beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.finding import Evidence, Finding, Severity
from reluctant.record.run import Ints
from reluctant.report.page.figure import (
    ACCENT,
    DEAD,
    FAINT,
    Figure,
    axis,
    decades,
    mark,
    marked,
    plain,
    sample_axis,
)
from reluctant.report.page.profile import Profile
from reluctant.report.page.subject import Subject
from reluctant.words import number, percent, plural

Line = tuple[str, Ints, NDArray[np.float64]]

# Thin lines beside the one that a finding is about; more are a tangle.
MOST_BESIDE = 11


@dataclass(frozen=True)
class Group:
    """Findings of one kind and cause: the first in full, the places of all, and a figure."""

    finding: Finding
    layers: list[str | None]
    places: list[str]
    evidence: list[str]
    figure: Figure | None

    @property
    def severity(self) -> str:
        """The word for how bad it is."""
        return self.finding.severity.label

    @property
    def sign(self) -> str:
        """The sign for that, so that colour alone does not say it."""
        return {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "•"}[
            self.finding.severity
        ]


@dataclass(frozen=True)
class Material:
    """What figures of evidence are drawn of: the run, its activations, and its update ratios."""

    subject: Subject
    profiles: Sequence[Profile]
    ratios: Mapping[str, NDArray[np.float64]]


def groups(material: Material, key: str) -> list[Group]:
    """All findings, the worst first."""
    together: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in material.subject.diagnosis.findings:
        at = (finding.severity, finding.slug, finding.cause.slug)
        together.setdefault(at, []).append(finding)
    found = []
    for place, alike in enumerate(together.values()):
        figure = None
        if alike[0].severity > Severity.NOTE or place < 6:
            figure = _figure(material, alike, f"{key}-{place}")
        told = [_evidence(at) for at in alike[0].evidence]
        layers = [at.layer for at in alike]
        found.append(Group(alike[0], layers, [_where(at) for at in alike], told, figure))
    return found


def _where(finding: Finding) -> str:
    if finding.layer is None:
        return "the whole run"
    if finding.units is None:
        return f"layer {finding.layer}"
    units = finding.units
    read = f" read, every {units.stride:,}th" if units.stride > 1 else ""
    return f"layer {finding.layer}: {units.count:,} of {plural(units.of, 'unit')}{read}"


def _evidence(at: Evidence) -> str:
    value = percent(at.value) if at.unit == "share" else number(at.value)
    unit = "" if at.unit in ("", "share") else f" {at.unit}"
    step = "" if at.step is None else f" at step {at.step:,}"
    return f"{at.name.replace('-', ' ')} {value}{unit}{step}"


# -- evidence as a picture --------------------------------------------------------------------


@dataclass(frozen=True)
class Plot:
    """Which numbers show a finding: lines by layer over the steps, and how their axis looks.

    With `decades` it is logarithmic, and these are the words for its numbers.
    """

    title: str
    lines: Callable[[Material], list[Line]]
    axis: dict[str, Any]
    decades: Callable[[float], str] | None = None


def _of_profiles(read: Callable[[Profile], NDArray[np.float64]]) -> Callable[..., list[Line]]:
    return lambda material: [(at.label, at.steps, read(at)) for at in material.profiles]


def _of_ratios(material: Material) -> list[Line]:
    steps = material.subject.run.steps
    return [(name, steps, values) for name, values in material.ratios.items()]


def _of_inputs(material: Material) -> list[Line]:
    """The mean of what layers are fed as data, which nothing trains."""
    run, found = material.subject.run, []
    for layer in run.layers:
        fed = run.series.fed(layer.index)
        if len(fed.samples):
            size = np.sqrt(np.square(fed.mean) + np.square(fed.std))
            found.append((layer.name, run.steps[fed.samples], np.asarray(size)))
    return found


def _of_loss(material: Material) -> list[Line]:
    run = material.subject.run
    return [("loss", run.steps, run.losses)]


_SHARE = {"range": [-0.03, 1.03], "tickformat": ".0%"}
_SILENT = Plot("units silent", _of_profiles(lambda at: at.silent), _SHARE)
_FLOW = Plot("gradient", _of_profiles(lambda at: at.gradient), {}, number)
_RATIO = Plot("change a step", _of_ratios, {}, percent)
_LOSS = Plot("loss", _of_loss, {})
_PLOTS = {
    "dead-units": _SILENT,
    "output-activation": _SILENT,
    "saturated-units": Plot("firing", _of_profiles(lambda at: at.firing), _SHARE),
    "vanishing-gradient": _FLOW,
    "exploding-gradient": _FLOW,
    "no-gradient": _FLOW,
    "learning-rate-too-high": _RATIO,
    "learning-rate-too-low": _RATIO,
    "uncentred-activations": Plot(
        "mean by spread", _of_profiles(lambda at: np.abs(at.mean) / at.spread), {}
    ),
    "symmetric-units": Plot(
        "spread between units", _of_profiles(lambda at: at.between), {"rangemode": "tozero"}
    ),
    "input-scale": Plot("size of the input", _of_inputs, {"rangemode": "tozero"}),
    "non-finite": _LOSS,
    "plateau": _LOSS,
}


def _figure(material: Material, alike: Sequence[Finding], key: str) -> Figure | None:
    """The lines of the layers in question, those of the others thin behind them."""
    first = alike[0]
    plot = _LOSS if first.cause.slug == "outlier-batch" else _PLOTS.get(first.slug, _LOSS)
    lines = plot.lines(material) or _of_loss(material)
    named = {at.layer for at in alike}
    # A finding about the whole run is about all of its lines.
    front = [at for at in lines if at[0] in named] or lines[:1]
    others = [at for at in lines if at not in front] if plot is not _LOSS else []
    behind = [*front[1:], *others][:MOST_BESIDE]
    about = front[:1]
    if not np.isfinite(about[0][2]).any():
        return None
    log = plot.decades is not None
    data = [_line(at, FAINT, 1.2, log) for at in reversed(behind)]
    data.append(_line(about[0], ACCENT, 2.5, log))
    marks = []
    step = first.first_step
    if step is not None:
        step += material.subject.origin
        steps = about[0][1]
        place = int(np.searchsorted(steps, step))
        marks = [mark(place, f"seen from step {step:,}", DEAD, len(steps))]
    label, _, values = about[0]
    known = values[np.isfinite(values)]
    said = plot.decades or (percent if "tickformat" in plot.axis else number)
    ends = [said(float(at)) for at in (known[0], known[-1])]
    what = "Loss" if label == "loss" else f"Layer {label}: {plot.title}"
    text = f"{what} over the steps, from {ends[0]} to {ends[1]}"
    text += "; thin lines are other layers." if behind else "."
    layout = {
        "xaxis": sample_axis(about[0][1].tolist()),
        "yaxis": axis(plot.title, **plot.axis, **_scale(plot, [*about, *behind])),
        "showlegend": False,
        "margin": {"l": 50, "r": 12, "t": 24, "b": 40},
    }
    return Figure(key, data, marked(layout, marks), text, height=210)


def _scale(plot: Plot, lines: Sequence[Line]) -> dict[str, Any]:
    """The logarithmic axis for these lines, if they want one."""
    if plot.decades is None:
        return {}
    values = np.concatenate([values for _, _, values in lines])
    values = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (float(values.min()), float(values.max())) if values.size else (-4.0, 0.0)
    said = percent if plot.decades is percent else None
    return decades(low - 0.3, high + 0.3, said)


def _line(line: Line, colour: str, width: float, log: bool) -> dict[str, Any]:
    label, steps, values = line
    known = np.isfinite(values) & (values > 0 if log else True)
    # As many as can be told apart in a small picture.
    places = np.flatnonzero(known)
    places = places[:: max(1, len(places) // 150)]
    value = "%{y:.3g}"
    return {
        "type": "scatter", "mode": "lines", "x": places.tolist(),
        "text": [f"{step:,}" for step in steps[places].tolist()],
        "y": [float(f"{at:.5g}") for at in values[places]],
        "line": {"color": colour, "width": width},
        "hovertemplate": f"{plain('layer ' * (label != 'loss') + label)}<br>step %{{text}}: {value}"
        "<extra></extra>",
    }  # fmt: skip
