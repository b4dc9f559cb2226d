"""`vanishing-gradient` and `exploding-gradient`: how the gradient changes on its way back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from reluctant.diagnosis.rate import CLIP, outlier_batch
from reluctant.diagnosis.reading import MOST, Reading, SiteReading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Floats
from reluctant.words import number, plural

# Networks of 17 tanh layers train well with a ratio of 66 to 95 between the gradients at their
# two ends, so one in a hundred proves nothing while the loss falls, and something only when it
# does not. At one in 100,000 what is left is lost in the noise of a batch, and in the epsilon of
# Adam (1e-8), whatever the optimizer.
FAINT = 1e-2
LOST = 1e-5

# In a run that learns nothing a thirtieth is enough to say so: steps at one end of the network are
# thirty times smaller than at the other.
FAINT_STALLED = 1 / 30

# The gradient changes by a factor of ten or so as a healthy run proceeds.
GROWN = 1e3

# A ratio is a matter of depth only if there is some.
SITES = 3

# A factor of less than this per layer is ascribed to the weights or to the function; one nearer
# to 1 is no fault of either, and the depth alone makes it matter.
FACTOR = 0.7


@dataclass(frozen=True)
class Chain:
    """The sites of one model in forward order, with the gradient at each, over recent samples.

    `out` and `into` are (S,): the norm of the gradient of one input at each function's output
    and input, the median over the samples.
    """

    sites: tuple[SiteReading, ...]
    out: Floats
    into: Floats

    @property
    def ratio(self) -> float:
        """The gradient at the first site over that at the last."""
        return float(self.out[0] / self.out[-1]) if self.out[-1] > 0 else float("nan")

    @property
    def slope(self) -> float:
        """The geometric mean, over the sites between, of what a function leaves of it."""
        return _mean_factor(self.into[1:], self.out[1:])

    @property
    def gain(self) -> float:
        """The geometric mean of what the layers between leave of it."""
        return _mean_factor(self.out[:-1], self.into[1:])


def _mean_factor(after: Floats, before: Floats) -> float:
    known = (after > 0) & (before > 0)
    if not known.any():
        return 0.0
    return float(np.exp(np.mean(np.log(after[known] / before[known]))))


def chains(reading: Reading, start: bool = False) -> Iterator[Chain]:
    """One chain for each model that took part, of the first sample or of the recent ones."""
    roots: dict[str, list[SiteReading]] = {}
    for site in reading.sites:
        if site.layer is not None:
            roots.setdefault(site.sites[0].root, []).append(site)
    for sites in roots.values():
        yield from _chain(sites, start)


def through_time(reading: Reading) -> Iterator[Chain]:
    """One chain for each layer that feeds itself: the calls of its function one after another.

    A last site that stands for all later calls comes as one of them, for the gradient at its end.
    """
    for site in reading.sites:
        own = {at.index for at in site.sites}
        if site.layer is not None and own.intersection(site.layer.inputs):
            yield from _chain(reading.calls(site), False)


def _chain(sites: Sequence[SiteReading], start: bool) -> Iterator[Chain]:
    """The chain of those sites whose gradient is known, if they are enough to be one."""
    out: list[float] = []
    into: list[float] = []
    for site in sites:
        when = slice(0, 1) if start else site.recent
        for found, norm in zip((out, into), site.gradient, strict=True):
            found.append(_typical(norm[when]))
    known = [position for position, value in enumerate(out) if np.isfinite(value)]
    if len(known) >= SITES:
        yield Chain(
            tuple(sites[position] for position in known),
            np.array(out)[known],
            np.array(into)[known],
        )


def _typical(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def vanishing(reading: Reading) -> Iterator[Finding]:
    """The gradient at the first layers is a small share of that at the last."""
    starts = {at.sites[0].label: at.ratio for at in chains(reading, start=True)}
    for chain in chains(reading):
        # Judged at the end of the run: what was faint at first and recovered did no harm.
        faint = {False: LOST, None: FAINT, True: FAINT_STALLED}[reading.stalled]
        if not chain.ratio < faint:
            continue
        off = [site for site in chain.sites if site.function.switches_off]
        # What died later did not make a gradient faint that was so from the first step on.
        born = starts.get(chain.sites[0].label, 1.0) < faint
        dead = [site for site in off if (_born_dead(site) if born else site.stuck.share) >= MOST]
        cause, evidence = _why_vanishing(chain, dead)
        starved = [
            site
            for site, value in zip(chain.sites, chain.out, strict=True)
            if value < FAINT_STALLED * chain.out[-1]
        ]
        if dead:
            severity = Severity.NOTE  # the dead layer is the finding; this is what follows
        elif reading.stalled or chain.ratio < LOST:
            severity = Severity.WARNING if reading.stalled is False else Severity.ERROR
        else:
            severity = Severity.NOTE
        yield Finding(
            slug=VANISHING.slug,
            severity=severity,
            layer=chain.sites[0].label,
            units=None,
            first_step=_first_step(chain),
            cause=cause,
            evidence=(
                *_ends(chain),
                Evidence("starved", len(starved), "layers"),
                *evidence,
            ),
            remedies=_VANISHING_REMEDIES[cause.slug],
        )
    yield from _forgotten(reading)


def _born_dead(site: SiteReading) -> float:
    return site.stuck.share - site.stuck.stopped


def _forgotten(reading: Reading) -> Iterator[Finding]:
    """A run that learns nothing, and in which the gradient does not reach back in time.

    Of one that learns it proves nothing: what came long ago may not matter.
    """
    for chain in through_time(reading) if reading.stalled else ():
        if not chain.ratio < FAINT_STALLED:
            continue
        first, last = chain.sites[0], chain.sites[-1]
        apart = chain
        if int(last.series.values.sum()) > int(first.series.values.sum()):
            apart = Chain(chain.sites[:-1], chain.out[:-1], chain.into[:-1])
        text = (
            f"Back through time, from the last calls of {last.label} to the first, the gradient's "
            f"norm falls from {number(float(chain.out[-1]))} to {number(float(chain.out[0]))}: at "
            f"each step {first.function.name}'s slope leaves a factor of {number(apart.slope)} and "
            f"the weights one of {number(apart.gain)}."
        )
        yield Finding(
            slug=VANISHING.slug,
            severity=Severity.ERROR,
            layer=first.label,
            units=None,
            first_step=_first_step(chain),
            cause=Cause("weight-scale" if apart.gain <= FACTOR else "depth", text),
            evidence=(
                *_ends(chain),
                Evidence("slope-factor", apart.slope, "a step"),
                Evidence("weight-factor", apart.gain, "a step"),
            ),
            remedies=(
                Remedy("gate", "use a gated layer (GRU, LSTM), its forget gate open at the start"),
                Remedy("rescale", "start from an orthogonal recurrent matrix"),
            ),
        )


def _why_vanishing(chain: Chain, dead: list[SiteReading]) -> tuple[Cause, tuple[Evidence, ...]]:
    first, last = chain.sites[0], chain.sites[-1]
    lead = (
        f"From {last.label} back to {first.label} the gradient's norm falls from "
        f"{number(float(chain.out[-1]))} to {number(float(chain.out[0]))}"
    )
    if dead:
        names = ", ".join(site.label for site in dead)
        return Cause("dead-layer", f"{lead}: most units of {names} are dead."), ()
    slope, gain = chain.slope, chain.gain
    evidence = (
        Evidence("slope-factor", slope, "a layer"),
        Evidence("weight-factor", gain, "a layer"),
    )
    parts = (
        f"{lead}, over {plural(len(chain.sites), 'layer')}: of each layer's gradient "
        f"{chain.sites[0].function.name}'s slope leaves a factor of {number(slope)}, "
        f"the weights one of {number(gain)}."
    )
    lost_to_slope, lost_to_weights = -log10(max(slope, 1e-300)), -log10(max(gain, 1e-300))
    if slope <= FACTOR and lost_to_slope >= lost_to_weights and _saturates(chain):
        return Cause("saturating-activation", parts), evidence
    if gain <= FACTOR:
        return Cause("weight-scale", parts), evidence
    return Cause("depth", parts), evidence


def _saturates(chain: Chain) -> bool:
    """Whether most functions of the chain lose slope at both ends, as sigmoid and tanh do."""
    both = [len(site.function.flat) == 2 for site in chain.sites]
    return sum(both) * 2 > len(both)


def exploding(reading: Reading) -> Iterator[Finding]:
    """The gradient grows a hundredfold on its way back, a thousandfold over the run, or at once.

    In a run that learns nothing it is looked at as it began, too: what exploded may have died.
    """
    starts = {at.sites[0].label: at for at in chains(reading, start=True)}
    ends = {at.sites[0].label: at for at in chains(reading)}
    limit = 1 / (FAINT_STALLED if reading.stalled else FAINT)
    for name, start in {**starts, **ends}.items():
        start, chain = starts.get(name, start), ends.get(name, start)
        if reading.stalled and start.ratio > limit and not chain.ratio > start.ratio:
            chain = start
        grown = _growth(start, chain)
        # Finite: what is not has a finding of its own.
        if chain.ratio > limit:
            cause, evidence = _why_exploding(chain)
        elif grown > GROWN:
            cause = Cause(
                "learning-rate",
                f"The gradient at {chain.sites[0].label} grew from "
                f"{number(float(start.out[0]))} to {number(float(chain.out[0]))} over the run.",
            )
            evidence = (Evidence("growth", grown),)
        else:
            continue
        severity = Severity.ERROR if reading.stalled else Severity.NOTE
        if reading.stalled is None:
            severity = Severity.WARNING
        yield Finding(
            slug=EXPLODING.slug,
            severity=severity,
            layer=chain.sites[0].label,
            units=None,
            first_step=_first_step(chain),
            cause=cause,
            evidence=(
                *_ends(chain),
                *evidence,
            ),
            remedies=_EXPLODING_REMEDIES[cause.slug],
        )
    yield from outlier_batch(reading)


def _growth(start: Chain, end: Chain) -> float:
    """By how much the gradient grew, at the site where it grew least: all of them explode."""
    if start.out.shape != end.out.shape or not (start.out > 0).all():
        return 1.0
    return float(np.min(end.out / start.out))


def _why_exploding(chain: Chain) -> tuple[Cause, tuple[Evidence, ...]]:
    gain = chain.gain
    text = (
        f"From {chain.sites[-1].label} back to {chain.sites[0].label} the gradient grows from "
        f"{number(float(chain.out[-1]))} to {number(float(chain.out[0]))}: the weights multiply "
        f"it by {number(gain)} a layer."
    )
    slug = "weight-scale" if gain >= 1 / FACTOR else "depth"
    return Cause(slug, text), (Evidence("weight-factor", gain, "a layer"),)


def _ends(chain: Chain) -> tuple[Evidence, ...]:
    return (
        Evidence("gradient-first", float(chain.out[0]), "norm"),
        Evidence("gradient-last", float(chain.out[-1]), "norm"),
        Evidence("ratio", chain.ratio),
    )


def _first_step(chain: Chain) -> int:
    return int(chain.sites[0].steps[0])


_REINITIALISE = Remedy(
    "rescale", "initialise each layer for its activation (He for rectifiers, Xavier for tanh)"
)
_NORMALISE = Remedy("normalise", "put a normalisation layer before each activation")
_SKIP = Remedy("skip", "add skip connections around every few layers")

_VANISHING_REMEDIES = {
    "dead-layer": (Remedy("upstream", "bring the dead layer back first"),),
    "saturating-activation": (
        Remedy("rectify", "use a rectifier (ReLU, leaky ReLU): its slope is one where it fires"),
        _NORMALISE,
        _SKIP,
    ),
    "weight-scale": (_REINITIALISE, _NORMALISE),
    "depth": (_SKIP, _NORMALISE, _REINITIALISE),
}
_EXPLODING_REMEDIES = {
    "weight-scale": (_REINITIALISE, _NORMALISE),
    "depth": (_NORMALISE, _SKIP),
    "learning-rate": (
        Remedy("slow-down", "lower the learning rate"),
        CLIP,
    ),
}

VANISHING = Rule("vanishing-gradient", vanishing)
EXPLODING = Rule("exploding-gradient", exploding)
