"""The input times a gate that it opens itself."""

from math import inf, pi, sqrt

import torch
from torch import Tensor

from reluctant.activations.definition import Activation, spelled

# The tanh form of GELU is x sigmoid(2 u) with u = sqrt(2/pi) (x + 0.044715 x^3).
ROOT = sqrt(2 / pi)
CUBE = 0.044715


def _gated(z: Tensor, inner: Tensor) -> Tensor:
    """z sigmoid(inner), by halves of the exponent: the gate alone would underflow too early."""
    half = torch.exp(-0.5 * inner.abs())
    return torch.where(inner < 0, z * half * half, z) / (1 + half * half)


def _gated_slope(inner: Tensor, rise: Tensor) -> Tensor:
    """The derivative of z sigmoid(inner), where `rise` is z times the derivative of `inner`."""
    half = torch.exp(-0.5 * inner.abs())
    whole = 1 + half * half
    below = half * (1 + rise / whole) * half / whole
    above = 1 / whole + rise * half * half / (whole * whole)
    # Far out `rise` is infinite and the gate shut: the product's limit is zero.
    below, above = below.nan_to_num(nan=0.0), above.nan_to_num(nan=1.0)
    return torch.where(inner < 0, below, above)


def _swish(z: Tensor, beta: float) -> Tensor:
    return _gated(z, beta * z)


def _swish_slope(z: Tensor, beta: float) -> Tensor:
    return _gated_slope(beta * z, beta * z)


def _gaussian(z: Tensor) -> Tensor:
    """The normal distribution function, accurate also far below zero."""
    return 0.5 * torch.erfc(-z / sqrt(2))


def _gelu_slope(z: Tensor) -> Tensor:
    density = torch.exp(-0.5 * z * z) / sqrt(2 * pi)
    return _gaussian(z) + z * density


def _gelu_tanh_inner(z: Tensor) -> Tensor:
    return 2 * ROOT * z * (1 + CUBE * z * z)


def _gelu_tanh_slope(z: Tensor) -> Tensor:
    return _gated_slope(_gelu_tanh_inner(z), 2 * ROOT * z * (1 + 3 * CUBE * z * z))


def _mish(z: Tensor) -> Tensor:
    """z tanh(softplus(z)) by one exponential: with e = exp(-|z|) nothing overflows.

    tanh(log(1 + e^z)) is (1 + 2 e) / (1 + 2 e + 2 e^2) above zero, and with e (2 + e) =: n it is
    n / (n + 2) below.
    """
    half = torch.exp(-0.5 * z.abs())
    small = half * half
    above = z * (1 + 2 * small) / (1 + 2 * small + 2 * small * small)
    below = z * half * half * (small + 2) / (small * (small + 2) + 2)
    return torch.where(z < 0, below, above)


def _mish_slope(z: Tensor) -> Tensor:
    """gate + z sigmoid(z) (1 - gate^2), with e as above.

    1 - gate^2 is 4 (1 + n) / (n + 2)^2 below zero, and 4 e^2 (1 + e)^2 / d^2 above, with
    d = 1 + 2 e + 2 e^2.
    """
    half = torch.exp(-0.5 * z.abs())
    small = half * half
    whole = 1 + 2 * small + 2 * small * small
    turn = z * half * half
    above = (1 + 2 * small) / whole + 4 * turn * small * (1 + small) / (whole * whole)
    much = small * (small + 2)
    open_ = (small + 2) / (much + 2)
    rest = 4 * (1 + much) / ((much + 2) * (much + 2))
    below = half * (open_ + z / (1 + small) * rest) * half
    return torch.where(z < 0, below.nan_to_num(nan=0.0), above.nan_to_num(nan=1.0))


def _hardswish_slope(z: Tensor) -> Tensor:
    middle = z / 3 + 0.5
    return torch.where(z <= -3, 0.0, torch.where(z < 3, middle, torch.ones_like(z)))


silu = Activation(
    "silu",
    module="SiLU",
    formula="z/(1 + exp(-z))",
    latex=r"z \, \sigma(z)",
    compute=lambda z: _swish(z, 1.0),
    derivative=lambda z: _swish_slope(z, 1.0),
    reference="Elfwing, Uchibe and Doya 2018, arXiv 1702.03118, equation 5",
    calls=spelled("silu"),
    range=lambda: (-0.27846454276107374, inf),
    switches_off=True,
    monotone=False,
)

swish = Activation(
    "swish",
    module="Swish",
    formula="z/(1 + exp(-beta*z))",
    latex=r"z \, \sigma(\beta z)",
    compute=_swish,
    derivative=_swish_slope,
    reference="Ramachandran, Zoph and Le 2017, arXiv 1710.05941, section 2",
    parameters={"beta": 1.0},
    trainable=frozenset({"beta"}),
    range=lambda beta: (-0.27846454276107374 / beta, inf) if beta > 0 else (-inf, inf),
    switches_off=True,
    monotone=False,
)

gelu = Activation(
    "gelu",
    module="GELU",
    formula="z*erfc(-z/sqrt(2))/2",
    latex=r"z \, \Phi(z)",
    compute=lambda z: z * _gaussian(z),
    derivative=_gelu_slope,
    reference="Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2",
    calls=("nn.functional.gelu",),
    range=lambda: (-0.16997120747990369, inf),
    switches_off=True,
    monotone=False,
)

gelu_tanh = Activation(
    "gelu_tanh",
    module="GELUTanh",
    formula="z/(1 + exp(-2*sqrt(2/pi)*(z + Rational(44715, 1000000)*z**3)))",
    latex=r"\tfrac{z}{2} (1 + \tanh(\sqrt{2/\pi} (z + 0.044715 z^3)))",
    compute=lambda z: _gated(z, _gelu_tanh_inner(z)),
    derivative=_gelu_tanh_slope,
    reference="Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2",
    range=lambda: (-0.17004075057125412, inf),
    switches_off=True,
    monotone=False,
)

quick_gelu = Activation(
    "quick_gelu",
    module="QuickGELU",
    formula="z/(1 + exp(-Rational(1702, 1000)*z))",
    latex=r"z \, \sigma(1.702 z)",
    compute=lambda z: _swish(z, 1.702),
    derivative=lambda z: _swish_slope(z, 1.702),
    reference="Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2",
    range=lambda: (-0.27846454276107374 / 1.702, inf),
    switches_off=True,
    monotone=False,
)

mish = Activation(
    "mish",
    module="Mish",
    formula="z*tanh(log(1 + exp(z)))",
    latex=r"z \tanh(\log(1 + e^z))",
    compute=_mish,
    derivative=_mish_slope,
    reference="Misra 2019, arXiv 1908.08681, equation 1",
    calls=spelled("mish"),
    range=lambda: (-0.30884341301725043, inf),
    switches_off=True,
    monotone=False,
)

hardswish = Activation(
    "hardswish",
    module="Hardswish",
    formula="z*Min(Max(z + 3, 0), 6)/6",
    latex=r"\tfrac{z}{6} \min(\max(z + 3, 0), 6)",
    compute=lambda z: z * ((z + 3).clamp(0, 6) / 6),
    derivative=_hardswish_slope,
    reference="Howard et al. 2019, arXiv 1905.02244, section 5.2",
    calls=spelled("hardswish"),
    kinks=lambda: ((-3.0, 0.0), (3.0, 1.0)),
    flat=lambda: ((-inf, -3.0),),
    range=lambda: (-0.375, inf),
    switches_off=True,
    monotone=False,
)

FAMILY = (silu, swish, gelu, gelu_tanh, quick_gelu, mish, hardswish)
