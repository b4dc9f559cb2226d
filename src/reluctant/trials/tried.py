"""What a sweep has tried so far, what it is to try next, and what all that tells."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reluctant.errors import NothingSwept
from reluctant.record.sweep import Attempt, Sweep
from reluctant.trials import ladder
from reluctant.trials.plan import said
from reluctant.words import plural

# A loss that fewer steps have made tells nothing of a rate.
FEWEST = 10


@dataclass
class Tried:
    """Attempts at `script` by their rung and seed; of each `steps` are asked."""

    script: str
    steps: int
    seeds: int = 1
    attempts: dict[tuple[int, int], Attempt] = field(default_factory=dict)

    def next(self) -> tuple[int, ...]:
        """The rungs to try next, with each seed; none when there is no more to be learnt."""
        if len(self._own) < self.seeds:
            return (0,)
        verdicts = {at.factor: at.verdict for at in ladder.judged(list(self.attempts.values()))}
        return ladder.further(
            {rung: verdicts[at.factor] for (rung, _), at in self.attempts.items()}
        )

    def check(self) -> None:
        """Whether it makes sense to go on.

        Raises:
            NothingSwept: it does not.
        """
        tried, own = list(self.attempts.values()), self.attempts[0, 0]
        # One that stops at a loss that is not finite may go on at a lower rate.
        if all(at.exit_code for at in tried) and (len(tried) > 1 or not own.steps):
            raise NothingSwept.failed(said(Path(own.path)), own.exit_code)
        if own.rate is None and own.steps:
            raise NothingSwept(
                f"{self.script} steps no optimizer that has a learning rate.",
                "The rates that are swept are those of torch.optim's optimizers, as their groups "
                "have them under 'lr'.",
            )
        if own.last is None and own.steps:
            raise NothingSwept(
                f"{self.script} shows no loss.",
                "The loss is what backward() is called on: one number.",
            )
        if len(tried) > len(self._own) and len({(at.seed, at.last) for at in tried}) == self.seeds:
            raise NothingSwept(
                f"{self.script} comes to the same loss whatever the rate.",
                "Either nothing is trained, as `reluctant check` can tell, or the optimizer does "
                "not step at the rates of its groups.",
            )
        if own.steps < FEWEST and not own.exit_code:
            raise NothingSwept(
                f"{self.script} takes {plural(own.steps, 'step')} and ends.",
                f"Have it train longer: {FEWEST} steps at least, better {self.steps}. A step is an "
                "optimizer's.",
            )

    @property
    def begun(self) -> bool:
        """Whether a run at the script's own rate has ended."""
        return (0, 0) in self.attempts

    def sweep(
        self, arguments: tuple[str, ...], module: bool, path: str, whole: bool = True
    ) -> Sweep:
        """All there is to say so far, once it has `begun`."""
        tried = list(self.attempts.values())
        silent = [at.silent for at in tried if at.silent is not None]
        return Sweep(
            self.script,
            arguments,
            module,
            path,
            self.steps,
            self.seeds,
            ladder.judged(tried),
            max(at.units for at in tried),
            min(silent, default=None),
            tuple(self._limits()),
            whole,
        )

    @property
    def _own(self) -> list[Attempt]:
        return [at for (rung, _), at in self.attempts.items() if rung == 0]

    def _limits(self) -> Iterator[str]:
        own, tried = self._own, list(self.attempts.values())
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
        if own[0].rising:
            yield (
                "The script's schedule was still raising the rate when the runs were stopped: the "
                "rates are those that it had come to. More --steps show how high it goes."
            )
        if own[0].optimizers > 1:
            yield (
                f"{plural(own[0].optimizers, 'optimizer')} step, and the rates of all were "
                "multiplied; the rate and the steps are those of the one that leads. Where they "
                "work against one another, their losses need not fall."
            )
        if not max(at.units for at in tried):
            yield "No function that switches off was seen, so no unit can die."
