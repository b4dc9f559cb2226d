"""Per-unit arrays as the blobs that the database holds, and back."""

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_FLOAT = np.dtype("<f4")
_COUNTS = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}


def pack(values: Array | None) -> bytes | None:
    """A per-unit array as a blob of little-endian float32; None stays None."""
    return None if values is None else values.astype(_FLOAT, copy=False).tobytes()


def pack_counts(values: Array) -> bytes:
    """Counts, none of them negative, as a blob of 1, 2, 4 or 8 bytes each, little-endian."""
    top = int(values.max(initial=0))
    width = 1 if top < 1 << 8 else 2 if top < 1 << 16 else 4 if top < 1 << 32 else 8
    return values.astype(_COUNTS[width]).tobytes()


def unpack(blobs: Iterable[bytes | None], units: int, firsts: Iterable[int] | None = None) -> Array:
    """Blobs, one a sample, as (T, units) float32, NaN where a blob or a part of one is missing.

    Raises:
        ValueError: a blob is not one of `units` numbers; with `firsts`, which say where each
            begins, it does not fit among them.
    """
    blobs = list(blobs)
    places = repeat(None, len(blobs)) if firsts is None else firsts
    return _stacked(
        [_row(blob, units, first) for blob, first in zip(blobs, places, strict=True)], units, _FLOAT
    )


def _row(blob: bytes | None, units: int, first: int | None) -> Array:
    values = np.empty(0, dtype=_FLOAT)
    if blob is not None:
        check(len(blob), units, first)
        values = np.frombuffer(blob, dtype=_FLOAT)
    if len(values) == units:
        return values
    row = np.full(units, np.nan, dtype=_FLOAT)
    row[first or 0 : (first or 0) + len(values)] = values
    return row


def _stacked(rows: list[Array], units: int, dtype: Any) -> Array:
    # One row alone, as wide layers are read, is not copied.
    if len(rows) == 1:
        return rows[0][None]
    return np.concatenate([np.empty(0, dtype), *rows]).reshape(len(rows), units)


def unpack_whole(blob: bytes) -> Array:
    """A blob of float32, of whatever length.

    Raises:
        ValueError: it does not hold whole numbers.
    """
    return np.frombuffer(blob, dtype=_FLOAT)


def check(length: int, units: int, first: int | None = None) -> None:
    """Refuse a blob of so many bytes, as `unpack` does.

    Raises:
        ValueError: as there.
    """
    count, rest = divmod(length, _FLOAT.itemsize)
    if rest or ((count != units) if first is None else not 0 <= first <= units - count):
        raise ValueError(f"a row does not hold {units} numbers")


def unpack_counts(blobs: Iterable[bytes], units: int) -> Array:
    """Blobs of counts, one a sample, as (T, units) int64.

    Raises:
        ValueError: a blob is not one of `units` counts.
    """
    rows = [
        np.frombuffer(blob, dtype=_COUNTS[check_counts(len(blob), units)]).astype(np.int64)
        for blob in blobs
    ]
    return _stacked(rows, units, np.int64)


def check_counts(length: int, units: int) -> int:
    """How wide each count is, in bytes, in a blob of so many bytes.

    Raises:
        ValueError: it is not one of `units` counts.
    """
    width, rest = divmod(length, units)
    if rest or width not in _COUNTS:
        raise ValueError(f"a row does not hold {units} counts")
    return width
