"""Runs a script at one rate after another, each time in a process of its own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

from reluctant.errors import ReluctantError
from reluctant.record.sweep import Attempt
from reluctant.trials import ladder
from reluctant.trials.jobs import Jobs, is_over
from reluctant.trials.plan import Plan, place
from reluctant.trials.short import attempt
from reluctant.trials.tried import Tried
from reluctant.words import number


@dataclass
class Sweeper:
    """Runs at each rate what is not there yet, several at a time; `tell` hears of each run.

    Unless it `keeps` them, records are removed once they are read: every step is in them.
    """

    plan: Plan
    home: Path
    tried: Tried
    jobs: int
    tell: Callable[[str], None]
    keeps: bool = True
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Run until there is no more to be learnt; on Ctrl-C, end what runs and keep the rest.

        Raises:
            NothingSwept: the script tells that there is nothing to be swept.
        """
        self.plan.claim(self.home)
        jobs = Jobs(self.jobs, self.tell)
        while rungs := self.tried.next():
            # Whatever is wrong with the script is found out by one run, and said once.
            seeds = range(self.tried.seeds if self.tried.begun else 1)
            jobs.each(partial(self._one, jobs, rung, seed) for rung in rungs for seed in seeds)
            self.tried.check()

    def _one(self, jobs: Jobs, rung: int, seed: int) -> None:
        if (rung, seed) in self.tried.attempts:
            return
        factor = ladder.factor(rung)
        path, code = place(self.home, f"x{number(factor)}", seed), 0
        if not is_over(path):
            command = self.plan.command(path, seed, ["--pace", repr(factor)])
            ended = jobs.run(path, command, f"{number(factor)} times the rate, seed {seed}")
            if ended is None:
                return
            code = ended
        with self._lock:
            try:
                self.tried.attempts[rung, seed] = attempt(factor, seed, path, code)
            except ReluctantError:
                self.tried.attempts[rung, seed] = Attempt(factor, seed, str(path), code or 1, 0)
            if not self.keeps:
                shutil.rmtree(path, ignore_errors=True)
