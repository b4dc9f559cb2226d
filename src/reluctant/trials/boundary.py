"""How large a t statistic must be that is looked at again and again, exactly.

Of normal numbers with a mean of zero and any spread, the next t depends on nothing but the last: it
is a chain of one dimension, and the share of chains that has crossed a boundary by a look can be
had by integration, look for look (Armitage, McPherson and Rowe 1969). So are the boundaries that
spend an error as planned (Lan and DeMets 1983, Biometrika 70, 659), for Student's t itself and not
by the usual normal approximation, which is wrong after few numbers.

Seen as a vector of length R, n numbers stand at an angle to all vectors whose mean is zero: t is
sqrt(n - 1) times its tangent. One number more, x, turns the vector by the angle whose tangent is
x / R, and sqrt(n) x / R is Student's with n degrees of freedom, whatever the angle was.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import atan, inf, pi, sqrt, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]

# Cells of the angle; with twice as many, boundaries change by less than one per cent where more
# than a millionth is spent.
CELLS = 200


@lru_cache
def boundary(spent: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided boundary for t, look for look.

    Args:
        spent: the error that may have been made by the looks at 2, 3, ... numbers; it rises.

    Returns:
        What t exceeds, at that look or before, with just that probability.
    """
    found: list[float] = []
    angles = mass = np.empty(0)
    for count, (before, upto) in enumerate(zip((0.0, *spent), spent, strict=False), start=2):
        share = upto - before
        if count == 2:
            edge = atan(-float(stdtrit(1, share))) if share > 0 else pi / 2
            edges = np.linspace(-pi / 2, edge, CELLS + 1)
            mass = np.diff(stdtr(1, np.tan(edges)))
        else:
            edge = _edge(angles, mass, count, share)
            edges = np.linspace(-pi / 2, edge, CELLS + 1)
            mass = np.diff(_below(edges, angles, count) @ mass)
        angles = (edges[1:] + edges[:-1]) / 2
        found.append(sqrt(count - 1) * tan(edge) if edge < pi / 2 else inf)
    return tuple(found)


def _edge(angles: Floats, mass: Floats, count: int, share: float) -> float:
    """The angle beyond which this share of the chains goes in this step, by halving."""
    low, high = 0.0, pi / 2
    if share <= 0:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        if float(_above(middle, angles, count) @ mass) > share:
            low = middle
        else:
            high = middle
    return high


def _below(edges: Floats, angles: Floats, count: int) -> Floats:
    """With which probability the next angle is below each edge, (edges, angles)."""
    start, half, _ = _turn(edges[:, None], angles, count)
    inside = _student(half - start, count) - _student(-pi - half - start, count)
    beyond: Floats = inside + 1 - _student(pi - half - start, count)
    return beyond


def _above(edge: float, angles: Floats, count: int) -> Floats:
    """The same above one edge that is above zero, to the last digit however small it is."""
    start, half, reached = _turn(edge, angles, count)
    share: Floats = _student(start - half, count) - _student(start + half - pi, count)
    return np.where(reached, np.clip(share, 0, 1), 0)


def _turn(edge: Any, angles: Floats, count: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """By which turns from where these angles start the next sine is that of the edge."""
    sine = np.sin(angles)
    length = np.sqrt(1 + (count - 1) * sine**2)
    share = np.sin(edge) * sqrt(count) / length
    start: Floats = np.arctan(sqrt(count - 1) * sine)
    return start, np.arcsin(np.clip(share, -1, 1)), share < 1


def _student(turn: Floats, count: int) -> Floats:
    """With which probability a number more turns by less than this."""
    within = np.clip(turn, -pi / 2, pi / 2)
    share: Floats = stdtr(count - 1, sqrt(count - 1) * np.tan(within))
    return share


def spending(error: float, early: float, planned: int, look: int, last: bool) -> Sequence[float]:
    """What of an error may have been spent by each look up to this one.

    Of the share `early` a part goes with each number that is seen on the way to those planned, and
    all that is left at the look that is the last.
    """
    spent = [error * early * at / planned for at in range(2, look + 1)]
    return [*spent[:-1], error] if last else spent
