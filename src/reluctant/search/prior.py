"""What functions came to on small tasks: what is expected of them before a script is asked.

`known.csv` holds the mean accuracy of every function of the base grammar on each task, in per cent;
`python -m benchmarks.search keep` makes it.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from reluctant.activations.expression import Expression, expression
from reluctant.search import shape
from reluctant.search.surrogate import alike, normal

KNOWN = Path(__file__).with_name("known.csv")

# How far functions may be apart that are expected to do alike, as a length of the surrogate's.
_LENGTH = 0.6


@dataclass(frozen=True, eq=False)
class Prior:
    """What is expected of functions, in standard deviations from that of most.

    `worth` is that of each that is known.
    """

    worth: Mapping[Expression, float]

    @classmethod
    def of(cls, tasks: Iterable[Mapping[Expression, float]]) -> "Prior":
        """From how well functions did in each of some tasks; their order counts alone."""
        by: dict[Expression, list[float]] = {}
        for means in tasks:
            for function, value in zip(means, normal(list(means.values())), strict=True):
                by.setdefault(function, []).append(float(value))
        return cls({function: sum(values) / len(values) for function, values in by.items()})

    @classmethod
    @cache
    def known(cls) -> "Prior":
        """From the tasks whose results come with the package."""
        with KNOWN.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        tasks = [name for name in rows[0] if name != "function"]
        functions = [expression(row["function"]) for row in rows]
        return cls.of(
            {at: float(row[task]) for at, row in zip(functions, rows, strict=True)}
            for task in tasks
        )

    def expected(self, functions: Sequence[Expression]) -> shape.Vector:
        """(n,): of each, what came of it, or else of what looks most like it, as far as it does."""
        found = [self._by_key.get(shape.fingerprint(at), np.nan) for at in functions]
        values = np.array(found, dtype=np.float64)
        others = np.flatnonzero(np.isnan(values)).tolist()
        if others:
            near = alike(shape.features([functions[at] for at in others]), self._features, _LENGTH)
            nearest = near.argmax(1)
            values[others] = near.max(1) * np.array(list(self.worth.values()))[nearest]
        return values

    @cached_property
    def _by_key(self) -> dict[bytes, float]:
        return {shape.fingerprint(at): value for at, value in self.worth.items()}

    @cached_property
    def _features(self) -> shape.Vector:
        return shape.features(self.worth)
