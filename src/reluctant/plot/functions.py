"""An activation function, and the part of it that a run has used."""

import numpy as np

from reluctant.errors import WrongArgument
from reluctant.plot.chosen import sites
from reluctant.record.merging import pool
from reluctant.record.run import Function, Run
from reluctant.report import curves
from reluctant.report.histogram import bars, shares
from reluctant.report.pictures import Axes, picture, told
from reluctant.words import percent


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
    """The function behind a layer, and over it a histogram of what it is fed at the end of the run.

    Up to a few thousand numbers of a call were counted. A record of an earlier version holds no
    histogram: there the curve is drawn alone.

    Args:
        run: the run.
        layer: its name.
        ax: where to draw.
    """
    site = sites(run, layer)[layer]
    axes = picture(ax, 4.6, 3.4)
    curves.diagram(axes, _met(site.function))
    axes.set_title(f"{layer}: {site.function.label}")
    flat = site.flattened(site.recent).mean()
    text = f"{site.function.label} behind {layer}, flat at {percent(flat)} of its inputs"
    fed = pool([run.series.histogram(at.index) for at in site.sites])
    recent = np.isin(fed.samples, site.series.samples[site.recent])
    counts = fed.counts[recent].sum(axis=0, keepdims=True)
    if not counts.any():
        axes.set_xlabel("z (no histogram of it was recorded)")
        return told(axes, f"{text}; no histogram of them was recorded.")
    drawn = bars(shares(counts), int(counts.sum()), *axes.get_xlim())
    heights = drawn.heights[0]
    beside = axes.twinx()
    beside.stairs(heights, drawn.edges, fill=True, color="black", alpha=0.18)
    beside.stairs(heights, drawn.edges, color="black", linewidth=1, linestyle=":")
    beside.set_ylim(0, 2 * max(float(heights.max()), 1e-12))
    beside.set_ylabel("density of its inputs (dotted)")
    beyond = float(drawn.beyond[0])
    if beyond > 0.01:
        axes.set_xlabel(f"z ({percent(beyond)} of the inputs lie beyond)")
    return told(axes, f"{text}.")


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
