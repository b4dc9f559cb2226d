"""Runs what is not there yet, in processes of their own."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

from reluctant.errors import ReluctantError
from reluctant.record import folder
from reluctant.record.trial import PLACEBO, TREATED, UNTREATED
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import BUDGET, Plan, place, said
from reluctant.trials.processes import Processes


@dataclass
class Runner:
    """Runs what is not there yet, several at a time.

    `tell` is given a sentence at the end of each run. `failures` are exit codes by arm and seed;
    `worth` are the seeds that tell something of their own: one, where the script is `fixed` to its.
    """

    plan: Plan
    home: Path
    seeds: int
    jobs: int
    tell: Callable[[str], None]
    failures: dict[tuple[str, int], int] = field(default_factory=dict)
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    worth: list[int] = field(default_factory=list)
    fixed: bool = False
    _processes: Processes = field(default_factory=Processes)
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Run all; on Ctrl-C, end what runs and keep what has ended."""
        self.plan.claim(self.home)
        seeds = range(self.seeds)
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                self._wait(pool.submit(self._one, UNTREATED, seed) for seed in seeds)
                plain = [at for at in (self.outcomes.get((UNTREATED, s)) for s in seeds) if at]
                self.fixed = len(plain) > 1 and all(at.is_like(plain[0]) for at in plain[1:])
                # All pairs would be the same one.
                self.worth = [at.seed for at in plain][: 1 if self.fixed else None]
                self._wait(pool.submit(self._treat, seed) for seed in self.worth)
            except BaseException:
                self._processes.stop()
                raise

    def _wait(self, futures: Iterable["Future[None]"]) -> None:
        for future in as_completed(list(futures)):
            future.result()

    def _treat(self, seed: int) -> None:
        self._one(TREATED, seed)
        treated = self.outcomes.get((TREATED, seed))
        if treated is None:
            return
        if treated.touched:
            self._one(PLACEBO, seed)
        else:
            # Where nothing was done, to do it to no purpose is that very run.
            self.outcomes[PLACEBO, seed] = replace(treated, arm=PLACEBO)

    def _one(self, arm: str, seed: int) -> None:
        """A run, unless it has ended well before."""
        path = place(self.home, arm, seed)
        code = 0 if _is_over(path) else self._process(arm, seed, path)
        if code is None:
            return
        if code == 0:
            # One at a time: what a diagnosis does to warnings is for all threads.
            with suppress(ReluctantError), self._lock:
                self.outcomes[arm, seed] = Outcome.of(arm, seed, path)
                return
        self.failures[arm, seed] = code

    def _process(self, arm: str, seed: int, path: Path) -> int | None:
        """The exit code of a new run; None if it was not let run to its end."""
        shutil.rmtree(path, ignore_errors=True)
        command = self.plan.command(self.home, arm, seed, self._options(arm, seed))
        ending = self._processes.run(command, said(path))
        if ending is None:
            # It would pass for a whole one.
            shutil.rmtree(path, ignore_errors=True)
            said(path).unlink(missing_ok=True)
            return None
        code = ending.code
        ended = f"{ending.seconds:.1f} s" + (f", exit code {code}" if code else "")
        self.tell(f"{arm}, seed {seed}: {ended}")
        return code

    def _options(self, arm: str, seed: int) -> list[str]:
        options = ["--budget", str(BUDGET)]
        if arm == TREATED:
            options += ["--heal=auto"]
        elif arm == PLACEBO:
            options += ["--heal-placebo", str(place(self.home, TREATED, seed))]
        return options

    @property
    def kept(self) -> int:
        """How many runs have ended well."""
        return sum(_is_over(path) for path in self.home.iterdir() if path.is_dir())


def _is_over(path: Path) -> bool:
    try:
        return folder.read_info(path).get("exit_code") == 0
    except ReluctantError:
        return False
