"""What steps do to weights, and a loss that shows it.

`learning-rate-too-high` and `-too-low`, and `exploding-gradient` where single batches throw it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from reluctant.diagnosis.progress import FEW_STEPS
from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.rule import Rule
from reluctant.record.columns import stretches
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Layer, LayerSeries
from reluctant.words import number, percent

# A thousandth a step is usual, a hundredth brisk. A step that changes a row by a third of its
# length leaves little of what the row had learnt.
OUTSIZED = 0.3


class Largest(NamedTuple):
    """The largest median update ratio of a layer."""

    value: float
    layer: str
    step: int
    share: float  # of the samples in which that layer's ratio was outsized
    again: bool  # whether it was so in more than one


class Outlier(NamedTuple):
    """A step whose batch's loss was many times that of its neighbours."""

    step: int
    loss: float
    before: float
    after: float
    ratio: float  # of its update


CLIP = Remedy("clip", "clip the gradient norm (torch.nn.utils.clip_grad_norm_)")

# Weights that have gone no further than this share of their size, were all steps in one direction,
# are still those of the initialisation: what is learnt shows in tenths.
UNMOVED = 0.03

# So much of a run are its early steps.
EARLY = 0.25

# A loss that has fallen by more than this share of itself has been learnt from all the same.
FELL = 0.5

# One that was so many times that of the start had to be learnt down again.
THROWN = 10.0


def too_high(reading: Reading) -> Iterator[Finding]:
    """Outsized updates alone are no fault; with a loss that rises, or falls little, they are."""
    largest = _largest(reading)
    severity = None if largest is None else _harm(reading, largest)
    if largest is None or severity is None or _outlier(reading, largest) is not None:
        return
    rates = [sample.rate for sample in reading.run.samples if sample.step == largest.step]
    evidence = [
        Evidence("update-ratio", largest.value, "share", largest.step),
        Evidence("outsized-in", largest.share, "share"),
        *_losses(reading),
    ]
    rose = ""
    if _is_thrown(reading):
        rose = f" by way of {number(evidence[-1].value)}"
    at_rate = ""
    if rates and rates[0] is not None:
        evidence.append(Evidence("learning-rate", rates[0], "", largest.step))
        at_rate = f" at a learning rate of {number(rates[0])}"
    first, last = (number(at.value) for at in _losses(reading)[:2])
    yield Finding(
        slug=TOO_HIGH.slug,
        severity=severity,
        layer=largest.layer,
        units=None,
        first_step=largest.step,
        cause=Cause(
            "outsized-update",
            f"Step {largest.step} changed the weights of {largest.layer} by "
            f"{percent(largest.value)}{at_rate}, and the loss went from {first} to {last}{rose}.",
        ),
        evidence=tuple(evidence),
        remedies=(
            Remedy("slow-down", "lower the learning rate tenfold, or warm it up"),
            CLIP,
        ),
    )


def outlier_batch(reading: Reading) -> Iterator[Finding]:
    """A batch whose loss is many times that of its neighbours, and whose step is outsized.

    The rate is right for all others: lowered, it only spreads over more steps what this one does.
    """
    largest = _largest(reading)
    severity = None if largest is None else _harm(reading, largest)
    outlier = None if largest is None else _outlier(reading, largest)
    if largest is None or severity is None or outlier is None:
        return
    yield Finding(
        slug="exploding-gradient",
        severity=severity,
        layer=largest.layer,
        units=None,
        first_step=outlier.step,
        cause=Cause(
            "outlier-batch",
            f"The loss of the batch of step {outlier.step} was {number(outlier.loss)}, where the "
            f"step before had {number(outlier.before)} and the one after {number(outlier.after)}; "
            f"its gradient changed the weights of {largest.layer} by {percent(outlier.ratio)}.",
        ),
        evidence=(
            Evidence("loss-of-batch", outlier.loss, "", outlier.step),
            Evidence("loss-before", outlier.before, "", outlier.step - 1),
            Evidence("loss-after", outlier.after, "", outlier.step + 1),
            Evidence("update-ratio", outlier.ratio, "share", outlier.step),
            Evidence("outsized-in", largest.share, "share"),
            *_losses(reading),
        ),
        remedies=(
            Remedy("data", "look for inputs or targets in that batch that are far from all others"),
            CLIP,
            Remedy("robust-loss", "use a loss that grows slower with the error (nn.HuberLoss)"),
        ),
    )


def _harm(reading: Reading, largest: Largest) -> Severity | None:
    """How bad it is that steps were outsized; None if it is not, or cannot be told."""
    progress = reading.progress
    if largest.value < OUTSIZED or progress.first is None or progress.last is None:
        return None
    if reading.stalled:
        return Severity.ERROR
    fall = progress.fall
    # Once is no rate: Adam's first step goes as far as it can, whatever the gradient.
    poor = largest.again and reading.stalled is False and fall is not None and fall < FELL
    harmed = (_is_thrown(reading) or poor) and not progress.learnt
    if harmed:
        return Severity.WARNING
    # Nothing has been learnt yet, and that may be why.
    return Severity.NOTE if reading.stalled is None and largest.again else None


def _is_thrown(reading: Reading) -> bool:
    """Whether the loss was once many times what it was at first."""
    first, peak = reading.progress.first, reading.progress.peak
    return first is not None and peak is not None and peak > THROWN * abs(first)


def _losses(reading: Reading) -> list[Evidence]:
    """The first and the last loss, and the highest if it was thrown there."""
    first, last, peak = reading.progress.first, reading.progress.last, reading.progress.peak
    assert first is not None
    assert last is not None
    ends = [Evidence("loss-first", first), Evidence("loss-last", last)]
    if peak is not None and _is_thrown(reading):
        ends.append(Evidence("loss-highest", peak))
    return ends


def _outlier(reading: Reading, largest: Largest) -> Outlier | None:
    """The first step that was outsized for its batch's sake; None if some were for the rate's.

    A loss is taken before its step and shows what the steps before it did. One that is thrown
    between two that are not, with no outsized step before it, is its own batch's doing. That
    takes three steps one after another; of steps apart from each other it is not known.
    """
    layer = next(at for at in reading.run.layers if at.name == largest.layer)
    rows = reading.layer(layer)
    assert rows is not None
    known, ratios = reading.ratios(layer)
    ratio = dict(zip(rows.samples[known].tolist(), ratios.tolist(), strict=True))
    losses = reading.run.losses
    usual = THROWN * abs(float(np.median(losses[np.isfinite(losses)])))
    found: Outlier | None = None
    for at, size in ratio.items():
        if size < OUTSIZED or at == len(losses) - 1:
            continue
        steps = reading.run.steps[max(at - 1, 0) : at + 2]
        if at and steps[2] - steps[0] > 2:
            continue
        before, loss, after = losses[[max(at - 1, 0), at, at + 1]].tolist()
        alone = max(before, after) <= usual < loss
        if not alone or ratio.get(at - 1, 0.0) >= OUTSIZED:
            return None
        found = found or Outlier(int(steps[1]), loss, before, after, size)
    return found


def _largest(reading: Reading) -> Largest | None:
    found: Largest | None = None
    for layer in reading.run.layers:
        rows = reading.layer(layer)
        # A median is outsized only if some ratio is: most layers need no sorting.
        if rows is None or not _any_outsized(rows):
            continue
        known, ratios = reading.ratios(layer)
        if not ratios.size:
            continue
        at = int(np.argmax(ratios))
        if found is None or ratios[at] > found.value:
            step = reading.run.samples[rows.samples[known][at]].step
            outsized = ratios >= OUTSIZED
            share, again = float(np.mean(outsized)), int(outsized.sum()) > 1
            found = Largest(float(ratios[at]), layer.name, step, share, again)
    return found


def _any_outsized(rows: LayerSeries) -> bool:
    return any((rows.update[at] >= OUTSIZED).any() for at in stretches(rows.update))


def too_low(reading: Reading) -> Iterator[Finding]:
    """Steps that leave all layers where they began, in a run that has not learnt."""
    progress = reading.progress
    fall, first, last = progress.fall, progress.first, progress.last
    if fall is None or first is None or last is None or progress.learnt or fall >= FELL:
        return
    if progress.stalled is None or progress.steps < FEW_STEPS:
        return
    ways = [(way, layer.name) for layer in reading.run.layers if (way := _way(reading, layer))]
    if not ways or max(ways)[0] >= UNMOVED:
        return
    furthest, layer = max(ways)
    steps = reading.run.samples[-1].step + 1
    rate = next((at.rate for at in reading.run.samples if at.rate is not None), None)
    at_rate = "" if rate is None else f" (it began at a rate of {number(rate)})"
    yield Finding(
        slug=TOO_LOW.slug,
        severity=Severity.WARNING,
        layer=None,
        units=None,
        first_step=reading.run.samples[0].step,
        cause=Cause(
            "small-updates",
            f"In the last three quarters of {steps:,} steps{at_rate} no layer went further than "
            f"{percent(furthest)} of its size ({layer}), and the loss went from {number(first)} to "
            f"{number(last)}.",
        ),
        evidence=(
            Evidence("way", furthest, "share of the weights"),
            Evidence("loss-first", first),
            Evidence("loss-last", last),
            *(() if rate is None else (Evidence("learning-rate", rate),)),
        ),
        remedies=(Remedy("speed-up", "raise the learning rate tenfold"),),
    )


def _way(reading: Reading, layer: Layer) -> float:
    """How far a layer's rows went, at most: the update ratio summed over the late steps."""
    rows = reading.layer(layer)
    if rows is None:
        return 0.0
    known, ratios = reading.ratios(layer)
    if not ratios.size:
        return 0.0
    # Between two samples, their mean: samples lie densest where steps are largest.
    steps = reading.run.steps[rows.samples][known]
    between = (ratios[1:] + ratios[:-1]) / 2 * np.diff(steps)
    # The first steps, which a rate that decays too soon leaves as they were, are not the run.
    late = steps[1:] > EARLY * reading.run.samples[-1].step
    return float(between[late].sum() + ratios[-1])


TOO_HIGH = Rule("learning-rate-too-high", too_high, samples=3)
TOO_LOW = Rule("learning-rate-too-low", too_low, samples=3)
