"""An activation function, and the part of it that a run has used."""

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis.reading import SiteReading
from reluctant.errors import WrongArgument
from reluctant.plot.chosen import sites
from reluctant.record.run import Function, Run
from reluctant.report import curves
from reluctant.report.pictures import Axes, picture, told
from reluctant.words import percent

# So many units and samples tell what a layer is fed.
MOST_TOLD = 4096
_SQUARE = np.sqrt(2 * np.pi)


def function(of: str | Function, *, ax: Axes | None = None) -> Axes:
    """A function and its derivative from -6 to 6, grey where it is flat.

    Args:
        of: a name of the catalogue, or a function that a run has met, of `run.functions`.
        ax: where to draw.

    Raises:
        UnknownActivation: there is no such function.
        WrongArgument: it is no function of one number.
    """
    axes = picture(ax, 4.2, 3.2)
    entry = _met(of) if isinstance(of, Function) else _known(of)
    curves.diagram(axes, entry)
    return told(axes, f"{entry['name']} and its derivative.")


@np.errstate(all="ignore")
def inputs(run: Run, layer: str, *, ax: Axes | None = None) -> Axes:
    """The function behind a layer, and over it what it is fed at the end of the run.

    The density is the mean of normal distributions, one for each unit.

    Args:
        run: the run.
        layer: its name.
        ax: where to draw.
    """
    site = sites(run, layer)[layer]
    axes = picture(ax, 4.6, 3.4)
    curves.diagram(axes, _met(site.function))
    axes.set_title(f"{layer}: {site.function.label}")
    grid = np.linspace(*axes.get_xlim(), 241)
    density = _density(site, grid)
    beside = axes.twinx()
    beside.fill_between(grid, density, step="mid", color="black", alpha=0.18, linewidth=0)
    beside.plot(grid, density, ":", color="black", linewidth=1)
    beside.set_ylim(0, 2 * max(float(density.max()), 1e-12))
    beside.set_ylabel("density of its inputs (dotted)")
    beyond = 1 - float(density.mean() * (grid[-1] - grid[0]))
    if beyond > 0.01:
        axes.set_xlabel(f"z ({percent(beyond)} of the inputs lie beyond)")
    flat = site.flattened(site.recent).mean()
    return told(
        axes, f"{site.function.label} behind {layer}, flat at {percent(flat)} of its inputs."
    )


def _known(name: str) -> dict[str, object]:
    # Not at the top: all other pictures are drawn without torch.
    from reluctant.activations import Shaped, lookup
    from reluctant.facts import drawn

    of = lookup(name)
    if isinstance(of, Shaped):
        raise WrongArgument(
            f"{of.name} is no function of one number, so it has no curve.",
            "Name one that is elementwise; `reluctant functions` lists them.",
        )
    return drawn(of)


def _met(of: Function) -> dict[str, object]:
    xs, ys = of.curve
    if len(xs) < 2:
        raise WrongArgument(f"The record holds no curve of {of.label}.", "Draw it by its name.")
    return {
        "name": of.label,
        "curve": of.curve,
        "slope": (xs, np.gradient(ys, xs)),
        "flat": of.flat,
    }


def _density(site: SiteReading, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    total, count = np.zeros_like(grid), 0
    rows = range(len(site.series.samples))[site.recent]
    every = -(-site.series.mean.shape[1] * len(rows) // MOST_TOLD)
    for at in rows:
        means, stds = (
            np.asarray(column[at], dtype=np.float64)[::every, None]
            for column in (site.series.mean, site.series.std)
        )
        stds = np.maximum(stds, grid[1] - grid[0])
        each = np.exp(-0.5 * ((grid - means) / stds) ** 2) / (stds * _SQUARE)
        total += np.nan_to_num(each).sum(axis=0)
        count += len(means)
    return total / max(count, 1)
