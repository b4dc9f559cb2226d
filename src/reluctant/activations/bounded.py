"""Bounded and classical functions, for the comparison with rectifiers."""

from math import inf, pi

import torch
from torch import Tensor
from torch import sigmoid as _sigmoid
from torch import tanh as _tanh

from reluctant.activations.definition import Activation, spelled


def _sech2(z: Tensor) -> Tensor:
    """The slope of tanh, 4 e / (1 + e)^2 with e = exp(-2 |z|): no cancellation."""
    small = torch.exp(-2 * z.abs())
    return 4 * small / (1 + small).square()


def _between(z: Tensor, low: float, high: float, slope: float = 1.0) -> Tensor:
    return slope * ((z > low) & (z < high)).to(z.dtype)


def _penalty(z: Tensor) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), torch.full_like(z, 0.25))


sigmoid = Activation(
    "sigmoid",
    module="Sigmoid",
    formula="1/(1 + exp(-z))",
    latex=r"\frac{1}{1 + e^{-z}}",
    compute=_sigmoid,
    derivative=lambda z: _sigmoid(z) * _sigmoid(-z),
    from_output=lambda y: y * (1 - y),
    reference="Verhulst 1845; in networks Rumelhart, Hinton and Williams 1986",
    aliases=("logistic",),
    calls=(*spelled("sigmoid"), "special.expit"),
    range=lambda: (0.0, 1.0),
)

tanh = Activation(
    "tanh",
    module="Tanh",
    formula="tanh(z)",
    latex=r"\tanh z",
    compute=_tanh,
    derivative=_sech2,
    from_output=lambda y: (1 - y) * (1 + y),
    reference="LeCun et al. 1998, Efficient BackProp, section 4.4",
    calls=spelled("tanh"),
    range=lambda: (-1.0, 1.0),
    zero_centred=True,
)

hardsigmoid = Activation(
    "hardsigmoid",
    module="Hardsigmoid",
    formula="Min(Max(z + 3, 0), 6)/6",
    latex=r"\tfrac{1}{6} \min(\max(z + 3, 0), 6)",
    compute=lambda z: (z + 3).clamp(0, 6) / 6,
    derivative=lambda z: _between(z, -3, 3, 1 / 6),
    from_output=lambda y: _between(y, 0, 1, 1 / 6),
    reference="Courbariaux, Bengio and David 2015, arXiv 1511.00363; torch's slope is 1/6",
    calls=spelled("hardsigmoid"),
    kinks=lambda: ((-3.0, 0.0), (3.0, 0.0)),
    flat=lambda: ((-inf, -3.0), (3.0, inf)),
    range=lambda: (0.0, 1.0),
    piecewise_linear=True,
)

hardtanh = Activation(
    "hardtanh",
    module="Hardtanh",
    formula="Min(Max(z, min_val), max_val)",
    latex=r"\min(\max(z, a), b)",
    compute=lambda z, min_val, max_val: z.clamp(min_val, max_val),
    derivative=lambda z, min_val, max_val: _between(z, min_val, max_val),
    from_output=lambda y, min_val, max_val: _between(y, min_val, max_val),
    reference="Collobert 2004, Large scale machine learning, section 2.2",
    calls=spelled("hardtanh"),
    parameters={"min_val": -1.0, "max_val": 1.0},
    kinks=lambda min_val, max_val: ((min_val, 0.0), (max_val, 0.0)),
    flat=lambda min_val, max_val: ((-inf, min_val), (max_val, inf)),
    range=lambda min_val, max_val: (min_val, max_val),
    zero_centred=True,
    constraints=("min_val <= max_val",),
    piecewise_linear=True,
)

logsigmoid = Activation(
    "logsigmoid",
    module="LogSigmoid",
    formula="-log(1 + exp(-z))",
    latex=r"-\log(1 + e^{-z})",
    compute=lambda z: z.clamp(max=0) - torch.exp(-z.abs()).log1p(),
    derivative=lambda z: _sigmoid(-z),
    from_output=lambda y: -torch.expm1(y),
    reference="torch.nn.LogSigmoid",
    calls=("nn.functional.logsigmoid",),
    range=lambda: (-inf, 0.0),
)

softsign = Activation(
    "softsign",
    module="Softsign",
    formula="z/(1 + Abs(z))",
    latex=r"\frac{z}{1 + |z|}",
    compute=lambda z: z / (1 + z.abs()),
    derivative=lambda z: (1 + z.abs()).reciprocal().square(),
    from_output=lambda y: (1 - y.abs()).square(),
    reference="Bergstra et al. 2009, Quadratic polynomials learn better image features",
    calls=("nn.functional.softsign",),
    range=lambda: (-1.0, 1.0),
    zero_centred=True,
)

penalized_tanh = Activation(
    "penalized_tanh",
    module="PenalizedTanh",
    formula="Piecewise((tanh(z), z > 0), (tanh(z)/4, True))",
    latex=r"\tanh z \text{ if } z > 0 \text{ else } \tfrac{1}{4} \tanh z",
    compute=lambda z: _tanh(z) * _penalty(z),
    derivative=lambda z: _sech2(z) * _penalty(z),
    from_output=lambda y: (1 - y / _penalty(y)) * (1 + y / _penalty(y)) * _penalty(y),
    reference="Xu, Huang and Li 2016, arXiv 1602.05980, equation 10",
    kinks=lambda: ((0.0, 0.25),),
    range=lambda: (-0.25, 1.0),
)

arctan = Activation(
    "arctan",
    module="Arctan",
    formula="atan(z)",
    latex=r"\arctan z",
    compute=torch.atan,
    differentiable=True,
    derivative=lambda z: (1 + z.square()).reciprocal(),
    reference="classical",
    aliases=("atan",),
    range=lambda: (-pi / 2, pi / 2),
    zero_centred=True,
)

sin = Activation(
    "sin",
    module="Sin",
    formula="sin(z)",
    latex=r"\sin z",
    compute=torch.sin,
    differentiable=True,
    derivative=torch.cos,
    reference="Sitzmann et al. 2020, arXiv 2006.09661, equation 2",
    range=lambda: (-1.0, 1.0),
    flat=lambda: (),
    zero_centred=True,
    monotone=False,
)

identity = Activation(
    "identity",
    module="Identity",
    formula="z",
    latex="z",
    compute=lambda z: z.clone(),
    derivative=torch.ones_like,
    from_output=torch.ones_like,
    reference="classical",
    aliases=("linear",),
    flat=lambda: (),
    zero_centred=True,
    piecewise_linear=True,
)

FAMILY = (
    sigmoid,
    tanh,
    hardsigmoid,
    hardtanh,
    logsigmoid,
    softsign,
    penalized_tanh,
    arctan,
    sin,
    identity,
)
