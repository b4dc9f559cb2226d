"""`plateau`: the loss does not fall, although gradients flow and nothing else was found."""

from collections.abc import Iterator

import numpy as np

from reluctant.diagnosis.progress import FEW_STEPS
from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.words import number


def examine(reading: Reading) -> Iterator[Finding]:
    """At most one finding, about the run as a whole."""
    if reading.progress.steps < FEW_STEPS:
        return
    progress = reading.progress
    first, last = progress.first, progress.last
    if not reading.stalled or first is None or last is None or not _gradients_flow(reading):
        return
    evidence = [Evidence("loss-first", first), Evidence("loss-last", last)]
    text = f"The loss went from {number(first)} to {number(last)}, although gradients flow"
    if progress.worthless and progress.excess is not None:
        evidence.append(Evidence("loss-by-constant", progress.excess, "of a constant answer's"))
        text += "; one and the same answer to every input would do as well"
    yield Finding(
        slug=RULE.slug,
        severity=Severity.WARNING,
        layer=None,
        units=None,
        first_step=reading.run.samples[0].step,
        cause=Cause("flat-loss", text + "."),
        evidence=tuple(evidence),
        remedies=(
            Remedy("data", "check that inputs and targets belong together, and can be learnt"),
            Remedy("faster", "try learning rates from a tenth to ten times this one"),
        ),
    )


def _gradients_flow(reading: Reading) -> bool:
    """Whether any layer's weights still get gradients at the end."""
    for layer in reading.run.layers:
        rows = reading.layer(layer)
        if rows is not None and bool(np.any(rows.gradient[-1] > 0)):
            return True
    return False


RULE = Rule("plateau", examine, samples=3, unexplained=True)
