"""The mathematics of the catalogue, evaluated with hundreds of digits."""

from functools import cache
from typing import Any

import mpmath
import sympy

from reluctant.activations import Activation

# exp(-700) beside 1 has to keep its digits.
mpmath.mp.dps = 400


def _erfc(x: mpmath.mpf) -> mpmath.mpf:
    # mpmath overflows beyond 1e154, where the function is 0 or 2 to any number of digits.
    return mpmath.erfc(min(max(x, mpmath.mpf(-(10**100))), mpmath.mpf(10**100)))


@cache
def _function(formula: str, names: tuple[str, ...], order: int) -> Any:
    symbols = [sympy.Symbol(name, real=True) for name in names]
    found = sympy.sympify(formula, locals=dict(zip(names, symbols, strict=True)))
    for _ in range(order):
        found = sympy.diff(found, symbols[0])
    return sympy.lambdify(symbols, found, modules=[{"erfc": _erfc}, "mpmath"])


def exact(activation: Activation, z: float, order: int = 0, **parameters: float) -> mpmath.mpf:
    """The function (or its derivative of an order) at z, away from its kinks."""
    names = ("z", *activation.parameters)
    numbers = map(mpmath.mpf, (z, *activation.values(**parameters).values()))
    return mpmath.mpf(_function(activation.formula, names, order)(*numbers))
