"""Layers whose squashing function is fed beyond both of its ends: flat, though no unit is stuck."""

import numpy as np

from reluctant.diagnosis.causes import BRISK, REMEDIES, fed
from reluctant.diagnosis.reading import Reading, SiteReading
from reluctant.diagnosis.scale import scale
from reluctant.record.finding import Cause, Evidence, Finding, Severity
from reluctant.words import number, percent

# Of a squashing function's inputs so many on its flat ends are more than a sound initialisation
# or a trained layer puts there: of tanh's standard normal inputs under one in a hundred lie beyond
# three, and at three fifths they spread so far that the slope in between hardly matters.
FLATTENED = 0.6

# A layer that began with most of what it ends with was born so.
BORN = 0.5


def is_flattened(site: SiteReading, when: slice) -> bool:
    """Whether of most units' inputs most lie where the function is flat, at one end or the other.

    Such a layer passes little gradient though no unit stays at one end.
    """
    if len(site.function.flat) != 2 or not len(site.series.samples):
        return False
    share = site.flattened(when)
    return bool(share.size and np.isfinite(share).all() and np.median(share) >= FLATTENED)


def finding(reading: Reading, site: SiteReading, slug: str) -> Finding:
    """What is said of a layer that `is_flattened`."""
    samples = range(len(site.series.samples))
    first = next((at for at in samples if is_flattened(site, slice(at, at + 1))), 0)
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
        cause, evidence = fed(site, raw, raw.fault)
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
        slug=slug,
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
        remedies=REMEDIES[cause.slug],
    )


def _brisk_until(site: SiteReading, sample: int) -> float | None:
    """The largest of the layer's median update ratios before a sample of the site's series."""
    if site.rows is None:
        return None
    before = int(np.count_nonzero(site.rows.samples < site.series.samples[sample]))
    early = site.rows.update[:before]
    known = early[np.isfinite(early).any(axis=1)]
    return float(np.nanmedian(known, axis=1).max()) if known.size else None
