"""From what paired runs came to, to a comparison: pure, and of no run in particular.

Runs with the same seed share their data, and mostly their fate: what differs between two arms is
told by the differences within pairs, with a ninth of the seeds that unpaired runs take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, inf, pi, sin, sqrt, tan
from statistics import fmean, stdev

from reluctant.record.comparison import Candidate, Comparison, Direction, Verdict

# Of the interval, and the chance with which a difference of the detectable size is shown.
CONFIDENCE = 0.95
POWER = 0.8

# Beyond this a number is as good as infinite, and its square is.
LARGEST = 1e100

Values = Sequence[float | None]


def compare(
    metric: str,
    direction: Direction,
    baseline: tuple[str, Values],
    candidates: Mapping[str, Values],
    resolution: float = 0.0,
    others: Values = (),
) -> Comparison:
    """Hold each candidate against the baseline, seed by seed.

    Args:
        metric: its name.
        direction: which values are better.
        baseline: its name, and its value with each seed; None where there is none.
        candidates: by name, their values with the same seeds.
        resolution: what the metric is rounded to: where pairs differ by less than that, they are
            not alike for sure.
        others: values that runs had on their way, as where they began.

    A run that came to nothing finite counts as the worst of all values, so that two of them are
    alike, and one is no better than its partner.
    """
    name, reference = baseline
    told = Told.of(direction, reference, *candidates.values(), others)
    reference = told(reference)
    return Comparison(
        metric,
        direction,
        name,
        _mean(reference),
        tuple(
            _candidate(name, direction, reference, told(values), resolution)
            for name, values in candidates.items()
        ),
    )


@dataclass(frozen=True)
class Told:
    """Takes what is not finite for the worst of all values."""

    worst: float

    @classmethod
    def of(cls, direction: Direction, *all_values: Values) -> "Told":
        """With the worst of these."""
        known = (at for values in all_values for at in values if at is not None)
        finite = (at for at in known if abs(at) <= LARGEST)
        return cls((max if direction == "low" else min)(finite, default=0.0))

    def __call__(self, values: Values) -> list[float | None]:
        """The same values, all finite."""
        return [at if at is None or abs(at) <= LARGEST else self.worst for at in values]


def _candidate(
    name: str, direction: Direction, reference: Values, values: Values, resolution: float
) -> Candidate:
    each = paired(values, reference)
    differences = [at for at in each if at is not None]
    n, difference = len(differences), _mean(differences)
    mean = _mean([own for own, at in zip(values, each, strict=True) if at is not None])
    if difference is None or n < 2:
        verdict: Verdict = "no difference shown"
        return Candidate(name, n, mean, difference, None, None, verdict, None, each)
    error, freedom = spread(differences, resolution) / sqrt(n), n - 1
    reach = quantile((1 + CONFIDENCE) / 2, freedom)
    low, high = difference - reach * error, difference + reach * error
    if low <= 0 <= high:
        verdict = "no difference shown"
    else:
        verdict = "better" if (difference > 0) == (direction == "high") else "worse"
    detectable = (reach + quantile(POWER, freedom)) * error
    return Candidate(name, n, mean, difference, low, high, verdict, detectable, each)


def paired(values: Values, reference: Values) -> tuple[float | None, ...]:
    """Their differences, seed by seed; None where either is."""
    return tuple(
        None if own is None or other is None else own - other
        for own, other in zip(values, reference, strict=True)
    )


def spread(differences: Sequence[float], resolution: float) -> float:
    """The standard deviation of two differences or more, between what is rounded to so much."""
    # What is rounded is wrong by up to half of its last digit, which its spread need not show:
    # each of a pair by a variance of a twelfth of its square (Sheppard 1898).
    return sqrt(stdev(differences) ** 2 + (resolution**2 / 6 if any(differences) else 0))


def _mean(values: Values) -> float | None:
    known = [at for at in values if at is not None]
    return fmean(known) if known else None


# An interval by exchanging signs would need no normal distribution, but it is without bounds below
# six pairs, which are many runs of a whole training. Student's has its 95 % from two pairs on, if
# the differences are normal; and if they are skewed, somewhat less.
@lru_cache
def quantile(share: float, freedom: int) -> float:
    """Below which a variable of Student's distribution lies with a probability of 0.5 to 1.

    Its probabilities are finite sums where the degrees of freedom are a whole number (Abramowitz
    and Stegun 1964, 26.7.3 and 26.7.4), so that halving needs neither a table nor scipy.
    """
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < 2 * share - 1:
            low = middle
        else:
            high = middle
    return sqrt(freedom) * tan(low) if low < pi / 2 else inf


def probability(value: float, freedom: int) -> float:
    """With which a variable of Student's distribution lies below a value."""
    return (1 + _within(atan(value / sqrt(freedom)), freedom)) / 2


def _within(angle: float, freedom: int) -> float:
    """The probability between -t and t, where t is sqrt(freedom) tan(angle)."""
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for at in range(2 + odd, freedom - 1, 2):
        term *= cos(angle) ** 2 * (at - 1) / at
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
