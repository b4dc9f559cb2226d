"""One run of a trial, and what came of it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reluctant.diagnosis import diagnose
from reluctant.record.info import NOT_MET
from reluctant.record.reader import load
from reluctant.record.run import Intervention, Sample
from reluctant.trials.plan import said

# Two runs are the same if all losses are that were seen in both, so many at least. Which steps are
# seen depends on the time they take, but for the first.
SAME = 3


_Step = TypeVar("_Step", int, str)


@dataclass(frozen=True)
class Outcome:
    """One run, and what came of it."""

    arm: str
    seed: int
    path: Path
    loss: float | None
    first: float | None
    dead: int | None
    losses: dict[int, float]
    interventions: tuple[Intervention, ...]
    failure: str | None
    pace: float | None = None  # seconds a step, without what observation took
    memory: int | None = None  # bytes at most
    swapped: bool = True  # or it was to be, and nothing was met

    @classmethod
    def of(cls, arm: str, seed: int, path: Path) -> "Outcome":
        """Read a record."""
        run = load(path)
        diagnosis = diagnose(run)
        first, last = diagnosis.loss or (None, None)
        counts = [layer.dead for layer in diagnosis.layers if layer.dead is not None]
        return cls(
            arm,
            seed,
            path,
            None if last is None else last.value,
            None if first is None else first.value,
            sum(counts) if counts else None,
            {at.step: at.loss for at in run.samples if at.loss is not None},
            run.interventions,
            run.info.failure,
            _pace(run.samples),
            run.info.memory,
            not any(at.endswith(NOT_MET) for at in run.info.swaps),
        )

    @property
    def touched(self) -> bool:
        """Whether anything was changed in it."""
        return any(not at.refused for at in self.interventions)

    def is_like(self, other: "Outcome") -> bool:
        """Whether the losses that both saw are the same to the last bit."""
        return are_same(self.losses, other.losses)

    def figure(self, pattern: re.Pattern[str]) -> str | None:
        """What the last match of a pattern in the output has in its group, if that is a number."""
        text = said(self.path).read_text("utf-8", errors="replace")
        for match in reversed(list(pattern.finditer(text))):
            with suppress(ValueError, TypeError):
                float(match[1])
                return match[1]
        return None


def are_same(losses: Mapping[_Step, float], others: Mapping[_Step, float]) -> bool:
    """Whether two runs did the same, by their losses at the steps that were seen."""
    shared = losses.keys() & others.keys()
    # By what they are written as: one that is not a number is itself.
    return len(shared) >= SAME and all(repr(losses[at]) == repr(others[at]) for at in shared)


def _pace(samples: Sequence[Sample]) -> float | None:
    if len(samples) < 2 or samples[-1].step == samples[0].step:
        return None
    first, last = samples[0], samples[-1]
    observing = (last.observing or 0.0) - (first.observing or 0.0)
    seconds = last.seconds - first.seconds - observing
    # A run of a few steps is all observation.
    return seconds / (last.step - first.step) if seconds > 0 else None
