"""One grid for the histograms of all functions' inputs, so that those of samples and ranks add.

It needs no look at the numbers first: from zero to either side its bins are 1/16 wide up to 1, 1/8
up to 3, 1/4 up to 7, and so on, each sixteen twice as wide as those before. What lies beyond a
million is in the outermost. Zero is with the negative numbers, where a rectifier is flat.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reluctant.record.blobs import Array, check_counts, pack_counts, unpack_counts

# So many bins up to 1, and as many each time they are twice as wide.
FINE = 16
# So often.
_DOUBLINGS = 19

_SIDE = FINE * (1 + _DOUBLINGS)
BINS = 2 * _SIDE

_POSITIVE = np.ldexp(1 + np.arange(_SIDE + 1) % FINE / FINE, np.arange(_SIDE + 1) // FINE) - 1
# (BINS + 1,), from the lowest to the highest.
EDGES: NDArray[np.float64] = np.concatenate([-_POSITIVE[:0:-1], _POSITIVE])

# A number of size a lies in the bin that the first bits of the float 16 a + 16, rounded down, say:
# its exponent, and four bits more.
_BITS = 19
_FIRST = int(np.float32(FINE).view(np.int32)) >> _BITS


def count(pieces: Sequence[Array]) -> NDArray[np.int64]:
    """(BINS,): how many of some numbers lie in each bin, as float32 has them; NaN lies in none.

    They come in any number of (n,) arrays.
    """
    return counted(list(map(bins, pieces)))


def bins(values: Array) -> NDArray[np.int32]:
    """(n,): the bin that each number lies in; BINS for NaN."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
        sizes = np.abs(values)
        sizes *= np.float32(FINE)
    np.trunc(sizes, out=sizes)
    sizes += np.float32(FINE)
    found = sizes.view(np.int32)
    found >>= _BITS
    found -= _FIRST
    np.minimum(found, _SIDE - 1, out=found)
    # Below zero they count downwards from -1, which is the complement.
    found ^= (values > 0).view(np.int8) - np.int8(1)
    found += _SIDE
    missing = np.isnan(values)
    if missing.any():
        found[missing] = BINS
    return found


def counted(pieces: Sequence[NDArray[np.int32]]) -> NDArray[np.int64]:
    """The same of what `bins` gave."""
    found = np.concatenate(pieces) if len(pieces) > 1 else pieces[0] if pieces else ()
    return np.bincount(found, minlength=BINS + 1)[:BINS]


def pack(counts: Array) -> bytes:
    """(BINS,) counts as a blob: the bins around zero in which there are any, on either side alike.

    Its first byte says how many bytes each takes, which are little-endian.
    """
    used = np.flatnonzero(counts)
    reach = max(_SIDE - int(used[0]), int(used[-1]) + 1 - _SIDE) if len(used) else 0
    if not reach:
        return b""
    blob = pack_counts(counts[_SIDE - reach : _SIDE + reach])
    return bytes([len(blob) // (2 * reach)]) + blob


def unpack(blobs: Sequence[bytes]) -> NDArray[np.int64]:
    """Blobs, one a sample, as (T, BINS).

    Raises:
        ValueError: one is no histogram.
    """
    counts = np.zeros((len(blobs), BINS), dtype=np.int64)
    for row, blob in zip(counts, blobs, strict=True):
        if blob:
            reach, rest = divmod(len(blob) - 1, 2 * blob[0] or 1)
            if rest or not 0 < reach <= _SIDE or check_counts(len(blob) - 1, 2 * reach) != blob[0]:
                raise ValueError("a row holds no histogram")
            row[_SIDE - reach : _SIDE + reach] = unpack_counts([blob[1:]], 2 * reach)[0]
    return counts
