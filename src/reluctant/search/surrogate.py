"""Guesses how well functions do from those that were tried: functions that look alike do alike.

A Gaussian process with one length for all (Rasmussen and Williams 2006, algorithm 2.1); length
and noise are those of a small grid that make what was seen the likeliest (equation 2.30).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch

from reluctant.search.shape import Vector, mirrored

_LENGTHS = (0.3, 0.6, 1.2, 2.4)
_NOISES = (0.05, 0.2, 0.5)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What was seen: one row of features for each function, and how well it did.

    Scores may be on any scale: the process sees their order, spread like a normal distribution.
    """

    seen: Vector
    scores: Sequence[float]

    def guess(self, asked: Vector) -> tuple[Vector, Vector]:
        """The expected score of each row and its standard deviation, in standard deviations."""
        length, factor, weights = self._fit
        near = _kernel(asked, self.seen, length)
        mean: Vector = near @ weights
        spread = 1 - np.square(np.linalg.solve(factor, near.T)).sum(0)
        return mean, np.sqrt(np.maximum(spread, 1e-12))

    def promise(self, asked: Vector) -> Vector:
        """By how much each row is expected to be better than the best guess of what was seen."""
        mean, spread = self.guess(asked)
        best = self.guess(self.seen)[0].max()
        far = (mean - best) / spread
        better: Vector = far * cumulative(far) + np.exp(-(far**2) / 2) / np.sqrt(2 * np.pi)
        return spread * better

    @cached_property
    def _fit(self) -> tuple[float, Vector, Vector]:
        values = normal(self.scores)
        best: tuple[float, float, Vector, Vector] | None = None
        for length, noise in product(_LENGTHS, _NOISES):
            kernel = _kernel(self.seen, self.seen, length)
            noisy = kernel + noise * np.eye(len(values))
            factor = np.asarray(np.linalg.cholesky(noisy), dtype=np.float64)
            weights: Vector = np.linalg.solve(factor.T, np.linalg.solve(factor, values))
            evidence = float(-values @ weights / 2 - np.log(np.diag(factor)).sum())
            if best is None or evidence > best[0]:
                best = evidence, length, factor, weights
        assert best is not None
        return best[1:]


def normal(scores: Sequence[float]) -> Vector:
    """The scores' ranks as quantiles of the normal distribution; equal scores stay equal."""
    values = np.asarray(scores, dtype=float)
    below = (values[:, None] > values).mean(1) + (values[:, None] == values).mean(1) / 2
    return _quantile(below)


def _kernel(one: Vector, other: Vector, length: float) -> Vector:
    """How alike the functions of two sets of rows are, whichever way they are mirrored."""
    own = [_self(at, length) for at in (one, other)]
    whole = sum(_near(at, other, length) for at in mirrored(one))
    found: Vector = whole / np.sqrt(np.outer(*own))
    return found


def _self(rows: Vector, length: float) -> Vector:
    found = np.zeros(len(rows))
    for at in mirrored(rows):
        found += _matern(np.square(rows - at).sum(1), length)
    return found


def _near(one: Vector, other: Vector, length: float) -> Vector:
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1) - 2 * one @ other.T
    return _matern(squares, length)


def _matern(squares: Vector, length: float) -> Vector:
    # Rougher than a squared exponential: one kink or tail makes a difference (smoothness 3/2).
    distance = np.sqrt(3 * np.maximum(squares, 0)) / length
    found: Vector = (1 + distance) * np.exp(-distance)
    return found


def cumulative(values: Vector) -> Vector:
    """The normal distribution's probability of less than each."""
    found: Vector = torch.special.ndtr(torch.from_numpy(values)).numpy()
    return found


def _quantile(shares: Vector) -> Vector:
    found: Vector = torch.special.ndtri(torch.from_numpy(shares)).numpy()
    return found
