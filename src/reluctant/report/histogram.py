"""A recorded histogram as the bars of a picture, whose areas are shares of what was counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log2

import numpy as np
from numpy.typing import NDArray

from reluctant.record.histogram import BINS, EDGES
from reluctant.record.run import Ints

Numbers = NDArray[np.float64]

# A picture ends here on either side, or further out if more than this share would lie beyond.
NEAR, BEYOND = 6.0, 0.02
_ENDS = (NEAR, 9.0, *(2.0**power - 1 for power in range(4, 21)))
# About so many bars, and wider ones where so few numbers were counted that chance would shape them.
MOST_BARS, WIDEST, FEW = 96, 0.5, 128


@dataclass(frozen=True)
class Bars:
    """Bars side by side: their `edges` (N + 1,), and of R histograms the `shares` in each, (R, N).

    What lies `beyond` the ends, (R,), is in none.
    """

    edges: Numbers
    shares: Numbers
    beyond: Numbers

    @property
    def widths(self) -> Numbers:
        """(N,)."""
        return np.diff(self.edges)

    @property
    def heights(self) -> Numbers:
        """(R, N): shares of what was counted per unit of input."""
        return np.asarray(self.shares / self.widths)

    def names(self) -> Iterator[str]:
        """From where to where each goes, as `−0.25 to 0`."""
        # Exact: the narrowest bins are sixteenths.
        ends = (f"{edge:,.4f}".rstrip("0").rstrip(".").replace("-", "−") for edge in self.edges)
        return (f"{low} to {high}" for low, high in pairwise(ends))


def shares(counts: Ints) -> Numbers:
    """(R, B) counts as shares; zeros where nothing was counted."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def ends(share: Numbers) -> tuple[float, float]:
    """From where to where a picture of this histogram, (B,), goes: little of it lies beyond."""
    below = np.concatenate([[0.0], share.cumsum()])
    above = below[-1] - below

    def end(beyond: Numbers, side: int) -> float:
        for at in _ENDS[:-1]:
            if beyond[np.searchsorted(EDGES, side * at)] <= BEYOND:
                return side * at
        return side * _ENDS[-1]

    return end(below, -1), end(above, 1)


def bars(share: Numbers, counted: int, left: float, right: float) -> Bars:
    """The bars of histograms, (R, B), of so many numbers or more each, between two bins' edges."""
    wide = 2.0 ** floor(log2((right - left) / MOST_BARS))
    while wide < WIDEST and wide * counted < FEW:
        wide *= 2
    within = np.flatnonzero((left <= EDGES) & (right >= EDGES))
    # From zero to either side as many bins are joined as a bar holds.
    joined = np.maximum(wide / np.diff(EDGES)[within - (EDGES[within] > 0)], 1)
    inner = within[(within - BINS // 2) % joined == 0]
    places = np.unique([within[0], *inner, within[-1]])
    below = np.concatenate([np.zeros((len(share), 1)), share.cumsum(axis=1)], axis=1)
    held = np.diff(below[:, places], axis=1)
    return Bars(EDGES[places], held, share.sum(axis=1) - held.sum(axis=1))
