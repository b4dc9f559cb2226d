"""What changes over the steps of a run."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.treated import since
from reluctant.errors import WrongArgument
from reluctant.plot.chosen import named, silences, sites, spread, word
from reluctant.record.finding import Severity
from reluctant.record.run import Floats, Ints, Run
from reluctant.report.pictures import Axes, legend, log_scale, picture, told
from reluctant.report.scales import logarithmic
from reluctant.report.strokes import GREY, VERMILION, Stroke, strokes
from reluctant.words import number, percent, plural

# More lines than this cannot be told apart: of more layers so many are drawn, evenly spread.
MOST_LINES = 8

# Inches; a third is for the legend.
SIZE = (7.2, 4.0)

# By how much one step usually changes a weight.
USUAL = 1e-3


@np.errstate(all="ignore")
def loss(run: Run, *, findings: bool = True, ax: Axes | None = None) -> Axes:
    """The loss at each observed step, with the interventions and what was found.

    Args:
        run: the run.
        findings: mark where what is an error or a warning was first seen.
        ax: where to draw.
    """
    steps, losses = run.steps, run.losses
    known = np.isfinite(losses)
    if not known.any():
        raise WrongArgument("No loss was seen in this run.", "Draw its `update_ratios`.")
    axes = picture(ax, *SIZE)
    (stroke,) = strokes(1)
    axes.plot(steps[known], losses[known], color=stroke.color, marker=".", label="loss")
    if logarithmic(losses):
        axes.set_yscale("log")
    seen = np.array([at.loss is not None for at in run.samples])
    broken = steps[seen & ~known]
    if broken.size:
        top = np.full(broken.size, losses[known].max())
        axes.plot(broken, top, "x", color=VERMILION, markersize=8, label="not finite")
    if findings:
        _mark(axes, _findings(run), VERMILION, ":")
    _mark(axes, _interventions(run), "black", "--")
    _label(axes, "loss")
    first, last = losses[known][[0, -1]]
    return told(axes, f"Loss over {plural(len(steps), 'observed step')}: {_change(first, last)}.")


@np.errstate(all="ignore")
def update_ratios(
    run: Run, layers: Iterable[str] | str | None = None, *, ax: Axes | None = None
) -> Axes:
    """By how much each step changes the rows of a layer's weights: the median of |change| / |row|.

    Args:
        run: the run.
        layers: by name; None for all, or eight of more, evenly spread.
        ax: where to draw.
    """
    reading = Reading(run)
    ordered = sorted(run.layers, key=lambda layer: layer.order)
    known = {at.name: at for at in ordered if reading.layer(at) is not None}
    if not known:
        raise WrongArgument("No optimizer was seen to change a weight.", "Draw another run.")
    every = named(known, layers)
    found = spread(list(every.values()), MOST_LINES)
    axes = picture(ax, *SIZE)
    for layer, stroke in zip(found, strokes(len(found)), strict=True):
        rows = reading.layer(layer)
        assert rows is not None
        there, ratios = reading.ratios(layer)
        steps = run.steps[rows.samples[there]]
        _line(axes, steps, ratios, layer.name, stroke)
    log_scale(axes)
    axes.axhline(USUAL, color="black", linewidth=0.8, linestyle=":", label="usual: 0.1 %")
    _mark(axes, _interventions(run), "black", "--")
    _label(axes, "update ratio: |change| / |weights|", len(found), len(every))
    return told(axes, f"Update ratios of {plural(len(found), 'layer')} over the steps.")


@np.errstate(all="ignore")
def dead_units(
    run: Run, layers: Iterable[str] | str | None = None, *, ax: Axes | None = None
) -> Axes:
    """The share of each layer's units that are dead: silent from a step on.

    Silent to the end, or to where a remedy that was kept parts the run. Of a function that does
    not switch off, as tanh, those that are saturated.

    Args:
        run: the run.
        layers: by name; None for all, or eight of more, evenly spread.
        ax: where to draw.
    """
    every = sites(run, layers)
    found = dict(spread(list(every.items()), MOST_LINES))
    silent = silences(run, found)
    axes = picture(ax, *SIZE)
    for (name, site), stroke in zip(found.items(), strokes(len(found)), strict=True):
        parts = silent[name]
        until = [part.end for part in parts]
        shares = [
            100 * parts[int(np.searchsorted(until, at, side="right"))].at(at).mean()
            for at in site.series.samples.tolist()
        ]
        _line(axes, site.steps, np.array(shares), name, stroke, drawstyle="steps-post")
    axes.set_ylim(-2, 102)
    _mark(axes, _interventions(run), "black", "--")
    what = word(found.values())
    _label(axes, f"{what} units (%)", len(found), len(every))
    ends = {name: percent(float(parts[-1].dead.mean())) for name, parts in silent.items()}
    last = ", ".join(f"{name} {share}" for name, share in ends.items())
    return told(axes, f"Share of each layer's units that are {what}; at the end {last}.")


def _line(axes: Axes, steps: Ints, values: Floats, label: str, stroke: Stroke, **more: Any) -> None:
    """With a dozen marks, so that they do not hide the line."""
    every = max(1, len(steps) // 12)
    look = stroke._asdict() | more
    axes.plot(steps, values, label=label, markevery=every, markersize=5, **look)


def _findings(run: Run) -> Iterator[tuple[int, str]]:
    """Where each kind of finding was seen first, and what it is called."""
    origin = since(run)[1]
    first: dict[str, int] = {}
    for found in diagnose(run).findings:
        if found.severity > Severity.NOTE and found.first_step is not None:
            name = f"{found.severity.label}: {found.slug}"
            first[name] = min(found.first_step + origin, first.get(name, found.first_step + origin))
    yield from ((step, name) for name, step in first.items())


def _interventions(run: Run) -> Iterator[tuple[int, str]]:
    became = {None: "", True: " (kept)", False: " (undone)"}
    for at in run.interventions:
        if not at.refused:
            yield at.step, at.remedy + became[at.kept]


def _mark(axes: Axes, marks: Iterable[tuple[int, str]], color: str, style: str) -> None:
    """Lines at these steps, each with a number above it that the legend explains."""
    left, right = axes.get_xlim()
    place, row = -np.inf, 0
    for step, text in sorted(marks):
        count = len(axes.texts) + 1
        # Above the one before where they would cover each other.
        row = row + 1 if step - place < (right - left) / 30 else 0
        place = step
        axes.axvline(
            step, color=color, linestyle=style, linewidth=1, label=f"{count}  {text}, step {step:,}"
        )
        axes.annotate(
            f"{count}", (step, 1), (0, 3 + 11 * row), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", fontsize="small", color=color,
        )  # fmt: skip


def _change(first: float, last: float) -> str:
    return f"{number(first)} at first, {number(last)} at last"


def _label(axes: Axes, what: str, drawn: int = 1, of: int = 1) -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(what)
    axes.grid(axis="y", linewidth=0.4, color=GREY)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        legend(axes, f"{drawn} of {of} layers" if drawn < of else "layer" if of > 1 else None)
