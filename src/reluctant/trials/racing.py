"""A race of candidates against a baseline: who may stop, and what may be said of whom in the end.

A candidate that has lost gets no more seeds. Its intervals hold all the same, whenever it stopped
and for all candidates together: of the error that they may make, each candidate has an equal part
(Bonferroni), which is spent along the way (see `boundary`). Those that may still win go on to the
last seed even if they have won by then, so that their difference is not the highest on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt
from statistics import fmean

from scipy.special import stdtr

from reluctant.record.comparison import Candidate, Direction, Verdict
from reluctant.trials.boundary import boundary, spending
from reluctant.trials.compare import POWER, quantile, spread

# That any candidate is called better, or worse, which is no different from the baseline: together
# 5 %. What is looked for is what is better; that a function is worse is of less use to know.
BETTER, WORSE = 0.045, 0.005

# What of it may be spent before the last seed: little, where everything is waited for; half, where
# candidates stop on the way.
EARLY_BETTER, EARLY_WORSE = 0.1, 0.5

# A candidate has lost once its chance to be shown better in the end is below this. The power that
# this costs, and the seeds that it saves, are in benchmarks/LOG.md.
CHANCE = 0.03
FEWEST = 3


@dataclass(frozen=True)
class Race:
    """So many candidates, and so many seeds at most; differences are candidate minus baseline.

    `resolution` is what the metric is rounded to.
    """

    candidates: int
    seeds: int
    direction: Direction
    resolution: float = 0.0

    def lost(self, differences: Sequence[float]) -> bool:
        """Whether what is still to come will hardly show the candidate to be better.

        By the predictive distribution of the mean of all seeds, given these and nothing before.
        """
        n = len(differences)
        if n < FEWEST or n >= self.seeds:
            return False
        mean, wide = self._signed(differences)
        if wide == 0:
            return mean <= 0
        needed = self._last[0] * wide / sqrt(self.seeds)
        ahead = (mean - needed) / (wide * sqrt(1 / n - 1 / self.seeds))
        return float(stdtr(n - 1, ahead)) < CHANCE

    def judge(
        self,
        name: str,
        differences: Sequence[float],
        mean: float | None,
        last: bool,
        reached: int | None = None,
    ) -> Candidate:
        """What is shown of a candidate.

        Args:
            name: the candidate's.
            differences: with each seed that both have.
            mean: of its values with these seeds.
            last: whether nothing more is to come, for a reason that is none of its doing: the last
                seed was reached, or the time has run out.
            reached: how many seeds there were, where the time has run out before the last.
        """
        n = len(differences)
        if n < 2:
            difference = differences[0] if n else None
            nothing: Verdict = "no difference shown"
            return Candidate(name, n, mean, difference, None, None, nothing, None)
        ahead, wide = self._signed(differences)
        error = wide / sqrt(n)
        win, lose = self._bounds(n, last)
        least, most = ahead - _times(win, error), ahead + _times(lose, error)
        could = self._detectable(wide, max(2, reached or self.seeds))
        verdict: Verdict = "better" if least > 0 else "worse" if most < 0 else "no difference shown"
        low, high = (least, most) if self.direction == "high" else (-most, -least)
        difference = fmean(differences)
        return Candidate(name, n, mean, difference, _known(low), _known(high), verdict, could)

    def _detectable(self, wide: float, seeds: int) -> float:
        """The difference that is shown four times in five, where pairs spread so widely."""
        win, _ = self._bounds(seeds, last=True)
        return _times(win + quantile(POWER, seeds - 1), wide / sqrt(seeds))

    def _signed(self, differences: Sequence[float]) -> tuple[float, float]:
        """How far it is ahead, and how widely that spreads."""
        sign = 1 if self.direction == "high" else -1
        return sign * fmean(differences), spread(differences, self.resolution)

    @cached_property
    def _last(self) -> tuple[float, float]:
        return self._bounds(self.seeds, last=True)

    def _bounds(self, n: int, last: bool) -> tuple[float, float]:
        """What t has to exceed to win, and to lose."""
        errors = ((BETTER, EARLY_BETTER), (WORSE, EARLY_WORSE))
        plans = (
            spending(error / self.candidates, early, self.seeds, n, last) for error, early in errors
        )
        win, lose = (boundary(tuple(plan))[-1] for plan in plans)
        return win, lose


def _known(bound: float) -> float | None:
    return bound if abs(bound) < inf else None


def _times(factor: float, error: float) -> float:
    """Where nothing spreads, nothing is uncertain."""
    return 0.0 if error == 0 else factor * error if factor < inf else inf
