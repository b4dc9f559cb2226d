"""Every function that is known, one entry each."""

from math import inf

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.activations.definition import Activation, Interval


def _spelled(name: str) -> tuple[str, ...]:
    """The usual spellings of a function of torch, in place or not."""
    return tuple(
        f"{home}{name}{ending}"
        for home in ("nn.functional.", "", "Tensor.")
        for ending in ("", "_")
    )


def _below(edge: float) -> tuple[Interval, ...]:
    return ((-inf, edge),)


def _leaky(z: Tensor, negative_slope: float) -> Tensor:
    return torch.where(z > 0, z, negative_slope * z)


def _leaky_flat(negative_slope: float) -> tuple[Interval, ...]:
    return _below(0.0) if negative_slope == 0 else ()


RECTIFIERS = (
    Activation(
        "relu",
        lambda z: z.clamp(min=0),
        _spelled("relu"),
        flat=lambda: _below(0.0),
        switches_off=True,
    ),
    Activation(
        "leaky_relu",
        _leaky,
        _spelled("leaky_relu"),
        {"negative_slope": 0.01},
        flat=_leaky_flat,
        switches_off=True,
    ),
    Activation(
        "prelu",
        _leaky,
        ("nn.functional.prelu", "prelu", "Tensor.prelu"),
        # The slope is a trainable tensor; a run keeps the value torch starts it at.
        {"negative_slope": 0.25},
        flat=_leaky_flat,
        switches_off=True,
    ),
    Activation(
        "rrelu",
        lambda z, lower, upper: _leaky(z, (lower + upper) / 2),
        _spelled("rrelu"),
        {"lower": 1 / 8, "upper": 1 / 3},
        flat=lambda lower, upper: (),
    ),
    Activation(
        "relu6",
        lambda z: z.clamp(0, 6),
        ("nn.functional.relu6",),
        flat=lambda: ((-inf, 0.0), (6.0, inf)),
        switches_off=True,
    ),
    Activation(
        "threshold",
        lambda z, threshold, value: torch.where(z > threshold, z, value),
        _spelled("threshold"),
        {"threshold": 0.0, "value": 0.0},
        flat=lambda threshold, value: _below(threshold),
        switches_off=True,
    ),
)

EXPONENTIAL = (
    Activation(
        "elu",
        lambda z, alpha: F.elu(z, alpha),
        _spelled("elu"),
        {"alpha": 1.0},
        zero_centred=True,
    ),
    Activation("selu", F.selu, _spelled("selu"), zero_centred=True),
    Activation(
        "celu",
        lambda z, alpha: F.celu(z, alpha),
        _spelled("celu"),
        {"alpha": 1.0},
        zero_centred=True,
    ),
    Activation(
        "softplus",
        lambda z, beta, threshold: F.softplus(z, beta, threshold),
        _spelled("softplus"),
        {"beta": 1.0, "threshold": 20.0},
        switches_off=True,
    ),
)

GATED = (
    Activation("silu", F.silu, _spelled("silu"), switches_off=True),
    Activation("gelu", F.gelu, ("nn.functional.gelu",), switches_off=True),
    Activation("mish", F.mish, _spelled("mish"), switches_off=True),
    Activation(
        "hardswish",
        F.hardswish,
        _spelled("hardswish"),
        flat=lambda: _below(-3.0),
        switches_off=True,
    ),
)

BOUNDED = (
    Activation("sigmoid", torch.sigmoid, (*_spelled("sigmoid"), "special.expit")),
    Activation("tanh", torch.tanh, _spelled("tanh"), zero_centred=True),
    Activation(
        "hardsigmoid",
        F.hardsigmoid,
        _spelled("hardsigmoid"),
        flat=lambda: ((-inf, -3.0), (3.0, inf)),
    ),
    Activation(
        "hardtanh",
        lambda z, min_val, max_val: z.clamp(min_val, max_val),
        _spelled("hardtanh"),
        {"min_val": -1.0, "max_val": 1.0},
        flat=lambda min_val, max_val: ((-inf, min_val), (max_val, inf)),
        zero_centred=True,
    ),
    Activation("logsigmoid", F.logsigmoid, ("nn.functional.logsigmoid",)),
    Activation("softsign", F.softsign, ("nn.functional.softsign",), zero_centred=True),
)

CATALOGUE: dict[str, Activation] = {
    activation.name: activation for activation in (*RECTIFIERS, *EXPONENTIAL, *GATED, *BOUNDED)
}
