"""Runs a script with several activation functions, as a race (see `racing`), and says what came.

The state is on disk: each run has a note of how it ended, so that after a kill at any moment the
same command goes on from there, and comes to the same.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from reluctant.errors import FixedSeed, ScriptFails
from reluctant.record.progress import Progress
from reluctant.record.reader import load
from reluctant.trials.attempt import Attempt, Attempts, patience
from reluctant.trials.metric import Asked
from reluctant.trials.places import replaced, swaps
from reluctant.trials.standing import Entry, Standing
from reluctant.trials.tuning import FACTORS, SEEDS, Tuning
from reluctant.words import duration, plural

# A candidate that fails so often gets no more seeds.
FAILURES = 2

# A run may take so many times as long as the longest of the script as it stands.
TIMES = 5.0

_OVER = "over.txt"


@dataclass
class ContestRunner:
    """One comparison, while it runs: of these candidates, with these seeds.

    `budget` is how many seconds it may take, `limit` how many a run may. `at` are the sites where
    candidates stand; none for all between layers. `tell` is given a sentence at the end of each
    run, `show` how far all is when one begins or ends.
    """

    attempts: Attempts
    names: tuple[str, ...]
    asked: Asked
    seeds: range
    jobs: int = 1
    budget: float | None = None
    limit: float | None = None
    at: tuple[str, ...] = ()
    tune: bool = False
    tell: Callable[[str], None] = print
    show: Callable[[Progress], None] = lambda at: None
    standing: Standing = field(init=False)
    same: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    late: bool = False
    _began: float = field(default_factory=perf_counter)
    _begun: set[tuple[str, int]] = field(default_factory=set)
    _running: dict[tuple[str, int], str] = field(default_factory=dict)
    _ended: set[tuple[str, int]] = field(default_factory=set)
    _tuning: Tuning | None = None

    def __post_init__(self) -> None:
        self.standing = Standing(self.seeds)

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
            seeds=[self.seeds.start, self.seeds.stop],
            at=self.at,
            tune=self.tune,
        )
        self.late = self._over.exists()
        try:
            self._pilot()
            self._find_out_a_fixed_seed()
            if self.tune:
                self._tuning = Tuning.of(self.standing)
                self._work(self._tuning.take)
                self._tuning.settle(self.standing)
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

    # -- before the race ---------------------------------------------------------------------

    def _pilot(self) -> None:
        """The script as it stands, once: what fails in it fails now, and what is met is known."""
        known = self.attempts.known(self.standing.baseline.arm, self.seeds[0])
        if known is not None and known.failure is not None:
            self.attempts.forget(known)
        pilot = self._attempt(self.standing.baseline, self.seeds[0])
        if pilot is None:
            return
        if pilot.failure is not None:
            raise ScriptFails(
                f"{self.attempts.plan.script} {pilot.failure} as it stands, so nothing was "
                f"compared. It said:\n{pilot.tail}",
                "Once `python` runs it to its end, so will this.",
            )
        self.standing.metric = self.asked.metric(pilot)
        self.replaced = replaced(load(pilot.path), self.at)
        entries = [Entry(name, swaps(name, self.replaced)) for name in self.names]
        self.same = tuple(at.name for at in entries if not at.options)
        where = [part for site in self.at for part in ("--at", site)]
        differ = [at for at in entries if at.options]
        self.standing.candidates = [Entry(at.name, (*at.options, *where)) for at in differ]

    def _find_out_a_fixed_seed(self) -> None:
        if not self.standing.candidates:
            return
        pair = [self._attempt(self.standing.baseline, seed) for seed in self.seeds[:2]]
        first, second = pair[0], pair[-1]
        if first is None or second is None or first.outcome is None or second.outcome is None:
            return
        losses = first.outcome.is_like(second.outcome)
        if losses or (not first.outcome.losses and first.said == second.said):
            raise FixedSeed(
                f"{self.attempts.plan.script} does the same with the seeds {first.seed} and "
                f"{second.seed}, to the last bit: it sets its own seed.",
                "Say how it takes one as an argument, as --seed-arg '--seed {}', or have it set "
                "none.",
            )

    # -- the race ----------------------------------------------------------------------------

    def _next(self) -> tuple[Entry, int] | None:
        """What is to run now: seed for seed, the baseline first, whoever is still in the race."""
        if not self._racing:
            return None
        for seed in self.seeds:
            for entry in (self.standing.baseline, *self._racing):
                if (entry.name, seed) in self._begun:
                    continue
                known = self.attempts.known(entry.arm, seed)
                if known is None and not self._in_time(entry):
                    self.late = True
                    continue
                self._begun.add((entry.name, seed))
                return entry, seed
        return None

    def _in_time(self, entry: Entry) -> bool:
        if self.late:
            return False
        if self.budget is None:
            return True
        usual = self._usual(entry) or self._usual(self.standing.baseline) or 0.0
        return perf_counter() - self._began + usual <= self.budget

    def _work(self, take: Callable[[], tuple[Entry, int] | None]) -> None:
        """Run what there is to take, several at a time."""
        running: dict[Future[Attempt | None], tuple[Entry, bool]] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    while len(running) < self.jobs and (task := take()) is not None:
                        call, new = self._call(*task)
                        running[pool.submit(call)] = (task[0], new)
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._keep(*running.pop(future), future.result())
            except BaseException:
                self.attempts.processes.stop()
                raise

    def _attempt(self, entry: Entry, seed: int) -> Attempt | None:
        call, new = self._call(entry, seed)
        attempt = call()
        self._keep(entry, new, attempt)
        return attempt

    def _call(self, entry: Entry, seed: int) -> tuple[Callable[[], Attempt | None], bool]:
        """What makes a run, in any thread, and whether that is to be a new one."""
        new = self.attempts.known(entry.arm, seed) is None
        if new:
            self._running[entry.name, seed] = f"{entry.name}, seed {seed}"
            self.show(self._progress)
        return partial(self.attempts.make, entry.arm, seed, entry.options, self._limit()), new

    def _keep(self, entry: Entry, new: bool, attempt: Attempt | None) -> None:
        """Take note of a run that has ended, in the one thread that looks at all of them."""
        if attempt is None:
            return
        self._ended.add((entry.arm, attempt.seed))
        self._running.pop((entry.name, attempt.seed), None)
        entry.attempts[attempt.seed] = attempt
        if new:
            failure = f", {attempt.failure}" if attempt.failure else ""
            took = duration(attempt.ending.seconds)
            self.tell(f"{entry.name}, seed {attempt.seed}: {took}{failure}{self._left()}")
        self._stop_the_lost(entry)
        self.show(self._progress)

    def _limit(self) -> float | None:
        if self.limit is not None:
            return self.limit
        took = [
            at.ending.seconds
            for at in self.standing.baseline.attempts.values()
            if at.failure is None
        ]
        return patience(took, TIMES * self.jobs)

    def _usual(self, *entries: Entry) -> float | None:
        took = [at.ending.seconds for one in entries for at in one.attempts.values()]
        return median(took) if took else None

    # -- how far it is -----------------------------------------------------------------------

    @property
    def _progress(self) -> Progress:
        running, ended = tuple(self._running.values()), len(self._ended)
        return Progress(running, ended, ended + self._to_come, self._seconds_left)

    @property
    def _racing(self) -> list[Entry]:
        return [at for at in self.standing.candidates if at.stopped is None]

    @property
    def _to_come(self) -> int:
        """How many runs have not ended, if nobody drops out."""
        standing, entrants = self.standing, 1 + len(self.names)
        tuning = len(FACTORS) * SEEDS * entrants if self.tune else 0
        if self._tuning is not None:
            tuning = self._tuning.left
        if standing.metric is None:
            return entrants * len(self.seeds) + tuning - len(standing.baseline.attempts)
        if self.late or not self._racing:
            return len(self._running)
        entries = (standing.baseline, *self._racing)
        return sum(seed not in at.attempts for at in entries for seed in self.seeds) + tuning

    @property
    def _seconds_left(self) -> float | None:
        """At most; None as long as nothing has ended."""
        usual = self._usual(self.standing.baseline, *self._racing)
        left = [] if usual is None else [usual * self._to_come / self.jobs]
        if self.budget is not None:
            left.append(max(0.0, self.budget - (perf_counter() - self._began)))
        return min(left, default=None)

    def _left(self) -> str:
        """A phrase for the time that is left, if nobody drops out."""
        left = self._seconds_left
        return f"; {duration(left)} left at most" if self._racing and left is not None else ""

    def _stop_the_lost(self, ended: Entry) -> None:
        """See who has lost by what has ended: a run of the baseline makes a pair with each."""
        standing = self.standing
        for entry in standing.candidates:
            if entry.stopped is None and ended in (entry, standing.baseline):
                differences, _ = standing.pairs(entry)
                if entry.failures >= FAILURES:
                    entry.stopped = f"stopped after {entry.failures} runs that failed"
                elif standing.race.lost(differences):
                    seeds = plural(len(differences), "seed")
                    entry.stopped = f"stopped after {seeds}, hardly to be shown better any more"
