"""What a function looks like: its outputs and slopes, by which functions are told apart.

Two formulas that give the same outputs are the same function, whatever they look like.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reluctant.activations.expression import Expression

Vector = NDArray[np.float64]

# Where outputs are compared: what pre-activations are, zero among them.
GRID = torch.linspace(-5, 5, 201, dtype=torch.float64)
_DIGITS = 8

# So many functions are remembered: 40 MB of them.
_KEPT = 16_384

# Where the surrogate looks: inputs that a network which is initialised well meets, as many
# wherever they are likely.
_PLACES = 48
# What parameters are set to as well, so that one that is learnt is told from none.
_MOVED = 1.375


@lru_cache(maxsize=_KEPT)
def outputs(function: Expression) -> Vector:
    """The outputs on the grid, and those with every parameter moved in turn."""
    found = [function(GRID)]
    for name in function.parameters:
        others = dict.fromkeys(function.parameters, 1.0)
        found.append(function(GRID, **{**others, name: _MOVED}))
    values: Vector = torch.cat(found).numpy()
    return values


def fingerprint(function: Expression) -> bytes:
    """Equal for functions whose outputs agree to eight digits; infinity and no number count."""
    values = outputs(function)
    with np.errstate(all="ignore"):
        sizes = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
        digit = 10.0 ** (np.floor(np.log10(sizes)) - _DIGITS + 1)
        whole = np.where(np.isfinite(values), np.rint(values / digit) * digit, values)
    # What is that near to zero is rounding; and there is one zero, and one nan.
    whole = np.where(np.abs(whole) < 1e-12, 0.0, whole)
    with np.errstate(over="ignore"):
        return np.where(np.isnan(whole), np.nan, whole).astype(np.float32).tobytes()


def distinct(functions: Iterable[Expression]) -> list[Expression]:
    """One formula for each function: the cheapest, and of those the shortest."""
    simplest: dict[bytes, Expression] = {}
    for function in functions:
        key = fingerprint(function)
        if key not in simplest or _plainness(function) < _plainness(simplest[key]):
            simplest[key] = function
    return list(simplest.values())


def _plainness(function: Expression) -> tuple[float, int, int]:
    return function.cost, function.size, len(str(function))


def is_finite(function: Expression) -> bool:
    """Whether all outputs on the grid are numbers."""
    return bool(np.isfinite(outputs(function)).all())


def is_constant(function: Expression) -> bool:
    """Whether the outputs on the grid are all the same."""
    values = outputs(function)[: len(GRID)]
    return bool(np.ptp(values) <= 1e-9 * (1 + np.abs(values).max()))


def is_straight(function: Expression) -> bool:
    """Whether the outputs on the grid lie on a line."""
    values = outputs(function)[: len(GRID)]
    bend = np.abs(np.diff(values, 2)).max()
    return bool(bend <= 1e-9 * (1 + np.abs(values).max()))


_QUANTILES = torch.special.ndtri((torch.arange(_PLACES, dtype=torch.float64) + 0.5) / _PLACES) * 1.5


@lru_cache(maxsize=_KEPT)
def _features(function: Expression) -> Vector:
    z = _QUANTILES.clone().requires_grad_()
    y = function(z)
    # A function without z in it has no slope.
    (slope,) = torch.autograd.grad(y.sum() + 0 * z.sum(), z)
    y = y.detach()
    # Large values are told apart by their order of size: asinh is straight near zero, then a log.
    parts = torch.cat([torch.asinh(y), torch.asinh(slope)]).nan_to_num(0, 10, -10) / _PLACES**0.5
    return np.append(parts.numpy(), 0.25 * len(function.parameters))


def mirrored(rows: Vector) -> Iterator[Vector]:
    """Features of a function, upside down, from behind, and both.

    The layers around a function are as likely to have one sign as the other when they are made,
    so that all four train alike.
    """
    y, slope, rest = np.split(rows, [_PLACES, 2 * _PLACES], axis=1)
    yield rows
    yield np.hstack([-y, -slope, rest])
    yield np.hstack([y[:, ::-1], -slope[:, ::-1], rest])
    yield np.hstack([-y[:, ::-1], slope[:, ::-1], rest])


def features(functions: Iterable[Expression]) -> Vector:
    """What the surrogate is told of each: outputs, slopes and how much is learnt; one row each."""
    return np.array([_features(at) for at in functions])
