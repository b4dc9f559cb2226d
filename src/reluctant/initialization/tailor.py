"""`tailor(model)`: the leaky slope that gives a network of some depth its signal.

Tailored activation transformation of rectifiers (Zhang, Botev and Martens 2022, arXiv 2203.08120).
"""

from dataclasses import dataclass
from math import acos, pi, sqrt
from typing import Any

import torch
from torch import nn

from reluctant.errors import NotInitialized, WrongArgument
from reluctant.initialization.initialize import initialize, understood
from reluctant.initialization.initialized import Initialized
from reluctant.initialization.network import bare
from reluctant.initialization.rehearsal import inputs_of
from reluctant.swapping import Swapped, swap


@dataclass(frozen=True)
class Tailored:
    """The slope below zero, the depth that it is for, what was replaced, and the weights."""

    slope: float
    depth: int
    swapped: tuple[Swapped, ...]
    initialized: Initialized

    def __str__(self) -> str:
        swapped = f"{len(self.swapped)} rectifiers leak {self.slope:.3g} of what is below zero"
        return f"{swapped}, for {self.depth} of them one after another.\n{self.initialized}"


def correlation(between: float, slope: float) -> float:
    """What a leaky rectifier makes of the correlation between two standard normal numbers.

    In wide layers, with weights that keep the second moment.
    """
    between = max(-1.0, min(1.0, between))
    bent = (1 - slope) ** 2 / (pi * (1 + slope**2))
    return between + bent * (sqrt(1 - between**2) - between * acos(between))


def through(depth: int, slope: float) -> float:
    """The correlation behind so many of them of two inputs that had none."""
    between = 0.0
    for _ in range(depth):
        between = correlation(between, slope)
    return between


def slope_for(depth: int, goal: float = 0.9) -> float:
    """The least leaky slope with which two unlike inputs end with a correlation of `goal` at most.

    At a slope of 1, which is a linear network, they keep having none; at 0, which is ReLU, behind
    some dozen layers all inputs look alike.

    Raises:
        WrongArgument: there is no such depth or correlation.
    """
    if depth < 1:
        raise WrongArgument.against("depth", "depth >= 1", {"it": depth})
    if not 0 < goal < 1:
        raise WrongArgument.against("correlation", "0 < correlation < 1", {"it": goal})
    low, high = 0.0, 1.0
    if through(depth, low) <= goal:
        return low
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if through(depth, middle) > goal else (low, middle)
    return high


def tailor(
    model: nn.Module,
    *,
    depth: int | None = None,
    correlation: float = 0.9,
    inputs: Any = None,
    generator: torch.Generator | None = None,
) -> Tailored:
    """Replace the ReLU modules by leaky ones whose slope suits the depth, and set the weights.

    The alternative to mirrored weights for plain deep networks: orthogonal weights, and a slope at
    which inputs are told apart at the far end. Calls in the code of `forward` are not replaced: for
    those, `slope_for` gives the slope and `reluctant run --swap relu=leaky_relu:SLOPE` sets it.

    Args:
        model: changed in place; build the optimizer afterwards.
        depth: how many rectifiers there are one after another; None to count them.
        correlation: that of two unlike inputs at the far end, between 0 and 1.
        inputs: a batch, for a model that cannot be traced, as for `initialize`.
        generator: of the weights, as for `initialize`.

    Raises:
        WrongArgument: there is no such depth or correlation.
        NotInitialized: no ReLU is a module, or what `initialize` raises.
    """
    given = None if inputs is None else inputs_of(inputs)
    if depth is None:
        depth = understood(bare(model), given).longest("relu")
        if depth == 0:
            raise NotInitialized.because(
                "there is no ReLU to be tailored",
                "`reluctant.initialize(model)` is for any function.",
            )
    slope = slope_for(depth, correlation)
    swapped = swap(model, "relu", f"leaky_relu:{slope!r}")
    if not swapped:
        raise NotInitialized.because(
            "no ReLU is a module that can be replaced",
            f"For calls in code, `reluctant run --swap relu=leaky_relu:{slope:.4g}`.",
        )
    made = initialize(model, "orthogonal", inputs=inputs, generator=generator)
    return Tailored(slope, depth, swapped, made)
