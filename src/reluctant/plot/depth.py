"""What passes through the layers, one after another, at some steps of a run."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis.reading import Reading, SiteReading
from reluctant.errors import WrongArgument
from reluctant.plot.chosen import sites, spread
from reluctant.record.run import Floats, Run
from reluctant.report.pictures import Axes, legend, log_scale, picture, told
from reluctant.report.strokes import strokes
from reluctant.words import plural

# So many steps are drawn where none are named, and so many layers are called by their names, or by
# long ones.
MOST_STEPS, MOST_NAMES, MOST_LONG = 5, 30, 16

# The bars of more layers than this would be no bars any more.
MOST_BARS = 20


@np.errstate(all="ignore")
def gradient_flow(
    run: Run,
    steps: Iterable[int] | None = None,
    *,
    of: str = "outputs",
    ax: Axes | None = None,
) -> Axes:
    """The root mean square of the loss gradient through depth, a line for each of some steps.

    A layer that no gradient reaches at all has a cross at the bottom.

    Args:
        run: the run.
        steps: which; the nearest that were observed are drawn. None for five, from the first to
            the last.
        of: "outputs", for the gradient at the output of each layer's activation, or "weights",
            for that of each layer's weights.
        ax: where to draw.
    """
    if of not in ("outputs", "weights"):
        raise WrongArgument.against("of", '"outputs" or "weights"', {"it": repr(of)})
    samples = _samples(run, steps)
    names, values = _at_outputs(run, samples) if of == "outputs" else _of_weights(run, samples)
    axes = picture(ax, 6.4, _height(names))
    for row, at, stroke in zip(values, samples, strokes(len(samples)), strict=True):
        axes.plot(row, label=f"step {run.samples[at].step:,}", **stroke._asdict(), markersize=5)
    axes.set_ylabel(f"gradient of the loss at {of} (rms)")
    log_scale(axes)
    _label(axes, names)
    positive = values[np.isfinite(values) & (values > 0)]
    return told(
        axes,
        f"Gradient flow through {plural(len(names), 'layer')} at "
        f"{plural(len(samples), 'step')}, from {_range(positive)}.",
    )


@np.errstate(all="ignore")
def activations(run: Run, steps: Iterable[int] | None = None, *, ax: Axes | None = None) -> Axes:
    """Mean and standard deviation of what each activation is fed, through depth.

    A line for each of some steps, with bars, or a band, of one standard deviation over all inputs
    and units.

    Args:
        run: the run.
        steps: which; the nearest that were observed are drawn. None for the first and the last.
        ax: where to draw.
    """
    samples = _samples(run, steps, 2)
    found = sites(run)
    axes = picture(ax, 6.4, _height(list(found)))
    places = np.arange(len(found), dtype=np.float64)
    for number, (at, stroke) in enumerate(zip(samples, strokes(len(samples)), strict=True)):
        means, stds = np.array([_moments(site, at) for site in found.values()]).T
        label = f"step {run.samples[at].step:,}"
        if len(found) > MOST_BARS:
            axes.plot(places, means, label=label, **stroke._asdict(), markersize=3)
            band = axes.fill_between(places, means - stds, means + stds, alpha=0.15)
            band.set(facecolor=stroke.color, edgecolor=stroke.color, linestyle=stroke.linestyle)
            continue
        # Beside one another, so that no bar hides another.
        beside = places + 0.12 * (number - (len(samples) - 1) / 2)
        look = stroke._asdict()
        axes.errorbar(beside, means, stds, label=label, **look, markersize=5, capsize=3)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("pre-activation (mean ± standard deviation)")
    _label(axes, list(found))
    return told(
        axes,
        f"Mean and spread of the input of {plural(len(found), 'activation')} at "
        f"{plural(len(samples), 'step')}.",
    )


def _samples(run: Run, steps: Iterable[int] | None, most: int = MOST_STEPS) -> list[int]:
    """The numbers of the samples nearest to these steps."""
    if not run.samples:
        raise WrongArgument("No step was observed in this run.", "Draw one that has trained.")
    if steps is None:
        return spread(range(len(run.samples)), most)
    nearest = {int(np.abs(run.steps - step).argmin()) for step in steps}
    return sorted(nearest)


def _row(samples: NDArray[np.int64], at: int) -> int | None:
    """Which row of a series holds a sample."""
    place = int(np.searchsorted(samples, at))
    return place if place < len(samples) and samples[place] == at else None


def _rms(values: Floats, count: float = 1.0) -> float:
    """Of all numbers, where each of the values is the norm of so many; NaN aside."""
    known = values[~np.isnan(values)].astype(np.float64)
    return float(np.sqrt(np.square(known).sum() / (count * known.size))) if known.size else np.nan


def _at_outputs(run: Run, samples: Sequence[int]) -> tuple[list[str], NDArray[np.float64]]:
    """The layers' names, and (samples, layers) what is drawn."""
    found = sites(run)

    def value(site: SiteReading, at: int) -> float:
        row = _row(site.series.samples, at)
        if row is None:
            return np.nan
        return _rms(site.series.gradient_out[row])

    return list(found), np.array([[value(site, at) for site in found.values()] for at in samples])


def _of_weights(run: Run, samples: Sequence[int]) -> tuple[list[str], NDArray[np.float64]]:
    reading = Reading(run)
    layers = sorted(run.layers, key=lambda layer: layer.order)
    found = [(at, rows) for at in layers if (rows := reading.layer(at)) is not None]
    if not found:
        raise WrongArgument("No optimizer was seen to change a weight.", "Draw another run.")
    values = np.full((len(samples), len(found)), np.nan)
    for column, (layer, rows) in enumerate(found):
        for line, at in enumerate(samples):
            row = _row(rows.samples, at)
            if row is not None:
                of_each = float(np.prod(layer.shape)) / layer.units
                values[line, column] = _rms(rows.gradient[row], of_each)
    return [layer.name for layer, _ in found], values


def _moments(site: SiteReading, at: int) -> tuple[float, float]:
    row = _row(site.series.samples, at)
    if row is None:
        return np.nan, np.nan
    means, stds = (
        np.asarray(column[row], dtype=np.float64) for column in (site.series.mean, site.series.std)
    )
    mean = means.mean()
    return float(mean), float(np.sqrt((stds**2 + (means - mean) ** 2).mean()))


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.1e} to {values.max():.1e}" if values.size else "nothing to nothing"


def _long(names: Sequence[str]) -> bool:
    """Whether they do not fit beside one another."""
    longest = max((len(name) for name in names), default=0)
    return longest * min(len(names), MOST_NAMES) > 70


def _height(names: Sequence[str]) -> float:
    """Of a picture in inches; long names stand upright."""
    return 4.0 + (0.08 * max(map(len, names)) if _long(names) else 0)


def _label(axes: Axes, names: Sequence[str]) -> None:
    shown = spread(list(enumerate(names)), MOST_LONG if _long(names) else MOST_NAMES)
    axes.set_xticks([place for place, _ in shown], [name for _, name in shown])
    axes.tick_params(axis="x", rotation=90 if _long(names) else 0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel("layer, from input to output")
    legend(axes)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
