"""A curve in characters: eight dots each, in braille."""

import numpy as np
from numpy.typing import NDArray

# The dots of a character: two columns, four rows.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_ROWS, _COLUMNS = _DOTS.shape
_BLANK = 0x2800


def curve(xs: NDArray[np.float64], ys: NDArray[np.float64], width: int, height: int) -> list[str]:
    """`height` lines of `width` characters, the first point at the left and the highest at the top.

    Args:
        xs: (N,), rising.
        ys: (N,); the curve is broken where one is not finite.
    """
    dots = np.zeros((height * _ROWS, width * _COLUMNS), dtype=bool)
    known = np.isfinite(ys)
    across = _scaled(xs, xs, dots.shape[1])
    down = dots.shape[0] - 1 - _scaled(ys, ys[known], dots.shape[0])
    points = list(zip(across.tolist(), down.tolist(), known.tolist(), strict=True))
    for (x, y, drawn), (left, above, joined) in zip(points, [*points[:1], *points], strict=False):
        if drawn:
            begin = (left, above) if joined else (x, y)
            count = max(abs(x - begin[0]), abs(y - begin[1])) + 1
            rows = np.linspace(begin[1], y, count).round().astype(int)
            dots[rows, np.linspace(begin[0], x, count).round().astype(int)] = True
    cells = dots.reshape(height, _ROWS, width, _COLUMNS) * _DOTS[:, None, :]
    return ["".join(map(chr, row)) for row in _BLANK + cells.sum(axis=(1, 3))]


def _scaled(
    values: NDArray[np.float64], known: NDArray[np.float64], size: int
) -> NDArray[np.int64]:
    """Values as numbers from 0, for the least that is known, to size - 1 for the largest."""
    if not known.size:
        return np.zeros(len(values), dtype=np.int64)
    low, high = float(known.min()), float(known.max())
    # Halves, because the difference of two large numbers may be none.
    share = (values / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0 * values + 0.5
    return np.rint(np.nan_to_num(share, posinf=0, neginf=0) * (size - 1)).astype(np.int64)
