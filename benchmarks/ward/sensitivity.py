"""Whether a verdict hangs on a threshold: each is moved by a fifth, and all records judged again.

Thresholds are the public numbers in capitals of the modules of `reluctant.diagnosis`. Those
that hold another value at the import already (defaults of arguments, entries of tables) stay.
"""

import importlib
import multiprocessing
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import reluctant
from reluctant import diagnosis

PART = 0.2
AT_MOST = 0.02  # of the verdicts may change

_runs: tuple[reluctant.Run, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """A named number and the modules that hold it: its own, and those that imported it by name."""

    name: str
    value: float
    modules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.modules[0].rpartition('.')[2]}.{self.name}"

    def moved(self) -> tuple[float, ...]:
        """A fifth less and more; a share stays below one, a whole number whole."""
        less: float
        more: float
        if isinstance(self.value, int):
            less, more = floor(self.value * (1 - PART)), ceil(self.value * (1 + PART))
        else:
            less, more = self.value * (1 - PART), self.value * (1 + PART)
            if 0 < self.value < 1:
                more = min(more, (1 + self.value) / 2)
        return tuple(value for value in (less, more) if value not in (0, self.value))


@dataclass(frozen=True)
class Moved:
    """How many of the verdicts change when a threshold has another value."""

    threshold: str
    value: float
    to: float
    changed: tuple[str, ...]
    of: int

    @property
    def holds(self) -> bool:
        """Whether few enough change."""
        return len(self.changed) <= AT_MOST * self.of


def thresholds() -> tuple[Threshold, ...]:
    """Every number in capitals of the diagnosis."""
    names = [
        found.name for found in pkgutil.walk_packages(diagnosis.__path__, "reluctant.diagnosis.")
    ]
    modules = [diagnosis, *map(importlib.import_module, names)]
    holders: dict[tuple[str, float], list[str]] = {}
    for module in modules:
        for name, value in vars(module).items():
            if name.isupper() and name[0] != "_" and type(value) in (int, float):
                holders.setdefault((name, value), []).append(module.__name__)
    return tuple(Threshold(name, value, tuple(held)) for (name, value), held in holders.items())


def sensitivity(records: Sequence[tuple[str, Path]], jobs: int) -> list[Moved]:
    """Move each threshold down and up, and diagnose all records (name, folder) again.

    Each value is tried in a forked process of its own, so that nothing that was worked out with
    another value is left.
    """
    global _runs
    _runs = tuple(reluctant.load(path) for _, path in records)
    tasks = [(held, to) for held in thresholds() for to in held.moved()]
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        before = pool.apply(_verdicts)
        after = pool.starmap(_verdicts, tasks, chunksize=1)
    return [
        Moved(
            str(held),
            held.value,
            to,
            tuple(
                f"{name}: {old} to {new}"
                for (name, _), old, new in zip(records, before, verdicts, strict=True)
                if old != new
            ),
            len(records),
        )
        for (held, to), verdicts in zip(tasks, after, strict=True)
    ]


def _verdicts(held: Threshold | None = None, to: float = 0.0) -> list[str]:
    if held is not None:
        for module in held.modules:
            setattr(sys.modules[module], held.name, to)
    return [_verdict(run) for run in _runs]


def _verdict(run: reluctant.Run) -> str:
    try:
        return reluctant.diagnose(run).verdict
    except Exception as failed:  # a value that makes no sense is a change as well
        return f"{type(failed).__name__}: {failed}"
