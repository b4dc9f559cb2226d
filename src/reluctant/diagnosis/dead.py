"""`dead-units`, `saturated-units`: those that no input gets off the flat, since when, and why."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reluctant.diagnosis import causes, flattened
from reluctant.diagnosis.reading import (
    MOST,
    NEARLY_ALL,
    RARE_TOGETHER,
    Reading,
    SiteReading,
    firing_bound,
)
from reluctant.diagnosis.rule import Rule
from reluctant.record.columns import histories
from reluctant.record.finding import Evidence, Finding, Severity
from reluctant.record.run import Floats

# A layer with half of its units is a network of another width, which may learn as well: half
# are many only where the loss does not fall. Where it does, it takes `MOST`.
HALF = 0.5

# Networks that start well lose 15 to 30 % of a layer and learn all the same. With a quarter lost on
# the way, and a loss that has risen again or steps still so large that more will go, what was lost
# is the first suspect.
FADED = 0.25


def dead(reading: Reading) -> Iterator[Finding]:
    """One finding for each layer with dead units."""
    for site in reading.sites:
        if site.function.switches_off and site.function.flat:
            site = counted(reading, site)
            if site.stuck.count:
                yield _finding(reading, site, DEAD.slug)


def counted(reading: Reading, site: SiteReading) -> SiteReading:
    """The same site; where a part of it fell silent together, less silence says enough."""
    fading = replace(site, rare=RARE_TOGETHER)
    return fading if _fades(reading, fading) else site


def saturated(reading: Reading) -> Iterator[Finding]:
    """One finding for each layer with saturated units, of a function that does not switch off."""
    for site in reading.sites:
        last = all(at.last for at in site.sites)
        # A last sigmoid that is sure of its answers has learnt.
        if not site.function.flat or site.function.switches_off or last:
            continue
        if site.stuck.share < HALF and flattened.is_flattened(site, site.recent):
            yield flattened.finding(reading, site, SATURATED.slug)
        elif site.stuck.count:
            yield _finding(reading, site, SATURATED.slug)


def _finding(reading: Reading, site: SiteReading, slug: str) -> Finding:
    root = causes.silent_input(reading, site)
    cause, evidence, first = causes.why(reading, site, root)
    severity = _severity(reading, site, root)
    if severity == Severity.WARNING and _fades(reading, site) and not reading.progress.risen:
        evidence += (Evidence("living-update-ratio", _pace(site), "share"),)
    return Finding(
        slug=slug,
        severity=severity,
        layer=site.label,
        units=site.named(site.stuck.dead),
        first_step=int(site.steps[first]),
        cause=cause,
        evidence=(*_how_sure(site), *evidence),
        remedies=causes.REMEDIES[cause.slug],
    )


# -- how much it matters --------------------------------------------------------------------


def _severity(reading: Reading, site: SiteReading, root: SiteReading | None) -> Severity:
    """By consequence: what is left of the layer, and whether the run learns all the same."""
    share = site.stuck.share
    if root is not None:
        # A symptom: the layer comes back when the one before it does.
        return Severity.NOTE
    if share < (HALF if reading.stalled else MOST):
        return Severity.WARNING if _fades(reading, site) else Severity.NOTE
    if _passed_by(reading, site):
        # What flows around the layer keeps the rest of the network learning.
        return Severity.WARNING if share >= NEARLY_ALL or reading.stalled else Severity.NOTE
    if share >= NEARLY_ALL or reading.stalled:
        return Severity.ERROR
    return Severity.WARNING


def _fades(reading: Reading, site: SiteReading) -> bool:
    """Whether units stopped on the way, and the run has suffered or more are to follow."""
    if not site.function.switches_off or site.stuck.stopped < FADED:
        return False
    if reading.progress.risen:
        return True
    # Steps still change the living units by so much that they can kill.
    return _pace(site) >= causes.BRISK and not reading.progress.learnt


def _pace(site: SiteReading) -> float:
    """By which share of themselves the living units change in a step, at the end."""
    if site.rows is None:
        return 0.0
    late = site.rows.update[-len(site.steps[site.recent]) :][:, ~site.stuck.dead]
    return float(np.nanmedian(late)) if np.isfinite(late).any() else 0.0


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
    margin = _margins(site)
    found = [
        Evidence("silent-for", inputs, "inputs"),
        Evidence("firing-rate-below", float(firing_bound(np.array(inputs))), "share"),
    ]
    if np.isfinite(margin).any():
        value = float(np.median(margin[np.isfinite(margin)]))
        found.append(Evidence("margin", value, "standard deviations"))
    return tuple(found)


def _margins(site: SiteReading) -> Floats:
    """Of each dead unit the largest input that was seen in its silence, in its spreads; or NaN."""
    series, found = site.series, []
    count = len(series.samples)
    dead = np.flatnonzero(site.stuck.dead)
    for units, (high, std) in histories(dead, series.high, series.std):
        silent = np.arange(count)[:, None] >= site.stuck.since[None, units]
        highest = np.where(silent, high, -np.inf).max(axis=0)
        square = np.where(silent, std**2, 0).sum(axis=0)
        spread = np.sqrt(square / silent.sum(axis=0))
        found.append(np.where(spread > 0, highest / spread, np.nan))
    return np.concatenate(found)


DEAD = Rule("dead-units", dead, samples=2)
SATURATED = Rule("saturated-units", saturated, samples=2)
