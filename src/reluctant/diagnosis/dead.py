"""`dead-units`, `saturated-units`: those that no input gets off the flat, since when, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.diagnosis.reading import NEARLY_ALL, Ints, Mask, Reading, SiteReading, firing_bound
from reluctant.diagnosis.rule import Rule
from reluctant.diagnosis.scale import Scale, scale
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Floats
from reluctant.words import number, percent, plural

# A layer with half of its units is a network of another width, which may learn as well: half
# are many only where the loss does not fall. Where it does, it takes two thirds.
HALF = 0.5
MOST = 2 / 3

# A step that moves a unit's mean pre-activation by its own standard deviation or more is no
# drift: an ordinary step moves it by a hundredth.
JOLT = 1.0

# Nor is one that changes a unit's weights by a hundredth: a thousandth is usual, and a hundred
# such steps make another unit of it.
BRISK = 0.01

# Of a squashing function's inputs so many on its flat ends are more than a sound initialisation
# or a trained layer puts there: of tanh's standard normal inputs under one in a hundred lie beyond
# three, and at three fifths they spread so far that the slope in between hardly matters.
FLATTENED = 0.6

# A layer that began with so much of what it ends with was born so.
BORN = 0.75

# A rate that rises so far between two samples is no schedule that units can follow.
RISE = 3.0

# Half of a layer's deaths within so few steps, or within this share of the run, are one event.
TOGETHER_STEPS = 8
TOGETHER_SHARE = 0.05


@dataclass(frozen=True)
class Killing:
    """The shortest stretch of samples in which half of the units that died did so.

    They last fired at samples `begin - 1` to `end - 1` of the site's series; `first` and `last`
    are the steps whose updates lie between; `units` are those that died there.
    """

    begin: int
    end: int
    first: int
    last: int
    units: Mask


def dead(reading: Reading) -> Iterator[Finding]:
    """One finding for each layer with dead units."""
    for site in reading.sites:
        if site.function.switches_off and site.function.flat and site.stuck.count:
            yield _finding(reading, site, DEAD.slug)


def saturated(reading: Reading) -> Iterator[Finding]:
    """One finding for each layer with saturated units, of a function that does not switch off."""
    for site in reading.sites:
        last = all(at.last for at in site.sites)
        # A last sigmoid that is sure of its answers has learnt.
        if not site.function.flat or site.function.switches_off or last:
            continue
        if site.stuck.share < HALF and _is_flattened(site, site.recent):
            yield _flattened(reading, site)
        elif site.stuck.count:
            yield _finding(reading, site, SATURATED.slug)


def _finding(reading: Reading, site: SiteReading, slug: str) -> Finding:
    deaths = site.stuck
    killing = _killing(reading, site)
    root = _silent_input(reading, site)
    first = int(deaths.since[deaths.dead].min())
    raw = scale(reading, site.layer) if site.layer is not None else None
    if root is not None:
        cause, evidence = _upstream(root)
    elif raw is not None and raw.fault is not None:
        cause, evidence = _fed(site, raw, raw.fault)
    elif deaths.born.sum() * 2 >= deaths.count:
        cause, evidence = _born(site)
    elif killing is not None:
        cause, evidence = _killed(reading, site, killing)
        first = killing.begin
    else:
        cause, evidence = _drifted(site)
    first = min(first, len(site.series.samples) - 1)
    return Finding(
        slug=slug,
        severity=_severity(reading, site, root),
        layer=site.label,
        units=site.named(deaths.dead),
        first_step=int(site.steps[first]),
        cause=cause,
        evidence=(*_how_sure(site), *evidence),
        remedies=_REMEDIES[cause.slug],
    )


def _is_flattened(site: SiteReading, when: slice) -> bool:
    """Whether of most units' inputs most lie where the function is flat, at one end or the other.

    Such a layer passes little gradient though no unit stays at one end.
    """
    if len(site.function.flat) != 2 or not len(site.series.samples):
        return False
    share = site.flattened(when)
    return bool(share.size and np.isfinite(share).all() and np.median(share) >= FLATTENED)


def _flattened(reading: Reading, site: SiteReading) -> Finding:
    samples = range(len(site.series.samples))
    first = next((at for at in samples if _is_flattened(site, slice(at, at + 1))), 0)
    early, late = site.flattened(slice(0, 1)), site.flattened(site.recent)
    spread = float(np.median(site.series.std[site.recent]))
    raw = scale(reading, site.layer) if site.layer is not None else None
    text = (
        f"{percent(float(np.median(late)))} of what reaches {site.function.name} in {site.label} "
        f"lies where it is flat: the inputs to the function spread by {number(spread)}"
    )
    step = int(site.steps[first])
    brisk = _brisk_until(site, first)
    if raw is not None and raw.fault is not None:
        cause, evidence = _fed(site, raw, raw.fault)
    elif np.median(early) >= BORN * np.median(late):
        cause, evidence = Cause("born-dead", f"{text}, and did so from the first step on."), ()
    elif brisk is not None and brisk >= BRISK:
        text += f", since step {step}; steps until then changed weights by {percent(brisk)}."
        cause = Cause("killed-by-step", text)
        evidence = (Evidence("update-ratio", brisk, "share", step),)
    else:
        cause, evidence = Cause("drifted", f"{text}, since step {step}."), ()
    if reading.stalled:
        severity = Severity.ERROR
    else:
        severity = Severity.NOTE if reading.progress.learnt else Severity.WARNING
    return Finding(
        slug=SATURATED.slug,
        severity=severity,
        layer=site.label,
        units=site.named(late >= FLATTENED),
        first_step=step,
        cause=cause,
        evidence=(
            Evidence("flat", float(np.median(late)), "share"),
            Evidence("std", spread),
            *evidence,
        ),
        remedies=_REMEDIES[cause.slug],
    )


def _brisk_until(site: SiteReading, sample: int) -> float | None:
    """The largest of the layer's median update ratios before a sample of the site's series."""
    if site.rows is None:
        return None
    early = site.rows.update[site.rows.samples < site.series.samples[sample]]
    known = early[np.isfinite(early).any(axis=1)]
    return float(np.nanmedian(known, axis=1).max()) if known.size else None


# -- how much it matters --------------------------------------------------------------------


def _severity(reading: Reading, site: SiteReading, root: SiteReading | None) -> Severity:
    """By consequence: what is left of the layer, and whether the run learns all the same."""
    share = site.stuck.share
    if root is not None:
        # A symptom: the layer comes back when the one before it does.
        return Severity.NOTE
    if share < (HALF if reading.stalled else MOST):
        return Severity.NOTE
    if _passed_by(reading, site):
        # What flows around the layer keeps the rest of the network learning.
        return Severity.WARNING if share >= NEARLY_ALL or reading.stalled else Severity.NOTE
    if share >= NEARLY_ALL or reading.stalled:
        return Severity.ERROR
    return Severity.WARNING


def _passed_by(reading: Reading, site: SiteReading) -> bool:
    """Whether the gradient reaches the layers before it by another way, as a skip connection."""
    if site.stuck.share < 1:
        return _branches(reading, site)
    for other in reading.before(site):
        back = other.series.gradient_out[other.recent]
        if bool(np.any(back > 0)):
            return True
    return False


def _branches(reading: Reading, site: SiteReading) -> bool:
    """Whether a site that reaches this layer also reaches another one beyond it."""
    before = {at.index for other in reading.before(site) for at in other.sites}
    own = {at.index for at in site.sites}
    after = [layer for layer in reading.run.layers if own.intersection(layer.inputs)]
    return any(before.intersection(layer.inputs) for layer in after)


def _how_sure(site: SiteReading) -> tuple[Evidence, ...]:
    deaths = site.stuck
    inputs = int(deaths.inputs[deaths.dead].min())
    count = len(site.series.samples)
    silent = np.arange(count)[:, None] >= deaths.since[None, deaths.dead]
    high = np.where(silent, site.series.high[:, deaths.dead], -np.inf).max(axis=0)
    square = np.where(silent, site.series.std[:, deaths.dead] ** 2, 0).sum(axis=0)
    spread = np.sqrt(square / silent.sum(axis=0))
    margin = np.where(spread > 0, high / spread, np.nan)
    found = [
        Evidence("silent-for", inputs, "inputs"),
        Evidence("firing-rate-below", float(firing_bound(np.array(inputs))), "share"),
    ]
    if np.isfinite(margin).any():
        value = float(np.median(margin[np.isfinite(margin)]))
        found.append(Evidence("margin", value, "standard deviations"))
    return tuple(found)


# -- why --------------------------------------------------------------------------------------


def _silent_input(reading: Reading, site: SiteReading) -> SiteReading | None:
    """The dead layer that makes this one's input constant, the furthest back of them."""
    silent = [other for other in reading.before(site) if other.stuck.share == 1]
    if not silent or len(silent) < len(reading.before(site)):
        return None
    other = silent[0]
    if int(other.stuck.since.max()) > int(site.stuck.since[site.stuck.dead].max()):
        # It fell silent only after this one did.
        return None
    return _silent_input(reading, other) or other


def _killing(reading: Reading, site: SiteReading) -> Killing | None:
    """What killed most of the units that died, if it was outsized steps and no slow drift."""
    deaths = site.stuck
    died = deaths.dead & (deaths.since > 0)
    if not died.any():
        return None
    steps = site.steps
    times = np.sort(deaths.since[died])
    half = (len(times) + 1) // 2
    ends = times[half - 1 :]
    begins = times[: len(ends)]
    shortest = int(np.argmin(steps[ends] - steps[begins - 1]))
    begin, end = int(begins[shortest]), int(ends[shortest])
    first, last = int(steps[begin - 1]), max(int(steps[end]) - 1, int(steps[begin - 1]))
    together = last - first < max(TOGETHER_STEPS, TOGETHER_SHARE * steps[-1])
    units = died & (deaths.since >= begin) & (deaths.since <= end)
    killing = Killing(begin, end, first, last, units)
    updates = _updates(site, killing)
    brisk = updates is not None and updates[0] >= BRISK
    jolted = float(np.median(_jolt(site, deaths.since)[units])) >= JOLT
    raised = _rise(reading, site, killing)
    kills = brisk or (jolted and together) or (raised is not None and raised[1] >= RISE * raised[0])
    return killing if kills else None


def _rise(reading: Reading, site: SiteReading, killing: Killing) -> tuple[float, float] | None:
    """The learning rate before the units died, and the highest while they did."""
    last = len(site.series.samples) - 1
    samples = [reading.run.samples[at] for at in site.series.samples]
    before = samples[max(killing.begin - 2, 0)].rate
    rates = [at.rate for at in samples[killing.begin - 1 : min(killing.end, last) + 1]]
    known = [rate for rate in rates if rate is not None]
    return (before, max(known)) if before and known else None


def _jolt(site: SiteReading, since: Ints) -> Floats:
    """How far each unit's mean fell at its death, in its standard deviations before, (U,)."""
    series = site.series
    steps = site.steps
    units = np.arange(len(since))
    after = np.clip(since, 1, len(series.samples) - 1)
    spread = np.maximum(series.std[after - 1, units], 1e-12)
    fall = series.mean[after - 1, units] - series.mean[after, units]
    # Over many steps small moves add up, if they have no common direction, as their root.
    return np.asarray(fall / spread / np.sqrt(np.maximum(steps[after] - steps[after - 1], 1)))


def _fed(site: SiteReading, raw: Scale, fault: str) -> tuple[Cause, tuple[Evidence, ...]]:
    """The layer's own input is the data, and not such as a layer is made for."""
    text = f"What {site.label} is fed is not normalised: {fault}."
    return Cause("input-scale", text), (Evidence("mean", raw.mean), Evidence("std", raw.std))


def _upstream(root: SiteReading) -> tuple[Cause, tuple[Evidence, ...]]:
    return (
        Cause(
            "upstream-dead",
            f"Its input no longer changes, because every unit of {root.label} is dead.",
        ),
        (Evidence("dead-upstream", root.stuck.count, f"units of {root.label}"),),
    )


def _killed(
    reading: Reading, site: SiteReading, killing: Killing
) -> tuple[Cause, tuple[Evidence, ...]]:
    count, dead = int(killing.units.sum()), site.stuck.count
    when = (
        f"The update of step {killing.first}"
        if killing.first == killing.last
        else f"The updates of steps {killing.first} to {killing.last}"
    )
    before, after = killing.begin - 1, min(killing.end, len(site.series.samples) - 1)
    start = float(np.median(site.series.mean[before, killing.units]))
    end = float(np.median(site.series.mean[after, killing.units]))
    evidence = [
        Evidence("killed", count, "units", killing.first),
        Evidence("mean-before", start, "", int(site.steps[before])),
        Evidence("mean-after", end, "", int(site.steps[after])),
    ]
    text = f"{when} killed {count} of the {dead}: the input to the function fell from "
    text += f"{number(start)} to {number(end)}"
    updates = _updates(site, killing)
    if updates is not None:
        here, usual = updates
        evidence.append(Evidence("update-ratio", here, "share", killing.first))
        text += f", their weights changed by {percent(here)} in the step that killed them"
        if usual is not None:
            evidence.append(Evidence("update-ratio-before", usual, "share"))
            text += f" (before: {percent(usual)})"
    raised = _rise(reading, site, killing)
    if raised is not None and raised[1] >= RISE * raised[0]:
        evidence.append(Evidence("learning-rate", raised[1], "", killing.first))
        text += f"; the learning rate had risen from {number(raised[0])} to {number(raised[1])}"
    for name, position in (("loss-before", before), ("loss-after", after)):
        sample = reading.run.samples[site.series.samples[position]]
        if sample.loss is not None:
            evidence.append(Evidence(name, sample.loss, "", sample.step))
    return Cause("killed-by-step", text + "."), tuple(evidence)


def _updates(site: SiteReading, killing: Killing) -> tuple[float, float | None] | None:
    """The killed units' update ratio in the step that killed each, and the median before."""
    if site.rows is None:
        return None
    at = np.searchsorted(site.rows.samples, site.series.samples)
    died = np.flatnonzero(killing.units)
    last_fired = at[site.stuck.since[died] - 1]
    rows = site.rows.update.astype(np.float64)
    then = rows[np.minimum(last_fired, len(rows) - 1), died]
    earlier = rows[: int(at[killing.begin - 1]), died]
    if not np.isfinite(then).any():
        return None
    usual = float(np.nanmedian(earlier)) if np.isfinite(earlier).any() else None
    return float(np.nanmedian(then)), usual


def _born(site: SiteReading) -> tuple[Cause, tuple[Evidence, ...]]:
    born = site.stuck.born
    mean = float(np.median(site.series.mean[0, born]))
    spread = float(np.median(site.series.std[0, born]))
    step = int(site.steps[0])
    evidence = [
        Evidence("mean", mean, "", step),
        Evidence("std", spread, "", step),
    ]
    text = (
        f"{plural(int(born.sum()), 'unit')} never fired, from the first step on: the input to "
        f"the function began at {number(mean)} with a standard deviation of {number(spread)}"
    )
    bias = site.rows.bias[0, born] if site.rows is not None else np.array([np.nan])
    if np.isfinite(bias).any():
        value = float(np.nanmedian(bias))
        evidence.append(Evidence("bias", value, "initial", step))
        # Without the bias, would the mean still lie below zero by more than its spread?
        if value < 0 and mean - value > mean / 2:
            text += f", and the bias alone is {number(value)}"
    return Cause("born-dead", text + "."), tuple(evidence)


def _drifted(site: SiteReading) -> tuple[Cause, tuple[Evidence, ...]]:
    deaths, series = site.stuck, site.series
    died = deaths.dead & (deaths.since > 0)
    first = int(site.steps[deaths.since[died].min()])
    last = int(site.steps[deaths.since[died].max()])
    start = float(np.median(series.mean[0, died]))
    end = float(np.median(series.mean[-1, died]))
    when = f"at step {first}" if first == last else f"one by one, from step {first} to {last}"
    text = (
        f"They fell silent {when}: the input to the function drifted from {number(start)} to "
        f"{number(end)}"
    )
    evidence = [
        Evidence("mean-before", start, "", int(site.steps[0])),
        Evidence("mean-after", end, "", int(site.steps[-1])),
    ]
    if site.rows is not None and np.isfinite(site.rows.bias[:, died]).any():
        moved = float(np.nanmedian(site.rows.bias[-1, died] - site.rows.bias[0, died]))
        evidence.append(Evidence("bias-change", moved, "", int(site.steps[-1])))
        text += f", the bias by {number(moved)}"
    return Cause("drifted", text + "."), tuple(evidence)


_LEAK = Remedy("leak", "use a leaky rectifier (slope 0.01): its derivative is never zero")
_SLOWER = Remedy("slow-down", "lower the learning rate, or warm it up over the first steps")
_REMEDIES = {
    "input-scale": (
        Remedy("normalise-input", "bring each feature to zero mean and unit variance"),
        _LEAK,
    ),
    "born-dead": (
        Remedy("rescale", "start from He initialisation with zero biases, on normalised inputs"),
        _LEAK,
    ),
    "killed-by-step": (
        _SLOWER,
        Remedy("clip", "clip the gradient norm (torch.nn.utils.clip_grad_norm_)"),
        _LEAK,
    ),
    "drifted": (_SLOWER, _LEAK),
    "upstream-dead": (Remedy("upstream", "bring the layer before it back first"),),
}

DEAD = Rule("dead-units", dead, samples=2)
SATURATED = Rule("saturated-units", saturated, samples=2)
