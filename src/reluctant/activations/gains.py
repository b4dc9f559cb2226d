"""What a function does to a standard normal input on average: the gains of initialisation."""

from collections.abc import Callable, Iterable
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from reluctant.activations.definition import Activation

# Gauss and Legendre's rule on panels this wide, at whose edges the kinks are, is right to ten
# digits; beyond 12 standard deviations lies a share of 4e-33.
_REACH, _PANEL, _POINTS = 12.0, 0.25, 16


def _mean_square(values: Callable[[Tensor], Tensor], kinks: Iterable[float] = ()) -> float:
    """E values(z)^2 for z ~ N(0, 1)."""
    even = np.arange(-_REACH, _REACH + _PANEL, _PANEL)
    inside = [kink for kink in kinks if -_REACH < kink < _REACH]
    edges = torch.from_numpy(np.unique([*even, *inside]))
    points, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(_POINTS))
    half = edges.diff()[:, None] / 2
    at = edges[:-1, None] + half * (1 + points)
    density = torch.exp(-0.5 * at.square()) / sqrt(2 * torch.pi)
    return float((values(at).square() * density * weights * half).sum())


def _kinks(activation: Activation, parameters: dict[str, float]) -> list[float]:
    return [kink for kink, _ in activation.kinks(**activation.values(**parameters))]


def forward_gain(activation: Activation, **parameters: float) -> float:
    """The factor on weights of variance 1/fan_in that keeps the second moment of the signal.

    1 / sqrt(E f(z)^2) for z ~ N(0, 1); sqrt(2) for ReLU (He et al. 2015, arXiv 1502.01852,
    equation 10). Infinite for a function that is zero wherever such a z lies.
    """
    square = _mean_square(lambda at: activation(at, **parameters), _kinks(activation, parameters))
    return _gain(square)


def backward_gain(activation: Activation, **parameters: float) -> float:
    """The factor on weights of variance 1/fan_out that keeps the variance of the gradient.

    1 / sqrt(E f'(z)^2) for z ~ N(0, 1) (He et al. 2015, arXiv 1502.01852, equation 14).
    """
    values = activation.values(**parameters)
    square = _mean_square(
        lambda at: activation.derivative(at, **values), _kinks(activation, parameters)
    )
    return _gain(square)


def mirrored_gain(activation: Activation, **parameters: float) -> float:
    """The factor on orthogonal weights that read units in pairs of opposite sign as one number.

    They get f(z) - f(-z), which of ReLU and of every z g(z) with g(z) + g(-z) = 1, such as SiLU and
    GELU, is z: of these it is 1. Of others it is 1 over the slope that it has at zero, where
    neither the signal nor its gradient grows through depth (of tanh, 1/2 for it counts twice).
    """
    if is_mirrored_line(activation, **parameters):
        return 1 / _odd(activation, torch.ones((), dtype=torch.float64), **parameters).item()
    small = torch.tensor(_SMALL, dtype=torch.float64)
    slope = _odd(activation, small, **parameters).item() / _SMALL
    return 1 / slope if slope > 0 else float("inf")


_SMALL = 1e-4


def _odd(activation: Activation, at: Tensor, **parameters: float) -> Tensor:
    return activation(at, **parameters) - activation(-at, **parameters)


def is_mirrored_line(activation: Activation, **parameters: float) -> bool:
    """Whether f(z) - f(-z) is a straight rising line, so that mirrored pairs pass all through."""
    at = torch.linspace(0.01, 6, 600, dtype=torch.float64)
    ratio = _odd(activation, at, **parameters) / at
    return bool(ratio[0] > 0) and bool(((ratio / ratio[0] - 1).abs() < 1e-6).all())


def is_odd(activation: Activation, **parameters: float) -> bool:
    """Whether f(-z) = -f(z): what passes is centred already."""
    at = torch.linspace(0.01, 6, 600, dtype=torch.float64)
    both = activation(at, **parameters) + activation(-at, **parameters)
    return bool((both.abs() < 1e-9).all())


def largest_gain(pieces: int) -> float:
    """The gain of the largest of so many independent inputs: their maximum has density k p F^(k-1).

    Goodfellow et al. 2013, arXiv 1302.4389, for the function.
    """

    def values(at: Tensor) -> Tensor:
        below = 0.5 * torch.erfc(-at / sqrt(2))
        return at * (pieces * below ** (pieces - 1)).sqrt()

    return _gain(_mean_square(values))


def _gain(square: float) -> float:
    return 1 / sqrt(square) if square > 0 else float("inf")
