"""What seeds came to, as a mean and Student's interval: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, stdev

from reluctant.trials.compare import CONFIDENCE, quantile


@dataclass(frozen=True)
class Interval:
    """A mean over `n` seeds, which lies between `low` and `high` with a confidence of 95 %.

    Of one seed alone there is no interval: both are None.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    def is_above(self, limit: float) -> bool:
        """Whether all of it is."""
        return self.low is not None and self.low > limit

    def is_below(self, limit: float) -> bool:
        """Whether all of it is."""
        return self.high is not None and self.high < limit


def interval(values: Sequence[float]) -> Interval:
    """Of the mean of one value a seed."""
    mean, n = fmean(values), len(values)
    if n < 2:
        return Interval(mean, None, None, n)
    half = quantile((1 + CONFIDENCE) / 2, n - 1) * stdev(values) / sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def ratio(values: Sequence[float]) -> Interval:
    """Of the geometric mean of positive values, as ratios have it."""
    of = interval([log(value) for value in values])
    low, high = (None if at is None else exp(at) for at in (of.low, of.high))
    return Interval(exp(of.mean), low, high, of.n)
