"""The samples of a run as the columns of a picture: each one, or, of many, some together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.run import Ints, Run
from reluctant.report.page.figure import sample_axis

# More columns than this are narrower than a pixel or two of the picture.
MOST_COLUMNS = 200


@dataclass(frozen=True)
class Columns:
    """Which column shows each sample (T,), and the steps of the samples, (T,)."""

    of: Ints
    steps: Ints

    @classmethod
    def over(cls, run: Run) -> "Columns":
        """The columns for all samples of a run.

        Of many, the first half of the columns show one each, as most happens early, and the other
        half share the rest.
        """
        count, half = len(run.samples), MOST_COLUMNS // 2
        of = np.arange(count)
        if count > MOST_COLUMNS:
            of[half:] = half + np.arange(count - half) * half // (count - half)
        return cls(of, run.steps)

    @cached_property
    def fullest(self) -> int:
        """How many samples there are in the fullest column; 1 if each has its own."""
        return int(np.bincount(self.of).max(initial=0))

    @property
    def count(self) -> int:
        """How many columns there are."""
        return int(self.of[-1]) + 1 if self.of.size else 0

    @cached_property
    def first(self) -> list[int]:
        """The step of the first sample in each."""
        starts = np.searchsorted(self.of, np.arange(self.count))
        return [int(step) for step in self.steps[starts]]

    @cached_property
    def labels(self) -> list[str]:
        """What each stands for, in words."""
        ends = np.searchsorted(self.of, np.arange(self.count), side="right") - 1
        last = [int(step) for step in self.steps[ends]]
        return [
            f"step {a:,}" if a == b else f"steps {a:,} to {b:,}"
            for a, b in zip(self.first, last, strict=True)
        ]

    def means(self, samples: Ints, values: NDArray[Any]) -> NDArray[np.float64]:
        """Values of some samples (t,) as means of the columns (C,), NaN where there is none."""
        known = np.isfinite(values)
        at = self.of[samples[known]]
        count = np.bincount(at, minlength=self.count)
        total = np.bincount(at, weights=values[known], minlength=self.count)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def edge(self, step: int) -> float:
        """Where what happened before this step lies: between two columns."""
        later = np.flatnonzero(self.steps >= step)
        return (int(self.of[later[0]]) if later.size else self.count) - 0.5

    def place(self, step: int) -> int:
        """The column that shows this step, or the first after it."""
        return min(round(self.edge(step) + 0.5), max(self.count - 1, 0))

    def axis(self, **more: Any) -> dict[str, Any]:
        """The axis of them."""
        return sample_axis(self.first, **more)
