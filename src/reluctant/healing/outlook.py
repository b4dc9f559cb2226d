"""What is to be expected of a run as it goes on: pure functions of its losses so far."""

from collections.abc import Sequence
from math import exp, inf, isfinite, log
from statistics import fmean, median

from reluctant.diagnosis.progress import FALL, LEARNT, Progress
from reluctant.record.run import Run

# A loss that is higher by no more than this share is not worse.
WORSE = 0.05

# A rate below this share of its highest has decayed.
DECAYED = 0.1

# What is expected may be better than a line through the logarithms says by so many of the
# standard errors of its slope.
ERRORS = 1.0


def untaught(run: Run) -> bool:
    """Whether nothing would be lost if the network began anew: it has not learnt, nor is about to.

    A loss that begins far above what a constant answer costs may fall by much before anything is
    learnt. If it goes on as it does, will it be below that in as long again?
    """
    progress = Progress(run)
    if progress.learnt or (progress.skill is not None and progress.skill > 1 - LEARNT):
        return False
    known = [(at.step, at.loss) for at in run.samples if at.loss is not None]
    if len(known) < 3 or not all(isfinite(loss) for _, loss in known):
        return True
    first = median(loss for _, loss in known[:3])
    low = median(loss for _, loss in known[-max(3, len(known) // 5) :])
    if progress.excess is None or progress.excess <= 1 + FALL or low <= 0:
        constant = first if progress.excess is None else min(first, low / progress.excess)
        return low > constant - FALL * abs(constant)
    return expected(known, 2 * known[-1][0]) > (1 - FALL) * low / progress.excess


def has_decayed(run: Run) -> bool:
    """Whether the script has lowered its learning rate to a small part of what it was."""
    rates = [at.rate for at in run.samples if at.rate is not None]
    return bool(rates) and rates[-1] < DECAYED * max(rates)


def expected(known: Sequence[tuple[int, float]], step: int) -> float:
    """The least loss that may be expected at a step, from the later half of those known so far.

    By a straight line through the logarithms of positive losses, and the more favourable slope.
    """
    half = known[-1][0] / 2
    late = [(at, log(loss)) for at, loss in known if at >= half and loss > 0]
    late = late if len(late) >= 4 else [(at, log(loss)) for at, loss in known if loss > 0][-6:]
    if len(late) < 3:
        return inf
    middle, level = fmean(at for at, _ in late), fmean(value for _, value in late)
    width = sum((at - middle) ** 2 for at, _ in late)
    if width == 0:
        return inf
    slope = sum((at - middle) * value for at, value in late) / width
    misses = sum((value - level - slope * (at - middle)) ** 2 for at, value in late)
    error = (misses / (len(late) - 2) / width) ** 0.5
    return exp(min(level + (slope - ERRORS * error) * (step - middle), 700.0))


def limit(losses: Sequence[float]) -> float:
    """The highest loss that is no worse than these, the last before a remedy.

    Losses come and go, as batches and tasks do: no worse is what is no higher than the highest.
    """
    if not losses or not all(map(isfinite, losses)):
        return inf
    return max(losses) + WORSE * abs(max(losses))


def reached(losses: Sequence[float]) -> float:
    """The median of the last quarter of some losses, three at least; infinite if one is not."""
    late = losses[-max(3, len(losses) // 4) :]
    return median(late) if late and all(map(isfinite, late)) else inf


def falls(losses: Sequence[float]) -> bool:
    """Whether the last quarter lies below the first third."""
    return len(losses) >= 6 and reached(losses) < median(losses[: len(losses) // 3])
