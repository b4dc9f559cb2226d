"""Runs a script at one rate after another, and says what that came to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

from reluctant.errors import NothingSwept, ReluctantError
from reluctant.record.sweep import Attempt, Sweep
from reluctant.trials import ladder
from reluctant.trials.attempt import attempt
from reluctant.trials.plan import Plan, place, said
from reluctant.trials.processes import Processes, is_over
from reluctant.words import number, plural

# A loss that fewer steps have made tells nothing of a rate.
FEWEST = 10


@dataclass
class Sweeper:
    """Runs at each rate what is not there yet, several at a time; `tell` hears of each run."""

    plan: Plan
    home: Path
    steps: int
    seeds: int
    jobs: int
    tell: Callable[[str], None]
    _tried: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Run until there is no more to be learnt; on Ctrl-C, end what runs and keep the rest.

        Raises:
            NothingSwept: the script's own rate tells that there is nothing to be swept.
        """
        self.plan.claim(self.home)
        processes = Processes(self.jobs, self.tell)
        # Whatever is wrong with the script is found out by one run, and said once.
        processes.each([partial(self._one, processes, 0, 0)])
        self._check()
        seeds = range(self.seeds)
        while rungs := self._next():
            processes.each(
                partial(self._one, processes, rung, seed) for rung in rungs for seed in seeds
            )
            self._check()

    def _next(self) -> tuple[int, ...]:
        missing = {0} if len(self._at(0)) < self.seeds else set()
        verdicts = {at.factor: at.verdict for at in ladder.judged(list(self._tried.values()))}
        rungs = {rung: verdicts[ladder.factor(rung)] for rung, _ in self._tried}
        return tuple(missing) or ladder.further(rungs)

    def _at(self, rung: int) -> list[Attempt]:
        return [at for (other, _), at in self._tried.items() if other == rung]

    def _one(self, processes: Processes, rung: int, seed: int) -> None:
        if (rung, seed) in self._tried:
            return
        factor = ladder.factor(rung)
        name = f"x{number(factor)}"
        path, code = place(self.home, name, seed), 0
        if not is_over(path):
            command = self.plan.command(path, seed, ["--pace", repr(factor)])
            ended = processes.run(path, command, f"{number(factor)} times the rate, seed {seed}")
            if ended is None:
                return
            code = ended
        with self._lock:
            try:
                self._tried[rung, seed] = attempt(factor, seed, path, code)
            except ReluctantError:
                self._tried[rung, seed] = Attempt(factor, seed, str(path), code or 1, 0)

    def _check(self) -> None:
        tried = list(self._tried.values())
        own = self._tried[0, 0]
        # One that stops at a loss that is not finite may go on at a lower rate.
        if all(at.exit_code for at in tried) and (len(tried) > 1 or not own.steps):
            raise NothingSwept.failed(said(Path(own.path)), own.exit_code)
        if own.rate is None and own.steps:
            raise NothingSwept(
                f"{self.plan.script} steps no optimizer that has a learning rate.",
                "The rates that are swept are those of torch.optim's optimizers, as their groups "
                "have them under 'lr'.",
            )
        if own.last is None and own.steps:
            raise NothingSwept(
                f"{self.plan.script} shows no loss.",
                "The loss is what backward() is called on: one number.",
            )
        if own.steps < FEWEST and not own.exit_code:
            raise NothingSwept(
                f"{self.plan.script} takes {plural(own.steps, 'step')} and ends.",
                f"Have it train longer: {FEWEST} steps at least, better {self.steps}. A step is an "
                "optimizer's.",
            )

    @property
    def begun(self) -> bool:
        """Whether a run at the script's own rate has ended."""
        return (0, 0) in self._tried

    def sweep(self, whole: bool = True) -> Sweep:
        """All there is to say so far, once it has `begun`."""
        tried = list(self._tried.values())
        silent = [at.silent for at in tried if at.silent is not None]
        return Sweep(
            self.plan.script,
            self.plan.arguments,
            self.plan.module,
            str(self.home),
            self.steps,
            self.seeds,
            ladder.judged(tried),
            max(at.units for at in tried),
            min(silent, default=None),
            tuple(self._limits()),
            whole,
        )

    def _limits(self) -> Iterator[str]:
        own = self._at(0)
        tried = list(self._tried.values())
        short = min(at.steps for at in own)
        if short < self.steps:
            yield (
                f"The script ended by itself after {plural(short, 'step')}; {self.steps} were "
                "asked for."
            )
        if len(own) > 1 and len({at.last for at in own}) == 1:
            yield (
                "All seeds came to the same, so n is 1 in truth: the script sets its own seed. If "
                "it takes that as an argument, say how, as --seed-arg '--seed {}'."
            )
        if len(tried) > len(own) and len({(at.last, at.seed) for at in tried}) == len(own):
            yield (
                "All rates came to the same: the optimizer does not step at the rates of its "
                "groups, and nothing was swept."
            )
        if own[0].optimizers > 1:
            yield (
                f"{plural(own[0].optimizers, 'optimizer')} step, and the rates of all were "
                "multiplied; the rate and the steps are those of the one that leads. Where they "
                "work against one another, their losses need not fall."
            )
        if not max(at.units for at in tried):
            yield "No function that switches off was seen, so no unit can die."
