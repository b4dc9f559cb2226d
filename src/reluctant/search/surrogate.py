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
# How much of what was expected counts: as the rest of the grid, what makes what was seen the
# likeliest.
_TRUST = (1.0, 0.5, 0.0)
# What was expected is spread no less than this, however much alike what was tried.
_LEAST = 0.3


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What was seen: one row of features for each function, and how well it did.

    Scores may be on any scale: the process sees their order, spread like a normal distribution.
    `expected` is what was thought of each before, in standard deviations; None for nothing.
    """

    seen: Vector
    scores: Sequence[float]
    expected: Vector | None = None

    def guess(self, asked: Vector, expected: Vector | None = None) -> tuple[Vector, Vector]:
        """The score of each row and its standard deviation, in standard deviations.

        Where something is `expected` of what was seen, it is to be said of what is asked as well.
        """
        length, factor, weights, trust = self._fit
        near = alike(asked, self.seen, length)
        mean: Vector = near @ weights
        if expected is not None:
            mean += trust * self._placed(expected)
        spread = 1 - np.square(np.linalg.solve(factor, near.T)).sum(0)
        return mean, np.sqrt(np.maximum(spread, 1e-12))

    def promise(self, asked: Vector, expected: Vector | None = None) -> Vector:
        """By how much each row is expected to be better than the best guess of what was seen."""
        mean, spread = self.guess(asked, expected)
        best = self.guess(self.seen, self.expected)[0].max()
        far = (mean - best) / spread
        better: Vector = far * cumulative(far) + np.exp(-(far**2) / 2) / np.sqrt(2 * np.pi)
        return spread * better

    def rank(self, asked: Vector, expected: Vector | None = None) -> Vector:
        """Which share of what was seen each row is guessed to be better than."""
        return cumulative(self.guess(asked, expected)[0])

    def _placed(self, expected: Vector) -> Vector:
        """What is expected, on the scale of what was seen.

        That is not what was drawn: as a rule it is what most was expected of.
        """
        own = self.expected if self.expected is not None else expected
        placed: Vector = (expected - own.mean()) / max(float(own.std()), _LEAST)
        return placed

    @cached_property
    def _fit(self) -> tuple[float, Vector, Vector, float]:
        """The length, the factor and the weights that are the likeliest, and the trust."""
        values = normal(self.scores)
        best: tuple[float, float, Vector, Vector, float] | None = None
        for length, noise in product(_LENGTHS, _NOISES):
            kernel = alike(self.seen, self.seen, length)
            noisy = kernel + noise * np.eye(len(values))
            factor = np.asarray(np.linalg.cholesky(noisy), dtype=np.float64)
            for trust in _TRUST if self.expected is not None else (0.0,):
                rest = values
                if self.expected is not None:
                    rest = values - trust * self._placed(self.expected)
                weights: Vector = np.linalg.solve(factor.T, np.linalg.solve(factor, rest))
                evidence = float(-rest @ weights / 2 - np.log(np.diag(factor)).sum())
                if best is None or evidence > best[0]:
                    best = evidence, length, factor, weights, trust
        assert best is not None
        return best[1:]


def normal(scores: Sequence[float]) -> Vector:
    """The scores' ranks as quantiles of the normal distribution; equal scores stay equal."""
    values = np.asarray(scores, dtype=float)
    below = (values[:, None] > values).mean(1) + (values[:, None] == values).mean(1) / 2
    return _quantile(below)


def alike(one: Vector, other: Vector, length: float) -> Vector:
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
