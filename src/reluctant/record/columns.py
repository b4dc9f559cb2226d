"""Numbers of many units over many samples, in memory or in a file, and read a part at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# So many numbers are read of a column at once: few calls, and little memory.
MOST_READ = 1 << 18
# And so many of all samples of a few units.
MOST_GATHERED = 1 << 24


class Column(Protocol):
    """(T, U): T samples of U units. What is asked for of it, by sample, is an array.

    An array is a column; `numpy.asarray` makes an array of any.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """T and U."""
        ...

    def __getitem__(self, samples: int | slice, /) -> NDArray[Any]:
        """(U,) of one sample, or (t, U) of some."""
        ...


Read = Callable[[Sequence[str], int, int], Sequence[NDArray[Any]]]


class Stored:
    """A column that stays in its file.

    Args:
        shape: T and U.
        name: what `read` calls it.
        read: gives columns by their names, of the samples from one number up to another, (t, U)
            each. Those that lie in the same rows share it.
    """

    def __init__(self, shape: tuple[int, int], name: str, read: Read) -> None:
        self.shape = shape
        self.name = name
        self.read = read

    def __getitem__(self, samples: int | slice, /) -> NDArray[Any]:
        numbers = range(self.shape[0])[samples]
        if isinstance(numbers, int):
            row: NDArray[Any] = self._some(numbers, numbers + 1)[0]
            return row
        if numbers.step != 1:
            raise ValueError("samples are read one after another")
        return self._some(numbers.start, max(numbers.start, numbers.stop))

    def _some(self, first: int, last: int) -> NDArray[Any]:
        return self.read((self.name,), first, last)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("it has to be read")
        return np.asarray(self[:], dtype=dtype)


def stretches(column: Column, within: slice = slice(None)) -> Iterator[slice]:
    """The samples of a column, so many at a time as are not too much."""
    samples, units = column.shape
    first, last, _ = within.indices(samples)
    size = max(1, MOST_READ // max(units, 1))
    for start in range(first, last, size):
        yield slice(start, min(start + size, last))


def together(at: slice, *columns: Column) -> Sequence[NDArray[Any]]:
    """Some samples, one after another, of several columns: in one go, if they share their rows."""
    stored = [column for column in columns if isinstance(column, Stored)]
    if len(stored) == len(columns) and all(column.read is stored[0].read for column in stored):
        first, last, _ = at.indices(stored[0].shape[0])
        return stored[0].read([column.name for column in stored], first, max(first, last))
    return [column[at] for column in columns]


def histories(
    units: NDArray[np.int64], *columns: Column
) -> Iterator[tuple[NDArray[np.int64], Sequence[NDArray[Any]]]]:
    """All samples of some units of some columns, so many units at a time as are not too much.

    Yields the numbers of these units, (u,), and of each column an array, (T, u).
    """
    parts = -(-len(units) * columns[0].shape[0] // MOST_GATHERED)
    # Alike in size: numpy sums the samples of a single unit in another order than those of many.
    for some in np.array_split(units, max(parts, 1)):
        found = [
            [numbers[:, some] for numbers in together(at, *columns)]
            for at in (*stretches(columns[0]), slice(0, 0))
        ]
        yield some, [np.concatenate(parts) for parts in zip(*found, strict=True)]
