"""What a function does to a standard normal input on average: the gains of initialisation."""

from collections.abc import Callable, Iterable
from math import exp, inf, sqrt

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


def lasting_gain(
    activation: Activation, depth: int, mirrored: bool, **parameters: float
) -> tuple[float, float]:
    """The gain of orthogonal weights for so many layers, and the standard deviation it is for.

    With it, what goes into the function keeps that deviation from layer to layer, and the variance
    of the gradient grows by no more than a factor of e over all of them (after Schoenholz et al.
    2017, arXiv 1611.01232: the edge of chaos is where it grows by none). Of mirrored pairs, which
    are read as one number, the function is f(z) - f(-z): of ReLU, and of every z g(z) with
    g(z) + g(-z) = 1, such as SiLU and GELU, it is z, and the gain 1 at any depth. Functions that
    bend, such as tanh, are used where they are nearly straight. The gain is infinite where there is
    none.
    """
    values = activation.values(**parameters)
    bends = _kinks(activation, parameters)
    both = sorted({*bends, *(-bend for bend in bends)})

    def output(at: Tensor) -> Tensor:
        y = activation(at, **parameters)
        return y - activation(-at, **parameters) if mirrored else y

    def slope(at: Tensor) -> Tensor:
        y = activation.derivative(at, **values)
        return y + activation.derivative(-at, **values) if mirrored else y

    def gain_and_growth(size: float) -> tuple[float, float]:
        kinks = [bend / size for bend in both]
        passed = _mean_square(lambda at: output(size * at) / size, kinks)
        gain = _gain(passed)
        return gain, gain**2 * _mean_square(lambda at: slope(size * at), kinks)

    most = exp(1 / depth)
    low, high = _SMALLEST, 1.0
    if gain_and_growth(high)[1] <= most:
        return gain_and_growth(high)[0], high
    if gain_and_growth(low)[1] > most:
        return inf, high
    while high / low > 1 + 1e-6:
        middle = sqrt(low * high)
        low, high = (low, middle) if gain_and_growth(middle)[1] > most else (middle, high)
    return gain_and_growth(low)[0], low


# Of a smaller standard deviation no function of the catalogue would have any use.
_SMALLEST = 1e-3


def is_mirrored_line(activation: Activation, **parameters: float) -> bool:
    """Whether f(z) - f(-z) is a straight rising line, so that mirrored pairs pass all through."""
    at = torch.linspace(0.01, 6, 600, dtype=torch.float64, device="cpu")
    ratio = (activation(at, **parameters) - activation(-at, **parameters)) / at
    return bool(ratio[0] > 0) and bool(((ratio / ratio[0] - 1).abs() < 1e-6).all())


def is_odd(activation: Activation, **parameters: float) -> bool:
    """Whether f(-z) = -f(z): what passes is centred already."""
    at = torch.linspace(0.01, 6, 600, dtype=torch.float64, device="cpu")
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
