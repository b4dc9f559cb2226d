"""Whole searches on made-up losses, whose truth is known: how often a winner is none.

A loss is the function's worth, the seed's fate, which all functions share, and noise. In searches
among equals all functions are worth the same; in the others they differ as much as one run does
by chance.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from threading import Event

from reluctant.record.discovery import Discovery
from reluctant.search.job import Job, Result
from reluctant.search.ledger import Ledger
from reluctant.search.quest import Limits, Quest
from reluctant.search.training import planned
from reluctant.trials.plan import Plan

RUNS, SEEDS = 30, 5


@dataclass(frozen=True)
class World:
    """Losses without any training; `spread` is of what functions are worth."""

    number: int
    spread: float

    def worth(self, function: str | None) -> float:
        """The true mean loss of a function."""
        name = function or "relu(z)"
        return Random(f"{self.number} {name}").gauss(0, self.spread) if self.spread else 0.0

    def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
        """One run."""
        fate = Random(f"{self.number} {job.seed}").gauss(0, 3)
        noise = Random(f"{self.number} {job}").gauss(0, 1)
        facts = {"met": ["relu"], "functions": ["relu"]} if job.function is None else {}
        return Result(10 + self.worth(job.function) + fate + noise, None, 0.01, facts)


def search(world: World) -> Discovery:
    """One search."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ledger = Ledger.open(home / "journal.log", "made", planned(Plan(""), (), None))
        limits = Limits(3600, RUNS, SEEDS)
        return Quest(ledger, world, home, limits, seed=world.number).run()


def honesty(repetitions: int) -> Iterator[str]:
    """How often equals are told apart, and by how much the answer's difference is wrong."""
    for spread, name in ((0.0, "among equals"), (1.0, "among functions that differ")):
        winners, held, errors = 0, 0, []
        for number in range(repetitions):
            world = World(number, spread)
            found = search(world)
            winners += any(at.verdict == "better" for at in found.comparison.candidates)
            answer = found.comparison.of(found.found[0].function)
            truth = world.worth(answer.name) - world.worth(None)
            assert answer.difference is not None
            assert answer.low is not None
            assert answer.high is not None
            errors.append(answer.difference - truth)
            held += answer.low <= truth <= answer.high
        yield (
            f"{name}: {repetitions} searches, in {winners} a function is called better; the "
            f"answer's difference is wrong by {fmean(errors):+.3f} on average (standard error "
            f"{stdev(errors) / sqrt(len(errors)):.3f}), its interval holds the truth {held} times"
        )
