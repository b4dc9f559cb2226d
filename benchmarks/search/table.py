"""Makes the table, a few evaluations at a time: what is there already is not done again."""

import csv
import gzip
import io
import multiprocessing
import os
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import NamedTuple

import torch

from benchmarks.search.tasks import TASKS
from reluctant.activations.expression import Expression, expression
from reluctant.search import grammar, shape
from reluctant.search.prior import KNOWN

SEEDS = (0, 1, 2)
RESULT = Path(__file__).with_name("table.csv.gz")
_FIELDS = ("task", "function", "seed", "accuracy", "loss")
# So many networks are trained side by side: more are no faster, and take more memory.
TOGETHER = 16


class Key(NamedTuple):
    """One evaluation."""

    task: str
    function: str
    seed: int


def functions() -> list[Expression]:
    """All functions of the base grammar that are finite and not constant, each once."""
    return [at for at in grammar.functions() if shape.is_finite(at) and not shape.is_constant(at)]


def wanted(only: int | None = None) -> list[Key]:
    """All evaluations, a seed after the other; `only` so many functions, drawn at random.

    ReLU and its like come first, and the rest in an order that a part of the table can be used in.
    """
    known = functions()
    random.Random(0).shuffle(known)
    known.sort(key=lambda at: at.size > 2)
    return [Key(task, str(at), seed) for seed in SEEDS for at in known[:only] for task in TASKS]


def make(folder: Path, jobs: int, only: int | None) -> None:
    """Do what is missing; say how far it is, and how long it will take."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "evaluations.csv"
    whole = wanted(only)
    if log.exists():
        # Whoever was killed in the middle of a row has not done it.
        content = log.read_bytes()
        os.truncate(log, content.rfind(b"\n") + 1)
    done = {key for key, _ in _read(log)} if log.exists() else set()
    left = [key for key in whole if key not in done]
    print(f"{len(whole)} evaluations, {len(left)} of them to be done", flush=True)
    began = perf_counter()
    with log.open("a", newline="") as file:
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow(_FIELDS)
        count = 0
        for found in _evaluated(_together(left), jobs):
            rows.writerows(found)
            file.flush()
            count += len(found)
            each = (perf_counter() - began) / count
            ahead = each * (len(left) - count) / 60
            print(f"{count} of {len(left)}, {each:.2f} s each, {ahead:.0f} min left", flush=True)


def _together(keys: list[Key]) -> list[list[Key]]:
    """Those of one task and seed, a few at a time."""
    alike: dict[tuple[int, str], list[Key]] = {}
    for key in keys:
        alike.setdefault((key.seed, key.task), []).append(key)
    return [
        found[start : start + TOGETHER]
        for found in alike.values()
        for start in range(0, len(found), TOGETHER)
    ]


Row = tuple[object, ...]


def _evaluated(parts: list[list[Key]], jobs: int) -> Iterator[list[Row]]:
    if jobs == 1:
        torch.set_num_threads(1)
        yield from map(_evaluate, parts)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap_unordered(_evaluate, parts)


def _evaluate(keys: list[Key]) -> list[Row]:
    task = TASKS[keys[0].task]
    found = task.train([expression(key.function) for key in keys], keys[0].seed)
    return [
        (*key, f"{at.accuracy:.2f}", f"{at.loss:.4g}") for key, at in zip(keys, found, strict=True)
    ]


def _read(log: Path) -> Iterator[tuple[Key, tuple[float, float]]]:
    """What was done."""
    opened = gzip.open if log.suffix == ".gz" else open
    with opened(log, "rt", newline="") as file:
        for row in csv.DictReader(file):
            key = Key(row["task"], row["function"], int(row["seed"]))
            yield key, (float(row["accuracy"]), float(row["loss"]))


def keep(folder: Path) -> None:
    """Put what was done into the repository, compressed and in order."""
    rows = sorted(_read(folder / "evaluations.csv"), key=lambda row: row[0])
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_FIELDS)
    writer.writerows([*key, *values] for key, values in rows)
    # No time of its own: the same table is the same file.
    RESULT.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    print(f"{len(rows)} evaluations in {RESULT}, {RESULT.stat().st_size / 1e6:.2f} MB")
    KNOWN.write_text(known(Table.of(rows)), encoding="utf-8")


def known(table: "Table") -> str:
    """What a search is told of functions beforehand: their means, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["function", *table.means])
    first, *others = table.means.values()
    for function in sorted(first, key=str):
        if all(function in means for means in others):
            values = [f"{means[function]:.2f}" for means in table.means.values()]
            writer.writerow([function, *values])
    return text.getvalue()


@dataclass(frozen=True)
class Table:
    """What networks with a function came to, by task, function and seed."""

    accuracies: dict[str, dict[Expression, tuple[float, ...]]]

    @classmethod
    def load(cls, path: Path = RESULT) -> "Table":
        """Read it; functions that lack a seed of a task are left out there."""
        if not path.exists():
            sys.exit(f"There is no {path}: make it with `python -m benchmarks.search table`.")
        return cls.of(_read(path))

    @classmethod
    def of(cls, rows: Iterable[tuple[Key, tuple[float, float]]]) -> "Table":
        """From evaluations: the accuracies of each, in the order of the seeds."""
        by: dict[str, dict[str, dict[int, float]]] = {}
        for key, (accuracy, loss) in rows:
            # A network that is lost answers one class for all; it may be right by chance.
            value = accuracy if isfinite(loss) else 0.0
            by.setdefault(key.task, {}).setdefault(key.function, {})[key.seed] = value
        return cls(
            {
                task: {
                    expression(text): tuple(values[seed] for seed in sorted(values))
                    for text, values in found.items()
                    if len(values) == max(map(len, found.values()))
                }
                for task, found in by.items()
            }
        )

    @cached_property
    def means(self) -> dict[str, dict[Expression, float]]:
        """The mean over the seeds."""
        return {
            task: {at: fmean(values) for at, values in found.items()}
            for task, found in self.accuracies.items()
        }

    def best(self, task: str, share: float = 0.01) -> set[Expression]:
        """The best functions of a task by their means: this share of all, one at least."""
        means = self.means[task]
        count = max(1, round(share * len(means)))
        return set(sorted(means, key=lambda at: means[at], reverse=True)[:count])
