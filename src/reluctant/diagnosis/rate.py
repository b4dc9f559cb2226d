"""`learning-rate-too-high`: steps that throw the weights about, and a loss that shows it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.words import number, percent

# Rows of any usual initialisation have a norm of order one, whatever their length. One that
# starts near zero, as the last layer of a residual branch may, has yet to grow: its ratio is
# large in any case.
GROWN = 0.1

# A thousandth a step is usual, a hundredth brisk. A step that changes a row by a third of its
# length leaves little of what the row had learnt.
OUTSIZED = 0.3


class Largest(NamedTuple):
    """The largest median update ratio of a layer."""

    value: float
    layer: str
    step: int
    share: float  # of the samples in which that layer's ratio was outsized


def examine(reading: Reading) -> Iterator[Finding]:
    """Outsized updates alone are no fault; with a loss that does not fall they are."""
    largest = _largest(reading)
    if largest is None or largest.value < OUTSIZED or not reading.stalled:
        return
    first, last = reading.loss_first, reading.loss_last
    if first is None or last is None:
        return
    rates = [sample.rate for sample in reading.run.samples if sample.step == largest.step]
    evidence = [
        Evidence("update-ratio", largest.value, "share", largest.step),
        Evidence("outsized-in", largest.share, "share"),
        Evidence("loss-first", first),
        Evidence("loss-last", last),
    ]
    at_rate = ""
    if rates and rates[0] is not None:
        evidence.append(Evidence("learning-rate", rates[0], "", largest.step))
        at_rate = f" at a learning rate of {number(rates[0])}"
    yield Finding(
        slug=RULE.slug,
        severity=Severity.ERROR,
        layer=largest.layer,
        units=None,
        first_step=largest.step,
        cause=Cause(
            "outsized-update",
            f"Step {largest.step} changed the weights of {largest.layer} by "
            f"{percent(largest.value)}{at_rate}, and the loss went from {number(first)} to "
            f"{number(last)}.",
        ),
        evidence=tuple(evidence),
        remedies=(
            Remedy("slow-down", "lower the learning rate tenfold, or warm it up"),
            Remedy("clip", "clip the gradient norm (torch.nn.utils.clip_grad_norm_)"),
        ),
    )


def _largest(reading: Reading) -> Largest | None:
    found: Largest | None = None
    for layer in reading.run.layers:
        rows = reading.layer(layer)
        if rows is None:
            continue
        update = np.where(rows.weight >= GROWN, rows.update.astype(np.float64), np.nan)
        known = np.isfinite(update).any(axis=1)
        if not known.any():
            continue
        ratios = np.nanmedian(update[known], axis=1)
        at = int(np.argmax(ratios))
        if found is None or ratios[at] > found.value:
            step = reading.run.samples[rows.samples[known][at]].step
            share = float(np.mean(ratios >= OUTSIZED))
            found = Largest(float(ratios[at]), layer.name, step, share)
    return found


RULE = Rule("learning-rate-too-high", examine, samples=3)
