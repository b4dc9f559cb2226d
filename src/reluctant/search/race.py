"""Which function gets another run: most are given up after one seed, the best get more.

Successive halving without waiting (Li et al. 2020, arXiv 1810.05934, algorithm 2): the seeds of a
search are its fidelity. Values are kept as losses: the lower the better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import fmean

from reluctant.record.comparison import Direction
from reluctant.search.job import Entry
from reluctant.trials.metric import loss

# How many seeds a function has been run with at the end of each rung, and how many of those who
# ended one go on to the next: one in so many.
RUNGS = (1, 3)
SHARE = 4


@dataclass
class Standing:
    """What came of one function so far: values by seed; `lost` if a run of it failed."""

    values: dict[int, float] = field(default_factory=dict)
    running: int = 0
    lost: bool = False

    @property
    def seeds(self) -> int:
        """With how many it was run to an end."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Of its values; infinite where a run failed."""
        return inf if self.lost or not self.values else fmean(self.values.values())


@dataclass(frozen=True)
class Race:
    """All functions that were tried, by their text."""

    standings: Mapping[str, Standing]

    @classmethod
    def of(cls, entries: Iterable[Entry], direction: Direction = "low") -> "Race":
        """From the jobs of a search, whose results are the better the higher, or the lower."""
        found: dict[str, Standing] = {}
        entries = list(entries)
        followed = {at.again for at in entries}
        for at in entries:
            if at.job.stage != "search" or at.job.function is None or at.number in followed:
                continue
            standing = found.setdefault(at.job.function, Standing())
            if at.result.value is not None:
                standing.values[at.job.seed] = loss(at.result.value, direction)
            elif at.state == "failed":
                standing.lost = True
            else:
                standing.running += 1
        return cls(found)

    def promoted(self) -> tuple[str, int] | None:
        """The function that has earned another run, and its seed; None if none has."""
        for before, after in reversed(list(pairwise(RUNGS))):
            ended = [at for at, one in self.standings.items() if one.seeds >= before or one.lost]
            best = sorted(ended, key=lambda at: self._upto(at, before))[: len(ended) // SHARE]
            for name in best:
                one = self.standings[name]
                if not one.lost and one.seeds + one.running < after:
                    return name, one.seeds + one.running
        return None

    def _upto(self, name: str, seeds: int) -> float:
        """The mean of the first seeds, which all who ended that rung have."""
        one = self.standings[name]
        values = [value for seed, value in one.values.items() if seed < seeds]
        return inf if one.lost or not values else fmean(values)

    @property
    def ranking(self) -> tuple[str, ...]:
        """Those that came to something, the best first: the more seeds the more it counts."""
        good = [name for name, at in self.standings.items() if at.mean < inf]
        return tuple(sorted(good, key=self._order))

    def _order(self, name: str) -> tuple[int, float]:
        one = self.standings[name]
        return -max((rung for rung in RUNGS if rung <= one.seeds), default=0), one.mean

    @property
    def scores(self) -> dict[str, float]:
        """By what a surrogate learns: the ranking turned round, and minus infinity for the lost."""
        ranked = {name: float(-place) for place, name in enumerate(self.ranking)}
        return ranked | {name: -inf for name, at in self.standings.items() if at.lost}

    @property
    def waiting(self) -> tuple[str, ...]:
        """Functions of which nothing is known yet."""
        return tuple(
            name for name, at in self.standings.items() if at.running and not (at.values or at.lost)
        )
