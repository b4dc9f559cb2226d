"""Which dead units are dead for every input in a box, and which were only never seen to fire.

Intervals are passed through the plain part of a network, from what its first layer is fed to the
input of each function (interval arithmetic, Moore 1966; for networks Gowal et al. 2018, arXiv
1810.12715). A unit is certain where its interval lies within a flat region of its function.

What is guaranteed: with the weights that the record holds, no input in the box takes a unit that is
certain off the flat, neither in real arithmetic nor in that of the training, in whatever order that
adds. For a sum of n products its rounding error is at most gamma_n = n u / (1 - n u) times the sum
of their sizes (Higham 2002, section 3.1), u being the unit roundoff that the record gives; each
interval is widened by that much, and by as much again for our own float64. Curved functions are
taken to be computed to within a millionth. Fast convolutions that are no sums of products (FFT,
Winograd) may err by more. The converse does not hold: the intervals forget what inputs have to do
with one another, so a unit that is not certain may still be dead for every input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis import dead
from reluctant.diagnosis.reading import Mask, Reading, SiteReading
from reluctant.diagnosis.treated import since
from reluctant.record.finding import Certainty, Diagnosis, Finding
from reluctant.record.run import Function, Run, Site, Way, Weights
from reluctant.words import number, plural

Doubles = NDArray[np.float64]

# How far off a function's value may be that torch has computed, as a share of its size.
_COMPUTED = 2.0**-20

# Products smaller than this are lost where a processor flushes them to zero, and sums beyond the
# other overflow.
_TINY, _HUGE = 2.0**-126, 1e38


@dataclass(frozen=True)
class Box:
    """Inputs whose every number lies between `low` and `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Of each channel all that it can be: (C,) each. Infinite where nothing is known."""

    low: Doubles
    high: Doubles

    @classmethod
    def of(cls, low: Doubles, high: Doubles, margin: Doubles | float = 0.0) -> "Intervals":
        """From `low` to `high`, wider by `margin` at both ends; NaN is anything."""
        low, high = low - margin, high + margin
        lost = np.isnan(low) | np.isnan(high)
        return cls(np.where(lost, -np.inf, low), np.where(lost, np.inf, high))

    def within(self, flat: Sequence[tuple[float, float]]) -> Mask:
        """(C,): whether all of it lies in one of these."""
        inside = [(self.low >= low) & (self.high <= high) for low, high in flat]
        return np.asarray(np.any(inside, axis=0))


class _Obstacle(Exception):
    """Why nothing can be said; never leaves this module."""


def certify(run: Run, diagnosis: Diagnosis, box: Box | None = None) -> Diagnosis:
    """The diagnosis with what is certain of each of its dead units.

    Args:
        run: what it is a diagnosis of.
        diagnosis: what `diagnose` said.
        box: of the data; None for the limits that the run observed, feature by feature.
    """
    found = [at for at in diagnosis.findings if at.slug == dead.DEAD.slug]
    if not run.ways:
        return replace(diagnosis, limits=(*diagnosis.limits, _nothing(run)))
    if not found:
        said = "No unit was found to be dead, so there is nothing to certify."
        return replace(diagnosis, limits=(*diagnosis.limits, said))
    prover, sites = Prover(run, box), Reading(since(run)[0]).sites
    return replace(
        diagnosis,
        findings=tuple(
            replace(at, certain=_certainty(prover, sites, at)) if at in found else at
            for at in diagnosis.findings
        ),
    )


def _nothing(run: Run) -> str:
    if not run.sites:
        return "Without activation functions there is nothing to certify."
    if run.info.exit_code is None:
        return (
            "Nothing can be certified: weights are kept when a run ends, and this one has not, or "
            "was killed. Certify a run that has come to its end."
        )
    return (
        "Nothing can be certified: this record holds no weights. Run the script again with this "
        "version."
    )


def _certainty(prover: "Prover", sites: Sequence[SiteReading], finding: Finding) -> Certainty:
    site = next(
        at for at in sites if at.label == finding.layer and at.named(at.stuck.dead) == finding.units
    )
    try:
        certain = np.logical_and.reduce([prover.certain(at) for at in site.sites])
    except _Obstacle as obstacle:
        return Certainty(None, f"Nothing can be certified: {obstacle}.")
    units = site.named(site.stuck.dead & certain[:: site.sites[0].stride])
    return Certainty(units, _sentence(units.count, site.stuck.count, prover.where))


def _sentence(certain: int, count: int, where: str) -> str:
    be = "is" if certain == 1 else "are"
    text = f"{certain:,} of {plural(count, 'dead unit')} {be} dead for every input {where}"
    others = count - certain
    if not others:
        return f"{text}."
    if not certain:
        rest = "it was" if others == 1 else "they were"
    else:
        rest = "the other was" if others == 1 else "the others were"
    return f"{text}; {rest} only not seen to fire."


class Prover:
    """Finds the intervals of a run's sites, each once."""

    def __init__(self, run: Run, box: Box | None = None) -> None:
        self._run = run
        self._box = box
        self._known: dict[int, Intervals] = {}
        self._underway: set[int] = set()

    @property
    def where(self) -> str:
        """Which inputs are meant, in words."""
        if self._box is None:
            return "in the observed range"
        return f"between {number(self._box.low)} and {number(self._box.high)}"

    @cached_property
    def _ways(self) -> dict[int, Way]:
        return {way.site: way for way in self._run.ways}

    def certain(self, site: Site) -> Mask:
        """(U,): which units lie on the flat for every input in the box."""
        return self.before(site.index).within(self._run.functions[site.function].flat)

    @np.errstate(all="ignore")  # what comes of infinities is NaN, and NaN is anything
    def before(self, index: int) -> Intervals:
        """The intervals of the input of a site's function.

        Raises:
            _Obstacle: it does not come about by plain layers alone.
        """
        if index not in self._known:
            self._known[index] = self._find(index)
        return self._known[index]

    def _find(self, index: int) -> Intervals:
        site, way = self._run.sites[index], self._ways.get(index)
        if way is None or index in self._underway:
            raise _Obstacle(f"how the input of {site.name} comes about is not known")
        if way.obstacle:
            raise _Obstacle(
                f"{site.name} is not plain feed-forward, for in front of it is {way.obstacle}"
            )
        self._underway.add(index)
        try:
            at = self._data(way) if way.source is None else self.after(way.source)
        finally:
            self._underway.discard(index)
        for kind, count in way.links:
            at = self._product(at, count) if kind == "product" else _LINKS[kind](at, count)
        if at.low.shape != (site.units,):
            raise _Obstacle(f"{site.name} has {site.units} units, its layer {len(at.low)}")
        return at

    def after(self, index: int) -> Intervals:
        """The intervals of the output of a site's function."""
        site = self._run.sites[index]
        function = self._run.functions[site.function]
        if not function.rise[0]:
            raise _Obstacle(
                f"{function.name} in {site.name} falls somewhere, or changes as it is learnt or "
                "drawn, and no bound of it is kept"
            )
        return image(function, self.before(index))

    def _data(self, way: Way) -> Intervals:
        layer = next(at.number for at in way.links if at.kind == "product")
        limits = self._run.series.limits(layer)
        if limits is None:
            raise _Obstacle(f"what {self._run.layers[layer].name} is fed was not seen")
        low, high = (np.asarray(at, dtype=np.float64) for at in limits)
        if self._box is not None:
            low, high = np.full_like(low, self._box.low), np.full_like(high, self._box.high)
        return Intervals.of(low, high)

    def _product(self, at: Intervals, layer: int) -> Intervals:
        weights, name = self._run.series.weights(layer), self._run.layers[layer].name
        if weights is None:
            raise _Obstacle(f"the weights of {name} are not in the record")
        if weights.weight is None:
            raise _Obstacle(
                f"the weights of {name} were not kept, being too large or gone before the end"
            )
        units, inputs, _ = weights.weight.shape
        groups, rest = divmod(len(at.low), inputs)
        if rest or not groups or units % groups:
            raise _Obstacle(f"{name} takes {inputs} inputs and is given {len(at.low)}")
        return product(at, weights)


def product(at: Intervals, weights: Weights) -> Intervals:
    """What a layer makes of its input: (U,) of (C,), C being groups times the inputs of a unit.

    A convolution's every tap sees something of its channel's interval.
    """
    assert weights.weight is not None
    weight = weights.weight.astype(np.float64)
    units, inputs, taps = weight.shape
    groups = len(at.low) // inputs
    bias = 0.0 if weights.bias is None else weights.bias.astype(np.float64)
    up = _grouped(np.maximum(weight, 0).sum(axis=2), groups)
    down = _grouped(np.minimum(weight, 0).sum(axis=2), groups)
    low, high = at.low.reshape(groups, inputs, 1), at.high.reshape(groups, inputs, 1)
    largest = np.maximum(np.abs(low), np.abs(high))
    size = ((up - down) @ largest).reshape(units) + np.abs(bias)
    # One more for the bias, and one for weights that were rounded to be kept.
    terms = inputs * taps + 2
    margin = (_gamma(terms, weights.rounding) + _gamma(2 * terms, 2.0**-53)) * size + terms * _TINY
    margin = np.where(size < _HUGE, margin, np.inf)
    return Intervals.of(
        (up @ low + down @ high).reshape(units) + bias,
        (up @ high + down @ low).reshape(units) + bias,
        margin,
    )


def _grouped(weight: Doubles, groups: int) -> Doubles:
    return weight.reshape(groups, -1, weight.shape[1])


def _gamma(terms: int, rounding: float) -> float:
    return terms * rounding / (1 - terms * rounding) if terms * rounding < 1 else np.inf


def image(function: Function, at: Intervals) -> Intervals:
    """What a function that only rises makes of intervals."""
    xs, ys = (np.array(axis) for axis in function.rise)
    if function.straight:
        low, high = _line(xs, ys, at.low), _line(xs, ys, at.high)
        return Intervals.of(low, high, _COMPUTED * np.maximum(np.abs(low), np.abs(high)))
    low = ys[np.searchsorted(xs, at.low, "right") - 1]
    high = ys[np.searchsorted(xs, at.high, "left")]
    # As much as of a one, where it is small: it may be a difference of such.
    return Intervals.of(low, high, _COMPUTED * np.maximum(1, np.maximum(np.abs(low), np.abs(high))))


def _line(xs: Doubles, ys: Doubles, at: Doubles) -> Doubles:
    """The polygon through these points, and on beyond them."""
    piece = np.clip(np.searchsorted(xs, at) - 1, 0, len(xs) - 2)
    slope = (ys[piece + 1] - ys[piece]) / (xs[piece + 1] - xs[piece])
    return np.where(slope == 0, ys[piece], ys[piece] + slope * (at - xs[piece]))


def _zero(at: Intervals, _: int) -> Intervals:
    return Intervals(np.minimum(at.low, 0), np.maximum(at.high, 0))


def _repeat(at: Intervals, count: int) -> Intervals:
    return Intervals(np.repeat(at.low, count), np.repeat(at.high, count))


def _join(at: Intervals, count: int) -> Intervals:
    return Intervals(at.low.reshape(-1, count).min(axis=1), at.high.reshape(-1, count).max(axis=1))


def _average(at: Intervals, count: int) -> Intervals:
    size = np.maximum(np.abs(at.low), np.abs(at.high))
    return Intervals.of(at.low, at.high, _gamma(count + 1, 2.0**-24) * size)


_LINKS = {"zero": _zero, "repeat": _repeat, "join": _join, "average": _average}
