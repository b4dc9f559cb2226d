"""The unit map: where in the network, and when in the run, units stopped."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis.reading import SiteReading
from reluctant.plot.chosen import Silence, silences, sites, spread, word
from reluctant.record.columns import stretches
from reluctant.record.run import Run
from reluctant.report.pictures import GRADED, Axes, Patch, picture, told
from reluctant.report.strokes import VERMILION
from reluctant.words import plural

# A layer has no more lines than this: of more units each line is the mean of some.
MOST_LINES = 256

# So many steps, and layers, are named beside the map.
MOST_STEPS, MOST_NAMES = 9, 24

_DEAD: dict[str, Any] = {
    "facecolor": VERMILION, "edgecolor": "white", "hatch": "////", "linewidth": 0,
}  # fmt: skip


@np.errstate(all="ignore")
def units(run: Run, layer: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Each unit a line, each observed step a column, the firing rate as colour.

    Layers lie below one another, all equally high. In each the units that fire most come first and
    the dead last, hatched from where their silence begins to the end, or to where a remedy that was
    kept parts the run. Arrows show where remedies were applied.

    Args:
        run: the run.
        layer: one layer alone; None for all that have an activation.
        ax: where to draw.
    """
    found = sites(run, layer)
    silent = silences(run, found)
    axes = picture(ax, 6.4, 1.6 + 0.7 * min(max(len(found), 3), 20))
    samples, image = len(run.samples), None
    for place, (name, site) in enumerate(found.items()):
        rates, dead = _lines(site, silent[name], samples)
        image = axes.imshow(
            rates, cmap=GRADED, vmin=0, vmax=1, aspect="auto", interpolation="antialiased",
            interpolation_stage="data", extent=(0, samples, place + 1, place),
        )  # fmt: skip
        _hatch(axes, dead, place)
        axes.axhline(place + 1, color="white", linewidth=1.5)
    assert image is not None
    axes.figure.colorbar(image, ax=axes, label="firing rate (share of inputs)")
    _label(axes, run, found)
    last = sum(int(parts[-1].dead.sum()) for parts in silent.values())
    read = sum(site.series.fired.shape[1] for site in found.values())
    return told(
        axes,
        f"Firing rate of {plural(read, 'unit')} in {plural(len(found), 'layer')} over "
        f"{plural(samples, 'observed step')}; {last:,} are {word(found.values())} at the end.",
    )


def _lines(
    site: SiteReading, silent: Sequence[Silence], samples: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(lines, samples), in the order in which they are drawn: firing rates, and who is dead.

    A rate is NaN in a sample that did not see the site. Of many units a line is the mean of some,
    and dead where most of them are.
    """
    series = site.series
    keys = [np.where(part.dead, -part.since, -samples - 1) for part in silent]
    order = np.lexsort((-site.firing, *keys))
    starts = np.arange(0, len(order), -(-len(order) // MOST_LINES))
    sizes = np.diff(np.append(starts, len(order)))
    rates = np.full((len(starts), samples), np.nan, dtype=np.float32)
    for at in stretches(series.fired):
        seen = series.fired[at][:, order] / np.maximum(series.values[at, None], 1)
        rates[:, series.samples[at]] = (np.add.reduceat(seen, starts, axis=1) / sizes).T
    dead = np.zeros((len(starts), samples), dtype=bool)
    first = 0
    for part in silent:
        for sample in range(first, part.end):
            these = np.add.reduceat(part.at(sample)[order].astype(np.int64), starts)
            dead[:, sample] = 2 * these > sizes
        first = part.end
    return rates, dead


def _hatch(axes: Axes, dead: NDArray[np.bool_], place: int) -> None:
    """Over the dead, line by line of those that are dead equally long."""
    height = 1 / len(dead)
    changes = np.flatnonzero((dead[1:] != dead[:-1]).any(axis=1)) + 1
    for begin, end in pairwise([0, *changes.tolist(), len(dead)]):
        edges = np.flatnonzero(np.diff(np.pad(dead[begin].astype(np.int8), 1)))
        spans = [(left, right - left) for left, right in edges.reshape(-1, 2).tolist()]
        axes.broken_barh(spans, (place + begin * height, (end - begin) * height), **_DEAD)


def _label(axes: Axes, run: Run, found: dict[str, SiteReading]) -> None:
    samples = len(run.samples)
    steps = spread(range(samples), MOST_STEPS)
    axes.set_xticks([at + 0.5 for at in steps], [f"{run.samples[at].step:,}" for at in steps])
    axes.set_xlabel("step (one column for each that was observed)", loc="left")
    named = spread(list(enumerate(found)), MOST_NAMES)
    axes.set_yticks([place + 0.5 for place, _ in named], [name for _, name in named])
    group = max(-(-site.series.fired.shape[1] // MOST_LINES) for site in found.values())
    line = "a unit" if group == 1 else f"the mean of up to {group:,} units"
    axes.set_ylabel(f"layer (each line {line})")
    axes.set_xlim(0, samples)
    axes.set_ylim(len(found), 0)
    for at in run.interventions:
        if not at.refused:
            place = float(np.searchsorted(run.steps, at.step))
            axes.annotate(
                at.remedy, (place, 0), (0, 14), textcoords="offset points", ha="center",
                fontsize="small", arrowprops={"arrowstyle": "-|>"}, annotation_clip=False,
            )  # fmt: skip
    # Below the axis and what it is called.
    axes.legend(
        handles=[Patch(**_DEAD, label=word(found.values()))], loc="upper left",
        bbox_to_anchor=(0, 0), borderaxespad=3.4, borderpad=0, frameon=False,
    )  # fmt: skip
