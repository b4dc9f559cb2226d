"""Tells what a call of a torch function is: which activation, or a product with a weight."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.activations import CATALOGUE, Activation

Arguments = tuple[Any, ...]


# The function in whose place the one that is called now stands, by name; '' if in none's.
standing_for: ContextVar[str] = ContextVar("standing_for", default="")


class Call(NamedTuple):
    """An activation and the values of its parameters in one call."""

    activation: Activation
    parameters: Mapping[str, float]

    @property
    def keeps_zero(self) -> bool:
        """Whether it gives zero for zero."""
        zero = torch.zeros(1, dtype=torch.float64, device="cpu")
        return not bool(self.activation(zero, **self.parameters).any())


def _function(path: str) -> Callable[..., Any] | None:
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
    return found  # type: ignore[no-any-return]


# The function object in torch -> the activation it computes. Versions differ in what they have.
_SPELLINGS: dict[Callable[..., Any], Activation] = {
    function: activation
    for activation in CATALOGUE.values()
    for path in activation.calls
    if (function := _function(path)) is not None
}

_CLAMPS = {
    function
    for name in ("clamp", "clamp_", "clip", "clip_")
    for home in (torch, Tensor)
    if (function := getattr(home, name, None)) is not None
}
_CLAMP_MINS = {
    function
    for name in ("clamp_min", "clamp_min_")
    for home in (torch, Tensor)
    if (function := getattr(home, name, None)) is not None
}

KNOWN = set(_SPELLINGS) | _CLAMPS | _CLAMP_MINS


# Functions that multiply an input by a weight: where those stand among the arguments, and in
# which dimension of the input the features are.
PRODUCTS: dict[Callable[..., Any], tuple[int, int, int]] = {
    F.linear: (0, 1, -1),
    torch.matmul: (0, 1, -1),
    torch.mm: (0, 1, -1),
    Tensor.matmul: (0, 1, -1),
    Tensor.mm: (0, 1, -1),
    Tensor.__matmul__: (0, 1, -1),
    torch.addmm: (1, 2, -1),
    **{getattr(F, f"conv{n}d"): (0, 1, 1) for n in (1, 2, 3)},
    **{getattr(F, f"conv_transpose{n}d"): (0, 1, 1) for n in (1, 2, 3)},
    **{getattr(torch, name): (0, 2, -1) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}


def know_ours() -> None:
    """Recognise the calls of `reluctant.functional` too, once somebody has imported it."""
    from reluctant import functional

    ours = {functional.function(name): activation for name, activation in CATALOGUE.items()}
    _SPELLINGS.update(ours)
    KNOWN.update(ours)


def know(function: Callable[..., Any], activation: Activation) -> None:
    """Recognise the calls of one more, which computes this."""
    _SPELLINGS[function] = activation
    KNOWN.add(function)


def recognise(
    function: Callable[..., Any], args: Arguments, kwargs: Mapping[str, Any]
) -> Call | None:
    """The activation that this call computes; None if it computes none.

    `x.clamp(min=0)` is a ReLU and `x.clamp(-1, 1)` a hard tanh; `x.clamp(max=5)` is neither.
    """
    activation = _SPELLINGS.get(function)
    if activation is not None and activation.name == "hardtanh":
        # torch's ReLU6 is a hard tanh from 0 to 6.
        return _clamp(*_parameters(activation, args, kwargs).values())
    if activation is CATALOGUE["gelu"] and kwargs.get("approximate", "none") == "tanh":
        activation = CATALOGUE["gelu_tanh"]
    if activation is not None:
        return Call(activation, _parameters(activation, args, kwargs))
    low = args[1] if len(args) > 1 else kwargs.get("min")
    high = None
    if function not in _CLAMP_MINS:
        high = args[2] if len(args) > 2 else kwargs.get("max")
    return _clamp(low, high)


def _clamp(low: Any, high: Any) -> Call | None:
    if not isinstance(low, int | float) or not isinstance(high, int | float | None):
        return None
    if high is None:
        return Call(CATALOGUE["relu"], {}) if low == 0 else None
    if (low, high) == (0, 6):
        return Call(CATALOGUE["relu6"], {})
    return Call(CATALOGUE["hardtanh"], {"min_val": float(low), "max_val": float(high)})


def _parameters(
    activation: Activation, args: Arguments, kwargs: Mapping[str, Any]
) -> dict[str, float]:
    values = {}
    for position, (name, default) in enumerate(activation.parameters.items(), start=1):
        value = args[position] if len(args) > position else kwargs.get(name, default)
        # A trainable slope (PReLU's) is not read here: that would wait for the device.
        values[name] = float(value) if isinstance(value, int | float) else default
    return values
