"""The operations that expressions are made of, each with torch's function for it.

torch's functions are taken here and now: `run --swap` replaces torch's names later, not these.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Operation:
    """One function of one argument or two: how it is written, and what computes it.

    `sign` and `rank` are those of an infix operator: the higher the rank, the closer it binds.
    `cost` is about how many of torch's elementwise passes it takes, forward and back.
    """

    name: str
    arity: int
    compute: Callable[..., Any]
    cost: float = 1.0
    sign: str = ""
    rank: int = 0


def _by_name(*operations: Operation) -> dict[str, Operation]:
    return {at.name: at for at in operations}


def _softsign(z: Tensor) -> Tensor:
    return z / (1 + z.abs())


UNARY = _by_name(
    Operation("neg", 1, torch.neg, sign="-", rank=3),
    Operation("abs", 1, torch.abs),
    Operation("inverse", 1, torch.reciprocal),
    Operation("square", 1, torch.square),
    Operation("exp", 1, torch.exp, 2),
    Operation("expm1", 1, torch.expm1, 2),
    Operation("sigmoid", 1, torch.sigmoid, 2),
    Operation("logsigmoid", 1, F.logsigmoid, 2),
    Operation("sinh", 1, torch.sinh, 3),
    Operation("cosh", 1, torch.cosh, 3),
    Operation("tanh", 1, torch.tanh, 2),
    Operation("asinh", 1, torch.asinh, 3),
    Operation("atan", 1, torch.atan, 2),
    Operation("erf", 1, torch.erf, 2),
    Operation("erfc", 1, torch.erfc, 2),
    Operation("relu", 1, torch.relu),
    Operation("elu", 1, F.elu, 2),
    Operation("selu", 1, torch.selu, 2),
    Operation("silu", 1, F.silu, 2),
    Operation("softplus", 1, F.softplus, 2),
    Operation("softsign", 1, _softsign, 3),
    Operation("hardsigmoid", 1, F.hardsigmoid),
    Operation("i0e", 1, torch.special.i0e, 4),
    Operation("i1e", 1, torch.special.i1e, 4),
    Operation("sin", 1, torch.sin, 2),
    Operation("cos", 1, torch.cos, 2),
)

BINARY = _by_name(
    Operation("add", 2, operator.add, sign="+", rank=1),
    Operation("sub", 2, operator.sub, sign="-", rank=1),
    Operation("mul", 2, operator.mul, sign="*", rank=2),
    Operation("div", 2, operator.truediv, sign="/", rank=2),
    Operation("pow", 2, torch.pow, 3, sign="**", rank=4),
    Operation("max", 2, torch.maximum),
    Operation("min", 2, torch.minimum),
)

OPERATIONS = UNARY | BINARY
