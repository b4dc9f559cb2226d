"""What a page tells of one hidden activation, read off the record in one go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import stretches, together
from reluctant.record.hidden import hidden
from reluctant.record.merging import merge
from reluctant.record.run import Function, Ints, Layer, Site, SiteSeries
from reluctant.report.page.subject import Subject

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """One hidden activation over its T samples; U of its units are read.

    `samples` index the run's. `firing` is the mean firing rate, `silent` the share of units that
    fired on nothing in the sample, `mean` and `spread` describe all inputs to the function
    together, `between` is the standard deviation of the units' means, `gradient` the root mean
    square of the loss gradient at the function's output. `quiet` (S, U) is, for each stretch of
    the run, the first sample of the silence that lasts to its end, counted in this series; `rate`
    (U,) is each unit's firing rate over all.
    """

    sites: tuple[Site, ...]
    layer: Layer | None
    function: Function
    samples: Ints
    steps: Ints
    firing: Numbers
    silent: Numbers
    mean: Numbers
    spread: Numbers
    between: Numbers
    gradient: Numbers
    quiet: Ints
    rate: Numbers

    @property
    def label(self) -> str:
        """What a person calls it: the layer if there is one, otherwise the site."""
        return self.layer.name if self.layer is not None else self.sites[0].name

    @property
    def units(self) -> int:
        """How many units it has, read or not."""
        return self.sites[0].units

    @property
    def read(self) -> int:
        """How many of them are read."""
        return self.sites[0].read


def profiles(subject: Subject) -> Iterator[tuple[Profile, SiteSeries]]:
    """Each hidden activation that was seen, in the order of the forward pass, and its series.

    Those of a large network are more than memory holds: they are not kept.
    """
    run = subject.run
    for sites in hidden(run):
        series = merge([run.series.site(site.index) for site in sites])
        if len(series.samples):
            yield _profile(subject, sites, series), series


def bounds(subject: Subject, samples: Ints) -> list[tuple[int, int]]:
    """Where each stretch of the run begins and ends in a series of these samples."""
    ends = [np.searchsorted(samples, (at.first, at.last)) for at in subject.stretches]
    return [(int(first), int(last)) for first, last in ends]


def _profile(subject: Subject, sites: Sequence[Site], series: SiteSeries) -> Profile:
    run, site = subject.run, sites[0]
    function = run.functions[site.function]
    rare = 0.0 if function.switches_off else subject.rare
    parts = bounds(subject, series.samples)
    found = np.full((6, len(series.samples)), np.nan)
    quiet = np.repeat([[first] for first, _ in parts], series.fired.shape[1], axis=1)
    heard = np.zeros(series.fired.shape[1])
    for at in stretches(series.fired):
        columns = (series.fired, series.mean, series.std, series.gradient_out)
        fired, mean, std, gradient = together(at, *columns)
        loud = fired > rare * series.values[at, None]
        for place, (first, last) in enumerate(parts):
            _silence(quiet[place], loud, at, first, last)
        heard += fired.sum(axis=0)
        found[0, at] = fired.sum(axis=1) / (series.values[at] * fired.shape[1])
        found[1, at] = 1 - (fired > 0).mean(axis=1)
        found[2:, at] = _moments(mean, std, gradient)
    layer = run.layers[site.layer] if site.layer is not None else None
    steps = run.steps[series.samples]
    rate = heard / max(int(series.values.sum()), 1)
    firing, silent, mean_, spread, between, flow = found
    numbers = (firing, silent, mean_, spread, between, flow, quiet, rate)
    return Profile(tuple(sites), layer, function, series.samples, steps, *numbers)


def _silence(
    quiet: NDArray[np.int64], loud: NDArray[np.bool_], at: slice, first: int, last: int
) -> None:
    """Put each unit's silence off past the last of these samples that it is heard in."""
    begin, end = max(first, at.start), min(last, at.stop)
    if begin < end:
        numbers = np.arange(begin + 1, end + 1, dtype=np.int64)
        heard = np.multiply(loud[begin - at.start : end - at.start], numbers[:, None])
        np.maximum(quiet, heard.max(axis=0), out=quiet)


def _moments(
    mean: NDArray[np.float32], std: NDArray[np.float32], gradient: NDArray[np.float32]
) -> tuple[Numbers, ...]:
    """Mean, spread, spread of the means, and root mean square gradient, (t,) each."""
    wide = mean.astype(np.float64)
    middle = wide.mean(axis=1)
    between = wide.var(axis=1)
    within = np.square(std, dtype=np.float64).mean(axis=1)
    flow = np.sqrt(np.square(gradient, dtype=np.float64).mean(axis=1))
    return middle, np.sqrt(between + within), np.sqrt(between), flow
