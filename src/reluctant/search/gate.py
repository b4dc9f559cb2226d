"""What a function must be before it meets training: each refusal is one sentence."""

from functools import cache

import torch

from reluctant.activations.expression import VARIABLE, Expression
from reluctant.search import grammar, shape

# A ReLU costs one. Beyond this a function takes longer than the layer before it, mostly.
DEAREST = 16.0

# What a network may come by, before it has diverged for sure.
_RANGE = torch.cat(
    [
        torch.linspace(-32, 32, 4097, dtype=torch.float64),
        torch.tensor([sign * 10.0**power for sign in (-1, 1) for power in (-30, -8, -3, 2, 3, 4)]),
    ]
)


def refusal(function: Expression, dearest: float = DEAREST) -> str | None:
    """Why this function is not to be trained with; None if it may be."""
    if VARIABLE not in _leaves(function):
        return "It does not depend on z."
    if function.cost > dearest:
        return f"It takes {function.cost:g} elementwise passes, and {dearest:g} are allowed."
    for dtype in (torch.float64, torch.float32):
        z = _RANGE.to(dtype).requires_grad_()
        with torch.enable_grad():
            y = function(z)
            # Where nothing but constants is left, there is no slope.
            (slope,) = torch.autograd.grad((y + 0 * z).sum(), z)
        for what, values in (("value", y), ("gradient", slope)):
            bad = z[~values.isfinite()]
            if len(bad):
                at = float(bad[bad.abs().argmin()].detach())
                return f"Its {what} at z = {at:g} is not a finite number."
    if shape.is_constant(function):
        return "It is constant: nothing could be learnt through it."
    if shape.is_straight(function):
        return "It is a straight line: layers with it compute no more than one layer."
    return None


@cache
def passed() -> tuple[Expression, ...]:
    """The functions of the base grammar that may be trained with."""
    return tuple(at for at in grammar.functions() if refusal(at) is None)


def _leaves(function: Expression) -> set[str]:
    if not function.arguments:
        return {function.head}
    return set().union(*map(_leaves, function.arguments))
