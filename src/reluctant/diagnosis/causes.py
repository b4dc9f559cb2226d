"""Why the units of a layer stay where their function is flat: what was done to them, and when."""

from dataclasses import dataclass

import numpy as np

from reluctant.diagnosis.median import median
from reluctant.diagnosis.reading import Ints, Mask, Reading, SiteReading
from reluctant.diagnosis.scale import NORMALISE_INPUT, Scale, scale
from reluctant.record.columns import Column, histories, stretches
from reluctant.record.finding import Cause, Evidence, Remedy
from reluctant.record.run import Floats
from reluctant.words import number, percent, plural

# A step that moves a unit's mean pre-activation by its own standard deviation or more is no
# drift: an ordinary step moves it by a hundredth.
JOLT = 1.0

# Nor is one that changes a unit's weights by a hundredth: a thousandth is usual, and a hundred
# such steps make another unit of it.
BRISK = 0.01

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


def why(
    reading: Reading, site: SiteReading, root: SiteReading | None
) -> tuple[Cause, tuple[Evidence, ...], int]:
    """The cause, what is known of it, and the sample of the site's series since when.

    Args:
        reading: of the run.
        site: one with units stuck where its function is flat.
        root: its `silent_input`.
    """
    deaths = site.stuck
    first = int(deaths.since[deaths.dead].min())
    raw = scale(reading, site.layer) if site.layer is not None else None
    if root is not None:
        cause, evidence = _upstream(root)
    elif raw is not None and raw.fault is not None:
        cause, evidence = fed(site, raw, raw.fault)
    elif deaths.born.sum() * 2 >= deaths.count:
        cause, evidence = _born(site)
    elif (killing := _killing(reading, site)) is not None:
        cause, evidence = _killed(reading, site, killing)
        first = killing.begin
    else:
        cause, evidence = _drifted(site)
    return cause, evidence, min(first, len(site.series.samples) - 1)


def silent_input(
    reading: Reading, site: SiteReading, after: tuple[SiteReading, ...] = ()
) -> SiteReading | None:
    """The dead layer that makes this one's input constant, the furthest back of them.

    Not one of those `after` it: a layer whose weight is used again may stand before itself.
    """
    silent = [other for other in reading.before(site) if other.stuck.share == 1]
    if not silent or len(silent) < len(reading.before(site)):
        return None
    other = silent[0]
    if other is site or any(other is at for at in after):
        return None
    if int(other.stuck.since.max()) > int(site.stuck.since[site.stuck.dead].max()):
        # It fell silent only after this one did.
        return None
    return silent_input(reading, other, (site, *after)) or other


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
    jolted = float(np.median(_jolt(site, np.flatnonzero(units)))) >= JOLT
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


def _jolt(site: SiteReading, units: Ints) -> Floats:
    """How far the mean of each of these fell at its death, in its standard deviations before."""
    series, steps, found = site.series, site.steps, []
    for some, (mean, std) in histories(units, series.mean, series.std):
        after = np.clip(site.stuck.since[some], 1, len(series.samples) - 1)
        at = np.arange(len(some))
        spread = np.maximum(std[after - 1, at], 1e-12)
        fall = mean[after - 1, at] - mean[after, at]
        # Over many steps small moves add up, if they have no common direction, as their root.
        root = np.sqrt(np.maximum(steps[after] - steps[after - 1], 1))
        found.append(np.asarray(fall / spread / root))
    return np.concatenate(found)


def fed(site: SiteReading, raw: Scale, fault: str) -> tuple[Cause, tuple[Evidence, ...]]:
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
    start = float(np.median(site.series.mean[before][killing.units]))
    end = float(np.median(site.series.mean[after][killing.units]))
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
    last = len(site.rows.samples) - 1
    then, earlier = [], []
    for some, (update,) in histories(died, site.rows.update):
        last_fired = np.minimum(at[site.stuck.since[some] - 1], last)
        then.append(update[last_fired, np.arange(len(some))])
        early = update[: int(at[killing.begin - 1])]
        earlier.append(early[~np.isnan(early)])
    if not any(np.isfinite(found).any() for found in then):
        return None
    here = float(np.nanmedian(np.concatenate(then).astype(np.float64)))
    known = np.concatenate(earlier)
    if not np.isfinite(known).any():
        return here, None
    return here, median(known, np.float64)


def _born(site: SiteReading) -> tuple[Cause, tuple[Evidence, ...]]:
    born = site.stuck.born
    mean = float(np.median(site.series.mean[0][born]))
    spread = float(np.median(site.series.std[0][born]))
    step = int(site.steps[0])
    evidence = [
        Evidence("mean", mean, "", step),
        Evidence("std", spread, "", step),
    ]
    text = (
        f"{plural(int(born.sum()), 'unit')} never fired, from the first step on: the input to "
        f"the function began at {number(mean)} with a standard deviation of {number(spread)}"
    )
    bias = site.rows.bias[0][born] if site.rows is not None else np.array([np.nan])
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
    start = float(np.median(series.mean[0][died]))
    end = float(np.median(series.mean[-1][died]))
    when = f"at step {first}" if first == last else f"one by one, from step {first} to {last}"
    text = (
        f"They fell silent {when}: the input to the function drifted from {number(start)} to "
        f"{number(end)}"
    )
    evidence = [
        Evidence("mean-before", start, "", int(site.steps[0])),
        Evidence("mean-after", end, "", int(site.steps[-1])),
    ]
    if site.rows is not None and _any_finite(site.rows.bias, died):
        moved = float(np.nanmedian(site.rows.bias[-1][died] - site.rows.bias[0][died]))
        evidence.append(Evidence("bias-change", moved, "", int(site.steps[-1])))
        text += f", the bias by {number(moved)}"
    return Cause("drifted", text + "."), tuple(evidence)


def _any_finite(column: Column, units: Mask) -> bool:
    return any(np.isfinite(column[at][:, units]).any() for at in stretches(column))


_LEAK = Remedy("leak", "use a leaky rectifier (slope 0.01): its derivative is never zero")
_SLOWER = Remedy("slow-down", "lower the learning rate, or warm it up over the first steps")
REMEDIES = {
    "input-scale": (NORMALISE_INPUT, _LEAK),
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
