"""Before a race: to each its own learning rate, with seeds that the race does not use."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from reluctant.trials.standing import Entry, Standing

# By what learning rates are multiplied, and with how many seeds.
FACTORS = (1 / 3, 1.0, 3.0)
SEEDS = 2


def best(losses: Mapping[float, float]) -> float:
    """The factor with the least loss; between equals, the script's own rate."""
    return min(losses, key=lambda at: (losses[at], at != 1))


@dataclass
class Tuning:
    """All entrants at all rates: one entry for each of both."""

    seeds: range
    tried: dict[tuple[str, float], Entry]
    _taken: int = 0

    @classmethod
    def of(cls, standing: Standing) -> "Tuning":
        """Of these, with the seeds that follow theirs."""
        stop = standing.seeds.stop
        tried = {
            (entry.name, factor): Entry(
                f"{entry.name} at {factor:.2g} lr", (*entry.options, "--pace", repr(factor))
            )
            for entry in standing.entries
            for factor in FACTORS
        }
        return cls(range(stop, stop + SEEDS), tried)

    def take(self) -> tuple[Entry, int] | None:
        """The next to be run; None if all have been."""
        entries = list(self.tried.values())
        if self._taken == len(entries) * SEEDS:
            return None
        turn, place = divmod(self._taken, len(entries))
        self._taken += 1
        return entries[place], self.seeds[turn]

    @property
    def left(self) -> int:
        """How many runs have not ended."""
        return sum(SEEDS - len(entry.attempts) for entry in self.tried.values())

    def settle(self, standing: Standing) -> None:
        """Have each run at its best rate from now on."""
        values = [standing.value(at, seed) for at in self.tried.values() for seed in self.seeds]
        told = standing.told(values)
        for entry in standing.entries:
            losses = {}
            for factor in FACTORS:
                mean = standing.mean(self.tried[entry.name, factor], self.seeds, told)
                losses[factor] = inf if mean is None else standing.sign * -mean
            entry.factor = best(losses)
            if entry.factor != 1:
                entry.options = self.tried[entry.name, entry.factor].options
                entry.attempts.clear()
