"""The series of a site's or a layer's units as they lie in the database: a row a sample."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from reluctant.record.blobs import Array, check, check_counts, unpack, unpack_counts
from reluctant.record.columns import Column, Stored
from reluctant.record.run import Ints

# A column of so many numbers is read with the others at once: 4 MB, or 8 of counts.
MOST_HELD = 1 << 20


class Table(NamedTuple):
    """Of which table, found by which key: numbers, one a sample, and blobs, one a sample."""

    name: str
    key: str
    numbers: tuple[str, ...]
    blobs: tuple[str, ...]


SITES = Table(
    "site_sample",
    "site",
    ("sample", "inputs", "vals"),
    ("fired", "mean", "std", "low", "high", "gradient_in", "gradient_out"),
)
LAYERS = Table(
    "layer_sample",
    "layer",
    ("sample", "first"),
    ("gradient", "weight", "updated", "bias"),
)


class Rows:
    """The rows of one site or layer.

    Args:
        select: asks the database.
        damage: turns what goes wrong in reading into what is said of it.
        table: where they lie.
        index: the site's or the layer's number.
        units: how many units it has.
    """

    def __init__(
        self,
        select: Callable[..., list[tuple[Any, ...]]],
        damage: Callable[[], AbstractContextManager[None]],
        table: Table,
        index: int,
        units: int,
    ) -> None:
        self._select = select
        self._damage = damage
        self._table = table
        self._index = index
        self._units = units

    def series(self, samples: int, share: int | None) -> tuple[list[Ints], list[Column]]:
        """The numbers, (T,), and the columns, (T, U), of a run of so many samples.

        Columns of few numbers, at most `share` of them, are read now; the others when they are
        asked for, and of them it is seen now that each row is of the right length, which SQLite
        knows without reading it.
        """
        table = self._table
        few = self._units * samples <= (MOST_HELD if share is None else min(share, MOST_HELD))
        blobs = table.blobs if few else tuple(f"length({name})" for name in table.blobs)
        kept = len(table.numbers)
        rows = self._rows((*table.numbers, *blobs))
        content = list(zip(*rows, strict=True)) or [()] * (kept + len(blobs))
        with self._damage():
            numbers = [np.array(column, dtype=np.int64) for column in content[:kept]]
            read = partial(self._read, numbers)
            columns: list[Column] = []
            for name, column in zip(table.blobs, content[kept:], strict=True):
                if few:
                    columns.append(self._unpack(name, column, numbers))
                    continue
                self._check(name, column, numbers)
                columns.append(Stored((len(rows), self._units), name, read))
        return numbers, columns

    def _rows(self, names: Sequence[str], within: str = "", *values: int) -> list[tuple[Any, ...]]:
        return self._select(
            f"SELECT {', '.join(names)} FROM {self._table.name} "
            f"WHERE {self._table.key} = ?{within} ORDER BY sample",
            self._index,
            *values,
        )

    def _read(
        self, numbers: Sequence[Ints], names: Sequence[str], first: int, last: int
    ) -> list[Array]:
        """Columns by name, of the samples from `first` up to `last`."""
        some = [column[first:last] for column in numbers]
        rows: list[tuple[Any, ...]] = []
        if len(some[0]):
            ends = int(some[0][0]), int(some[0][-1])
            rows = self._rows(names, " AND sample BETWEEN ? AND ?", *ends)
        content = list(zip(*rows, strict=True)) or [()] * len(names)
        with self._damage():
            return [
                self._unpack(name, blobs, some) for name, blobs in zip(names, content, strict=True)
            ]

    def _unpack(self, name: str, blobs: Sequence[Any], numbers: Sequence[Ints]) -> Array:
        if name == "fired":
            return unpack_counts(blobs, self._units)
        return unpack(blobs, self._units, self._firsts(numbers))

    def _check(self, name: str, lengths: Sequence[Any], numbers: Sequence[Ints]) -> None:
        firsts = self._firsts(numbers) or repeat(None)
        for length, first in zip(lengths, firsts, strict=False):
            if name == "fired":
                check_counts(length, self._units)
            elif length is not None:
                check(length, self._units, first)

    def _firsts(self, numbers: Sequence[Ints]) -> list[int] | None:
        """Where the row of each sample begins, if it may be a part of one."""
        return numbers[1].tolist() if self._table is LAYERS else None
