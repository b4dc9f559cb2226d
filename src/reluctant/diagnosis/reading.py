"""What several rules read off a record, worked out once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis.median import median
from reluctant.diagnosis.progress import Progress, recent
from reluctant.record.columns import Column, stretches, together
from reluctant.record.finding import Units
from reluctant.record.hidden import hidden
from reluctant.record.merging import merge
from reluctant.record.run import Floats, Function, Layer, LayerSeries, Run, Site, SiteSeries

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

# The chance that a unit which still fires is called dead, over all units of a layer together.
MISTAKE = 0.01

# A unit that was never seen to fire is taken to be dead once its firing rate is below this,
# with 95 % confidence: it would be heard from less than once in a batch of ordinary size.
RARE = 0.02

# Where nearly all of a layer is silent at once, one ordinary batch says enough: a layer that is
# heard from on less than a tenth of the inputs is no layer to the others.
RARE_TOGETHER = 0.1

# With two thirds of its units dead, a layer is no longer the one that was meant.
MOST = 2 / 3

# With this share of its units dead, what passes a layer is a handful of features.
NEARLY_ALL = 0.95

# Rows of any usual initialisation have a norm of order one, whatever their length. One that
# starts near zero, as the last layer of a residual branch may, has yet to grow: its ratio is
# large in any case.
GROWN = 0.1


def firing_bound(inputs: Ints) -> NDArray[np.float64]:
    """Upper 95 % bound on the firing rate of a unit that fired on none of `inputs` inputs.

    Exact and one-sided: the rate p for which (1 - p)^n = 0.05 (Clopper and Pearson 1934).
    """
    return np.where(inputs > 0, 1.0 - 0.05 ** (1.0 / np.maximum(inputs, 1)), 1.0)


@dataclass(frozen=True)
class Deaths:
    """The dead units of one site.

    All arrays are (U,). `since` is the first sample (an index into the site's series) of the
    silence that lasts to the end, `inputs` how many inputs a unit was silent on in it, and
    `dead` whether that is enough to call it dead.
    """

    dead: Mask
    since: Ints
    inputs: Ints

    @property
    def count(self) -> int:
        """How many units are dead."""
        return int(self.dead.sum())

    @property
    def share(self) -> float:
        """Dead units as a share of all."""
        return float(self.dead.mean()) if self.dead.size else 0.0

    @property
    def stopped(self) -> float:
        """The dead that fired at first, as a share of all."""
        return self.share - float(self.born.mean()) if self.dead.size else 0.0

    @property
    def born(self) -> Mask:
        """The dead that were never seen to fire."""
        return np.asarray(self.dead & (self.since == 0))


@dataclass(frozen=True)
class SiteReading:
    """The calls of one function on one layer's output: their series, and who is dead."""

    sites: tuple[Site, ...]
    layer: Layer | None
    function: Function
    series: SiteSeries
    steps: Ints  # of each sample of the series
    rows: LayerSeries | None
    rare: float | None = None  # a firing rate below which a unit is dead; None for `deaths`' own

    @property
    def label(self) -> str:
        """What a person calls it: the layer if there is one, otherwise the site."""
        return self.layer.name if self.layer is not None else self.sites[0].name

    @cached_property
    def stuck(self) -> Deaths:
        """Who is dead, or saturated where the function does not switch off.

        By the last samples whose numbers were finite: what is not finite fires on nothing, but is
        not silent for want of input.
        """
        finite, _ = self.finite
        known = len(finite) if finite.all() else int(np.argmin(finite))
        if self.function.switches_off:
            return deaths(self.series, known, self.rare)
        return saturations(self.series, known)

    @cached_property
    def finite(self) -> tuple[Mask, Mask]:
        """(T,) twice: whether all units' means are finite in a sample, and whether their ends."""
        mean, low, high = all_finite(self.series.mean, self.series.low, self.series.high)
        return mean, low & high

    @cached_property
    def recent(self) -> slice:
        """The samples that tell how things stand at the end of the run."""
        return recent(self.steps)

    @cached_property
    def firing(self) -> Floats:
        """Each unit's firing rate over the recent samples, (U,)."""
        values = self.series.values[self.recent].sum()
        fired = np.zeros(self.series.fired.shape[1], dtype=np.int64)
        for at in stretches(self.series.fired, self.recent):
            fired += self.series.fired[at].sum(axis=0)
        return np.asarray(fired / max(int(values), 1))

    @cached_property
    def gradient(self) -> tuple[Floats, Floats]:
        """(T,) at the function's output, and at its input: the norm of one input's gradient.

        Over all units and positions. A norm, because it is what a sound initialisation keeps from
        layer to layer; the size of a single number in it goes with the width of the layer. It is
        known of the first sample and of the recent ones, and NaN between.
        """
        positions = self.series.values / np.maximum(self.series.inputs, 1)
        columns = self.series.gradient_out, self.series.gradient_in
        norms = np.full((2, len(positions)), np.nan)
        for when in slice(0, 1), self.recent:
            for at in stretches(columns[0], when):
                for norm, rms in zip(norms, together(at, *columns), strict=True):
                    square = np.sum(rms.astype(np.float64) ** 2, axis=1)
                    norm[at] = np.sqrt(square * positions[at])
        return norms[0], norms[1]

    def flattened(self, when: slice) -> Floats:
        """(U,): the share of a unit's inputs, taken as normal, at which its slope is near zero.

        The mean over the samples in `when`. The normal distribution by a logistic curve, which is
        off by a hundredth at most.
        """
        total = np.zeros(self.series.mean.shape[1])
        # Sample by sample: all of them at once are too much of a network of a million units.
        samples = range(len(self.series.samples))[when]
        for at in samples:
            mean = self.series.mean[at].astype(np.float64)
            scale = 1.702 / np.maximum(self.series.std[at].astype(np.float64), 1e-30)
            for low, high in self.function.flat:
                total += _logistic((high - mean) * scale) - _logistic((low - mean) * scale)
        return total / max(len(samples), 1)

    def named(self, those: Mask) -> Units:
        """The units that a (U,) mask holds for, by their own numbers."""
        stride = self.sites[0].stride
        return Units(tuple((np.flatnonzero(those) * stride).tolist()), len(those), stride)


def _logistic(at: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(np.clip(-1.0 * at, -500, 500))))


def all_finite(*columns: Column) -> NDArray[np.bool_]:
    """(C, T): in which samples every unit's number is finite, of each of the columns."""
    finite = np.empty((len(columns), columns[0].shape[0]), dtype=bool)
    for at in stretches(columns[0]):
        for found, numbers in zip(finite, together(at, *columns), strict=True):
            found[at] = np.isfinite(numbers).all(axis=1)
    return finite


def deaths(series: SiteSeries, known: int | None = None, rare: float | None = None) -> Deaths:
    """Tell the dead from those that merely fire rarely: on less than `rare` of the inputs.

    A unit that fired before is dead if its silence at the end is longer than chance allows: k
    inputs spread at random over all leave a share g at the end free of them with probability
    (1 - g)^k. For k the least number of inputs is taken that its firings can have come from,
    as the positions of one image go together. One that was never seen to fire is dead if a unit
    that fires as rarely as `RARE`, or as the least active tenth of its neighbours where the
    whole layer is sparse, would hardly have kept silent so long. Hardly is less than `MISTAKE`,
    shared over all units (Bonferroni). Of the samples the first `known` count, by default all.
    """
    samples, units = series.fired.shape
    samples = samples if known is None else known
    if samples == 0:
        return _nobody(units)
    inputs = max(int(series.inputs[:samples].sum()), 1)
    positions = np.maximum(series.values / np.maximum(series.inputs, 1), 1)
    since, heard = np.zeros(units, dtype=np.int64), np.zeros(units)
    for at in stretches(series.fired, slice(samples)):
        fired = series.fired[at]
        np.maximum(since, _last(fired > 0, at), out=since)
        if (positions[at] == 1).all():
            heard += fired.sum(axis=0)
        else:
            heard += np.ceil(fired / positions[at, None]).sum(axis=0)
    silent = _remaining(series, samples)[since]
    alive = since == samples
    usual = float(np.quantile(heard[alive] / inputs, 0.1)) if alive.any() else 1.0
    stopped = heard * np.log1p(-np.minimum(silent / inputs, 1 - 1e-12))
    never_began = silent * np.log1p(-np.clip(min(usual, RARE), 1e-9, 1.0))
    chance = np.where(since > 0, stopped, never_began)
    if rare is None:
        rare = RARE_TOGETHER if np.mean(~alive) >= NEARLY_ALL else RARE
    unheard = firing_bound(silent) <= rare
    return Deaths(~alive & unheard & (chance < log(MISTAKE / units)), since, silent)


def _nobody(units: int) -> Deaths:
    none = np.zeros(units, dtype=np.int64)
    return Deaths(none.astype(bool), none, none)


def _last(loud: Mask, at: slice) -> Ints:
    """(U,): one past the last of the samples `at` in which a unit was loud, (t, U); 0 if none."""
    numbers = np.arange(at.start + 1, at.stop + 1, dtype=np.int32)
    return np.asarray(np.multiply(loud, numbers[:, None]).max(axis=0))


def _remaining(series: SiteSeries, samples: int) -> Ints:
    """(samples + 1,): how many inputs there were from each sample on, of the first so many."""
    return np.append(np.cumsum(series.inputs[:samples][::-1])[::-1], 0)


def saturations(series: SiteSeries, known: int | None = None) -> Deaths:
    """The saturated: units whose derivative is nearly zero on all but `RARE` of the inputs.

    A unit whose output is near one end for some inputs and near the other for the rest passes no
    more gradient than one that is at one end for all: unlike a rectifier's, its being off the
    flat ends now and then proves no life. Of the samples the first `known` count.
    """
    samples, units = series.fired.shape
    samples = samples if known is None else known
    if samples == 0:
        return _nobody(units)
    since = np.zeros(units, dtype=np.int64)
    for at in stretches(series.fired, slice(samples)):
        loud = series.fired[at] > RARE * series.values[at, None]
        np.maximum(since, _last(loud, at), out=since)
    inputs = _remaining(series, samples)[since]
    sure = firing_bound(inputs) <= RARE
    return Deaths((since < samples) & sure, since, inputs)


def update_ratios(rows: LayerSeries) -> tuple[Mask, Floats]:
    """(T,): the samples in which the update ratio of rows that have grown is known; its medians."""
    known = np.zeros(len(rows.samples), dtype=bool)
    ratios = np.full(len(rows.samples), np.nan)
    for at in stretches(rows.update):
        for place, (weight, update) in enumerate(
            zip(*together(at, rows.weight, rows.update), strict=True), at.start
        ):
            some = update[(weight >= GROWN) & ~np.isnan(update)]
            if np.isfinite(some).any():
                known[place], ratios[place] = True, median(some, np.float64)
    return known, ratios[known]


class Reading:
    """A run as the rules see it."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def sites(self) -> tuple[SiteReading, ...]:
        """The hidden activations, in the order of the forward pass."""
        read = (self._read(sites) for sites in hidden(self.run))
        # In a part of a run a site may be met without being seen.
        return tuple(site for site in read if len(site.series.samples))

    def _read(self, sites: Sequence[Site]) -> SiteReading:
        first = sites[0]
        layer = self.run.layers[first.layer] if first.layer is not None else None
        series = merge([self.run.series.site(site.index) for site in sites])
        return SiteReading(
            sites=tuple(sites),
            layer=layer,
            function=self.run.functions[first.function],
            series=series,
            steps=self.run.steps[series.samples],
            rows=self.layer(layer) if layer is not None and first.aligned else None,
        )

    def calls(self, site: SiteReading) -> tuple[SiteReading, ...]:
        """Each call of the function by itself, in the order of time."""
        return tuple(self._read([at]) for at in site.sites)

    def layer(self, layer: Layer) -> LayerSeries | None:
        """The layer's rows over time; None if no optimizer was seen to change it."""
        if layer.index not in self._rows:
            series = self.run.series.layer(layer.index)
            self._rows[layer.index] = series if len(series.samples) else None
        return self._rows[layer.index]

    @cached_property
    def _rows(self) -> dict[int, LayerSeries | None]:
        return {}

    def ratios(self, layer: Layer) -> tuple[Mask, Floats]:
        """The `update_ratios` of a layer that has rows."""
        rows = self.layer(layer)
        assert rows is not None
        if layer.index not in self._ratios:
            self._ratios[layer.index] = update_ratios(rows)
        return self._ratios[layer.index]

    @cached_property
    def _ratios(self) -> dict[int, tuple[Mask, Floats]]:
        return {}

    def before(self, site: SiteReading) -> tuple[SiteReading, ...]:
        """The hidden activations that reach `site`'s layer with no other layer between."""
        wanted = set(site.layer.inputs) if site.layer is not None else set()
        return tuple(other for other in self.sites if wanted & {at.index for at in other.sites})

    @cached_property
    def progress(self) -> Progress:
        """How the loss went."""
        return Progress(self.run)

    @property
    def stalled(self) -> bool | None:
        """Whether the run has learnt next to nothing by its end; None if that cannot be said."""
        return self.progress.stalled
