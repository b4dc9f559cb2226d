"""From a record to findings: pure functions, no torch."""

import warnings
from dataclasses import replace

import numpy as np

from reluctant.diagnosis import (
    dead,
    finite,
    flow,
    gradientless,
    output,
    plateau,
    rate,
    scale,
    summary,
    symmetric,
)
from reluctant.diagnosis.limits import limits, too_few
from reluctant.diagnosis.progress import Progress
from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.treated import since
from reluctant.record.finding import Diagnosis, Finding, Severity
from reluctant.record.run import Run

# In the order of what explains what: earlier ones come first among equals.
RULES = (
    finite.RULE,
    output.RULE,
    gradientless.RULE,
    symmetric.RULE,
    scale.INPUT_SCALE,
    rate.TOO_HIGH,
    flow.VANISHING,
    dead.DEAD,
    dead.SATURATED,
    flow.EXPLODING,
    rate.TOO_LOW,
    scale.UNCENTRED_RULE,
    plateau.RULE,
)


def diagnose(run: Run) -> Diagnosis:
    """What is wrong in this run, most severe first, and how each layer stands.

    A run that was treated is judged by what followed the last remedy that was kept.
    """
    # A record may hold NaN anywhere; what a rule makes of it is the rule's business.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        part, step = since(run)
        found = _diagnose(part)
        if not step:
            return found
        told = f"Steps are counted from the last intervention, at step {step:,}."
        return replace(found, limits=(*found.limits, told), loss=Progress(run).ends)


def _diagnose(run: Run) -> Diagnosis:
    reading = Reading(run)
    found: list[tuple[tuple[int, int, int], Finding]] = []
    for order, rule in enumerate(RULES):
        explained = any(finding.severity > Severity.NOTE for _, finding in found)
        if len(run.samples) >= rule.samples and not (rule.unexplained and explained):
            for place, finding in enumerate(rule.examine(reading)):
                found.append(((-finding.severity, order, place), finding))
    found.sort(key=lambda entry: entry[0])
    findings = tuple(finding for _, finding in found)
    unasked = [rule.slug for rule in RULES if len(run.samples) < rule.samples]
    told = (*limits(run), *too_few(run, unasked))
    return Diagnosis(findings, summary.layers(reading), told, reading.progress.ends)
