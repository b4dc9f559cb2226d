"""Runs what is not there yet of a trial: each seed untreated, treated and with a placebo."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock

from reluctant.errors import ReluctantError
from reluctant.record.progress import Progress
from reluctant.record.trial import ARMS, PLACEBO, TREATED, UNTREATED
from reluctant.trials.jobs import Jobs, is_over
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import Plan, place

# All arms get what one that is treated does.
BUDGET = 0.05


@dataclass
class Runner:
    """Runs what is not there yet, several at a time.

    `tell` is given a sentence at the end of each run, `show` how far all is. `failures` are exit
    codes by arm and seed; `worth` are the seeds that tell something of their own: one, where the
    script is `fixed` to its.
    """

    plan: Plan
    home: Path
    seeds: int
    jobs: int
    tell: Callable[[str], None]
    show: Callable[[Progress], None] = lambda at: None
    failures: dict[tuple[str, int], int] = field(default_factory=dict)
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    worth: list[int] = field(default_factory=list)
    fixed: bool = False
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Run all; on Ctrl-C, end what runs and keep what has ended."""
        self.plan.claim(self.home)
        seeds = range(self.seeds)
        jobs = Jobs(self.jobs, self.tell, self.show, expected=len(ARMS) * self.seeds)
        jobs.each(partial(self._one, jobs, UNTREATED, seed) for seed in seeds)
        plain = [at for at in (self.outcomes.get((UNTREATED, s)) for s in seeds) if at]
        self.fixed = len(plain) > 1 and all(at.is_like(plain[0]) for at in plain[1:])
        # All pairs would be the same one.
        self.worth = [at.seed for at in plain][: 1 if self.fixed else None]
        jobs.skip((len(ARMS) - 1) * (self.seeds - len(self.worth)))
        jobs.each(partial(self._treat, jobs, seed) for seed in self.worth)

    def _treat(self, jobs: Jobs, seed: int) -> None:
        self._one(jobs, TREATED, seed)
        treated = self.outcomes.get((TREATED, seed))
        if treated is not None and treated.touched:
            self._one(jobs, PLACEBO, seed)
            return
        jobs.skip()
        if treated is not None:
            # Where nothing was done, to do it to no purpose is that very run.
            self.outcomes[PLACEBO, seed] = replace(treated, arm=PLACEBO)

    def _one(self, jobs: Jobs, arm: str, seed: int) -> None:
        """A run, unless it has ended well before."""
        path, code = place(self.home, arm, seed), 0
        if is_over(path):
            jobs.skip()
        else:
            command = self.plan.command(path, seed, self._options(arm, seed))
            ended = jobs.run(path, command, f"{arm}, seed {seed}")
            if ended is None:
                return
            code = ended
        if code == 0:
            # One at a time: what a diagnosis does to warnings is for all threads.
            with suppress(ReluctantError), self._lock:
                self.outcomes[arm, seed] = Outcome.of(arm, seed, path)
                return
        self.failures[arm, seed] = code

    def _options(self, arm: str, seed: int) -> list[str]:
        """What `run` is told besides."""
        treatment = {
            UNTREATED: [],
            TREATED: ["--heal=auto"],
            PLACEBO: ["--heal-placebo", str(place(self.home, TREATED, seed))],
        }
        return ["--budget", str(BUDGET), *treatment[arm]]
