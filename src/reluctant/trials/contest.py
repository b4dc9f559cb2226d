"""Runs a script with several activation functions, as a race (see `racing`), and says what came.

The state is on disk: each run has a note of how it ended, so that after a kill at any moment the
same command goes on from there, and comes to the same.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from zlib import crc32

from reluctant.errors import FixedSeed, ScriptFails
from reluctant.record.comparison import Direction
from reluctant.record.contest import BASELINE
from reluctant.record.reader import load
from reluctant.trials.attempt import Attempt, Attempts
from reluctant.trials.compare import Told
from reluctant.trials.metric import Asked, Figure, Metric
from reluctant.trials.places import replaced, swaps
from reluctant.trials.racing import Race
from reluctant.words import duration

# A candidate that fails so often gets no more seeds.
FAILURES = 2

# A run may take so many times as long as the longest of the script as it stands, and so many
# seconds at least.
TIMES, LEAST = 5.0, 60.0

# With --tune-lr: by what learning rates are multiplied, and with how many seeds, none of which is
# used again.
FACTORS = (1 / 3, 1.0, 3.0)
TUNING = 2

_OVER = "over.txt"


@dataclass
class Entry:
    """One that takes part: its options of `reluctant run`, and its runs by seed."""

    name: str
    options: tuple[str, ...] = ()
    attempts: dict[int, Attempt] = field(default_factory=dict)
    stopped: str | None = None
    factor: float = 1.0

    @property
    def arm(self) -> str:
        """A name for its folders."""
        plain = re.sub(r"[^\w.-]+", "-", self.name)[:40]
        return plain if plain == self.name else f"{plain}-{crc32(self.name.encode()):08x}"

    @property
    def failures(self) -> int:
        """How many of its runs did not come to their end."""
        return sum(at.failure is not None for at in self.attempts.values())


@dataclass
class ContestRunner:
    """One comparison, while it runs.

    `seeds` begin with `first`. `budget` is how many seconds it may take, `limit` how many a run
    may. `at` are the sites where candidates stand; none for all between layers. `tell` is given a
    sentence at the end of each run.
    """

    attempts: Attempts
    names: tuple[str, ...]
    asked: Asked
    seeds: int
    first: int = 0
    jobs: int = 1
    budget: float | None = None
    limit: float | None = None
    at: tuple[str, ...] = ()
    tune: bool = False
    tell: Callable[[str], None] = print
    baseline: Entry = field(default_factory=lambda: Entry(BASELINE))
    candidates: list[Entry] = field(default_factory=list)
    same: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    metric: Metric | None = None
    late: bool = False
    _began: float = field(default_factory=perf_counter)
    _begun: set[tuple[str, int]] = field(default_factory=set)
    _tried: list[Entry] = field(default_factory=list)
    _figures: dict[Path, Figure | None] = field(default_factory=dict)

    def run(self) -> None:
        """Run all; on Ctrl-C, end what runs and keep what has ended.

        Raises:
            ScriptFails: the script fails as it stands.
            NoMetric: there is nothing to compare by.
            FixedSeed: it does the same with all seeds.
            OtherTrial: the folder is another command's.
        """
        self.attempts.plan.claim(
            self.attempts.home,
            activations=self.names,
            metric=self.asked.text,
            direction=self.asked.direction,
            seeds=[self.first, self.seeds],
            at=self.at,
            tune=self.tune,
        )
        self.late = self._over.exists()
        try:
            self._pilot()
            self._find_out_a_fixed_seed()
            if self.tune:
                self._tune()
            self._work(self._next)
        except BaseException:
            self.attempts.processes.stop()
            raise
        if self.late:
            # What was said when the time had run out was the last word: a second one, after more
            # seeds, would be a second chance to be wrong.
            self._over.touch()

    @property
    def _over(self) -> Path:
        return self.attempts.home / _OVER

    @property
    def all_seeds(self) -> range:
        """Those of the race."""
        return range(self.first, self.first + self.seeds)

    # -- before the race ---------------------------------------------------------------------

    def _pilot(self) -> None:
        """The script as it stands, once: what fails in it fails now, and what is met is known."""
        known = self.attempts.known(self.baseline.arm, self.first)
        if known is not None and known.failure is not None:
            self.attempts.forget(known)
        pilot = self._attempt(self.baseline, self.first)
        if pilot is None:
            return
        if pilot.failure is not None:
            raise ScriptFails(
                f"{self.attempts.plan.script} {pilot.failure} as it stands, so nothing was "
                f"compared. It said:\n{pilot.tail}",
                "Once `python` runs it to its end, so will this.",
            )
        self.metric = self.asked.metric(pilot)
        self.replaced = replaced(load(pilot.path), self.at)
        entries = [Entry(name, swaps(name, self.replaced)) for name in self.names]
        self.same = tuple(at.name for at in entries if not at.options)
        where = [part for site in self.at for part in ("--at", site)]
        self.candidates = [Entry(at.name, (*at.options, *where)) for at in entries if at.options]

    def _find_out_a_fixed_seed(self) -> None:
        first = self.baseline.attempts.get(self.first)
        second = self._attempt(self.baseline, self.first + 1) if self.seeds > 1 else None
        if first is None or second is None or first.outcome is None or second.outcome is None:
            return
        losses = first.outcome.is_like(second.outcome)
        if losses or (not first.outcome.losses and first.said == second.said):
            raise FixedSeed(
                f"{self.attempts.plan.script} does the same with the seeds {self.first} and "
                f"{self.first + 1}, to the last bit: it sets its own seed.",
                "Say how it takes one as an argument, as --seed-arg '--seed {}', or have it set "
                "none.",
            )

    def _tune(self) -> None:
        """Give each its own learning rate: the best of a few, with seeds that the race has not."""
        seeds = range(self.all_seeds.stop, self.all_seeds.stop + TUNING)
        tried = self._tried = [
            Entry(f"{entry.name} at {factor:.2g} lr", (*entry.options, "--rate", repr(factor)))
            for entry in (self.baseline, *self.candidates)
            for factor in FACTORS
        ]
        waiting = iter([(entry, seed) for seed in seeds for entry in tried])
        self._work(lambda: next(waiting, None))
        told = self._told_of([self._value(at, seed) for at in tried for seed in seeds])
        for place, entry in enumerate((self.baseline, *self.candidates)):
            own = tried[place * len(FACTORS) : (place + 1) * len(FACTORS)]
            means = {at.name: _mean(told([self._value(at, s) for s in seeds])) for at in own}
            best = min(
                range(len(own)),
                key=lambda which: (self._loss(means[own[which].name]), FACTORS[which] != 1),
            )
            entry.factor = FACTORS[best]
            if entry.factor != 1:
                entry.options = own[best].options
                entry.attempts.clear()

    def _loss(self, mean: float | None) -> float:
        if mean is None:
            return float("inf")
        return -mean if self.direction == "high" else mean

    # -- the race ----------------------------------------------------------------------------

    def _next(self) -> tuple[Entry, int] | None:
        """What is to run now: seed for seed, the baseline first, whoever is still in the race."""
        racing = [at for at in self.candidates if at.stopped is None]
        if not racing:
            return None
        for seed in self.all_seeds:
            for entry in (self.baseline, *racing):
                if (entry.name, seed) in self._begun:
                    continue
                known = self.attempts.known(self._arm(entry), seed)
                if known is None and not self._in_time(entry):
                    self.late = True
                    return None
                self._begun.add((entry.name, seed))
                return entry, seed
        return None

    def _in_time(self, entry: Entry) -> bool:
        if self.late:
            return False
        if self.budget is None:
            return True
        usual = self._usual(entry) or 0.0
        return perf_counter() - self._began + usual <= self.budget

    def _work(self, take: Callable[[], tuple[Entry, int] | None]) -> None:
        """Run what there is to take, several at a time."""
        running: dict[Future[Attempt | None], Entry] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    while len(running) < self.jobs and (task := take()) is not None:
                        running[pool.submit(self._attempt, *task)] = task[0]
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                        self._stop_the_lost(running.pop(future))
            except BaseException:
                self.attempts.processes.stop()
                raise

    def _attempt(self, entry: Entry, seed: int) -> Attempt | None:
        new = self.attempts.known(self._arm(entry), seed) is None
        attempt = self.attempts.make(self._arm(entry), seed, entry.options, self._limit())
        if attempt is None:
            return None
        entry.attempts[seed] = attempt
        if new:
            failure = f", {attempt.failure}" if attempt.failure else ""
            left = self._left()
            took = duration(attempt.ending.seconds)
            self.tell(f"{entry.name}, seed {seed}: {took}{failure}{left}")
        return attempt

    def _arm(self, entry: Entry) -> str:
        return entry.arm if entry.factor == 1 else f"{entry.arm}-tuned"

    def _limit(self) -> float | None:
        if self.limit is not None:
            return self.limit
        took = [at.ending.seconds for at in self.baseline.attempts.values() if at.failure is None]
        return max(LEAST, TIMES * self.jobs * max(took)) if took else None

    def _usual(self, *entries: Entry) -> float | None:
        took = [at.ending.seconds for one in entries for at in one.attempts.values()]
        return median(took) if took else self._usual(self.baseline) if entries else None

    def _left(self) -> str:
        """A phrase for the time that is left, if nobody drops out."""
        racing = [at for at in self.candidates if at.stopped is None]
        usual = self._usual(self.baseline, *racing)
        if not racing or usual is None:
            return ""
        runs = sum(
            seed not in entry.attempts
            for entry in (self.baseline, *racing)
            for seed in self.all_seeds
        )
        runs += sum(TUNING - len(entry.attempts) for entry in self._tried)
        left = usual * runs / self.jobs
        if self.budget is not None:
            left = min(left, max(0.0, self.budget - (perf_counter() - self._began)))
        return f"; {duration(left)} left at most"

    def _stop_the_lost(self, entry: Entry) -> None:
        for at in self.candidates if entry is self.baseline else [entry]:
            if at.stopped is not None or at not in self.candidates:
                continue
            differences, _ = self.pairs(at)
            if at.failures >= FAILURES:
                at.stopped = f"stopped after {at.failures} runs that failed"
            elif self.race.lost(differences):
                at.stopped = f"stopped after {len(differences)} seeds, with hardly a chance left"

    # -- what came of it ---------------------------------------------------------------------

    @property
    def direction(self) -> Direction:
        """Which values are the better."""
        return self.metric.direction if self.metric is not None else "low"

    @property
    def race(self) -> Race:
        """The rules."""
        digits = [
            figure.resolution
            for entry in (self.baseline, *self.candidates)
            for at in entry.attempts.values()
            if (figure := self._figure(at)) is not None
        ]
        return Race(
            max(1, len(self.candidates)), self.seeds, self.direction, max(digits, default=0.0)
        )

    def _value(self, entry: Entry, seed: int) -> float | None:
        attempt = entry.attempts.get(seed)
        figure = None if attempt is None else self._figure(attempt)
        return None if figure is None else figure.value

    def _figure(self, attempt: Attempt) -> Figure | None:
        """Read once: it may be in a long output."""
        if attempt.path not in self._figures:
            known = None if self.metric is None or attempt.failure else self.metric.read(attempt)
            self._figures[attempt.path] = known
        return self._figures[attempt.path]

    def values(self, entry: Entry) -> list[float | None]:
        """With each seed of the race; None where there is none."""
        return [self._value(entry, seed) for seed in self.all_seeds]

    def _told_of(self, values: Sequence[float | None]) -> Told:
        firsts = self.baseline.attempts.values() if self._is_loss else ()
        began = [at.outcome.first for at in firsts if at.outcome is not None]
        return Told.of(self.direction, values, began)

    @property
    def _is_loss(self) -> bool:
        return self.metric is not None and self.metric.source == "loss"

    def pairs(self, entry: Entry) -> tuple[list[float], list[float]]:
        """Differences to the baseline with each seed that both have, and the values they are of."""
        entries = (self.baseline, *self.candidates)
        told = self._told_of([at for one in entries for at in self.values(one)])
        both = zip(told(self.values(entry)), told(self.values(self.baseline)), strict=True)
        known = [(own, other) for own, other in both if own is not None and other is not None]
        return [own - other for own, other in known], [own for own, _ in known]

    def failed(self) -> Iterator[tuple[Entry, Attempt, str]]:
        """Runs that came to no number, and why."""
        for entry in (self.baseline, *self.candidates):
            for _, at in sorted(entry.attempts.items()):
                if at.failure is not None:
                    yield entry, at, at.failure
                elif self.metric is not None and self._figure(at) is None:
                    yield entry, at, f"shows no {self.metric.name}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [at for at in values if at is not None]
    return fmean(known) if known else None
