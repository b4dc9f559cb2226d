"""Exact medians of very many numbers, without sorting most of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of more numbers than this a sample of so many tells where the middle lies.
_MANY = 1 << 14
_SAMPLE = 1 << 12

# The share of the numbers, on each side of the middle, between whose estimates it is looked for.
_SIDE = 0.03


def median(values: NDArray[Any], dtype: type[np.float64] | None = None) -> float:
    """What `numpy.median` gives for (n,) numbers, none of them NaN, n > 0.

    Args:
        values: in any order.
        dtype: in which the mean of two numbers in the middle is taken; by default their own.
    """
    return float(np.mean(_middle(values), dtype=dtype))


def _middle(values: NDArray[Any]) -> NDArray[Any]:
    """The one or two numbers in the middle.

    Looked for between two numbers that a sample says lie on either side of it; where they do not,
    all are gone through.
    """
    count = values.size
    first, last = (count - 1) // 2, count // 2
    if count > _MANY:
        some = np.sort(values[:: count // _SAMPLE])
        low, high = some[[int((0.5 - _SIDE) * some.size), int((0.5 + _SIDE) * some.size)]]
        below = int(np.count_nonzero(values < low))
        between = values[(values >= low) & (values <= high)]
        if below <= first and last < below + between.size:
            values, first, last = between, first - below, last - below
    return np.partition(values, [first, last])[first : last + 1]
