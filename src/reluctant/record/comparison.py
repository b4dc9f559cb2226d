"""What paired runs say of some candidates against a baseline, by one metric."""

from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["high", "low"]
Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class Candidate:
    """One that was held against the baseline, by `n` pairs of runs that had a seed in common.

    `difference` is the mean of candidate minus baseline, and lies between `low` and `high` with a
    confidence of 95 %; `detectable` is the size of a true difference that so many pairs as spread
    as these show four times in five. None where there are too few pairs to tell: of means none at
    all, of the rest fewer than two. `differences` are those of the single pairs, in the order of
    their seeds, and None for a seed that makes none; two candidates that differ in nothing else
    come to the same.
    """

    name: str
    n: int
    mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    detectable: float | None
    differences: tuple[float | None, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Comparison:
    """Candidates against a baseline; `direction` says which values of the metric are the better."""

    metric: str
    direction: Direction
    baseline: str
    baseline_mean: float | None
    candidates: tuple[Candidate, ...]

    @property
    def detectable(self) -> float | None:
        """The largest of the candidates': what any of them had its chance to show."""
        known = [at.detectable for at in self.candidates if at.detectable is not None]
        return max(known, default=None)

    def of(self, name: str) -> Candidate:
        """The candidate of this name."""
        return next(at for at in self.candidates if at.name == name)
