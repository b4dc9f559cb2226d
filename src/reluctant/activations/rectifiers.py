"""Rectifiers: two straight lines, or a power of one."""

from math import inf

import torch
from torch import Tensor
from torch import relu as _relu

from reluctant.activations.definition import Activation, Interval, spelled


def _below(edge: float) -> tuple[Interval, ...]:
    return ((-inf, edge),)


def _step(z: Tensor, edge: float = 0.0) -> Tensor:
    return (z > edge).to(z.dtype)


def _leaky(z: Tensor, negative_slope: float) -> Tensor:
    return torch.where(z > 0, z, negative_slope * z)


def _leaky_slope(z: Tensor, negative_slope: float) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), torch.full_like(z, negative_slope))


def _leaky_flat(negative_slope: float) -> tuple[Interval, ...]:
    return _below(0.0) if negative_slope == 0 else ()


def _mean(lower: float, upper: float) -> float:
    return (lower + upper) / 2


relu = Activation(
    "relu",
    module="ReLU",
    formula="Max(z, 0)",
    latex=r"\max(z, 0)",
    compute=lambda z: z.clamp(min=0),
    derivative=_step,
    from_output=_step,
    reference="Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
    calls=spelled("relu"),
    kinks=lambda: ((0.0, 0.0),),
    flat=lambda: _below(0.0),
    range=lambda: (0.0, inf),
    switches_off=True,
    piecewise_linear=True,
)

leaky_relu = Activation(
    "leaky_relu",
    module="LeakyReLU",
    formula="Piecewise((z, z > 0), (negative_slope*z, True))",
    latex=r"\max(z, 0) + \alpha \min(z, 0)",
    compute=_leaky,
    derivative=_leaky_slope,
    from_output=_leaky_slope,
    reference="Maas, Hannun and Ng 2013, Rectifier nonlinearities improve acoustic models",
    calls=spelled("leaky_relu"),
    parameters={"negative_slope": 0.01},
    kinks=lambda negative_slope: ((0.0, negative_slope),),
    flat=_leaky_flat,
    switches_off=True,
    piecewise_linear=True,
)

prelu = Activation(
    "prelu",
    module="PReLU",
    formula=leaky_relu.formula,
    latex=leaky_relu.latex,
    compute=_leaky,
    derivative=_leaky_slope,
    from_output=_leaky_slope,
    reference="He et al. 2015, arXiv 1502.01852, equation 1",
    calls=("nn.functional.prelu", "prelu", "Tensor.prelu"),
    # The slope is a trainable tensor; this is the value torch starts it at.
    parameters={"negative_slope": 0.25},
    trainable=frozenset({"negative_slope"}),
    kinks=lambda negative_slope: ((0.0, negative_slope),),
    flat=_leaky_flat,
    switches_off=True,
    piecewise_linear=True,
)

rrelu = Activation(
    "rrelu",
    module="RReLU",
    # Drawn uniformly from [lower, upper] in training; the mean in evaluation, which this is.
    formula="Piecewise((z, z > 0), ((lower + upper)/2*z, True))",
    latex=r"\max(z, 0) + \tfrac{l + u}{2} \min(z, 0)",
    compute=lambda z, lower, upper: _leaky(z, _mean(lower, upper)),
    derivative=lambda z, lower, upper: _leaky_slope(z, _mean(lower, upper)),
    reference="Xu et al. 2015, arXiv 1505.00853, section 2.4",
    calls=spelled("rrelu"),
    parameters={"lower": 1 / 8, "upper": 1 / 3},
    kinks=lambda lower, upper: ((0.0, _mean(lower, upper)),),
    flat=lambda lower, upper: (),
    drawn=True,
    constraints=("lower <= upper",),
    piecewise_linear=True,
)

relu6 = Activation(
    "relu6",
    module="ReLU6",
    formula="Min(Max(z, 0), 6)",
    latex=r"\min(\max(z, 0), 6)",
    compute=lambda z: z.clamp(0, 6),
    derivative=lambda z: ((z > 0) & (z < 6)).to(z.dtype),
    from_output=lambda y: ((y > 0) & (y < 6)).to(y.dtype),
    reference="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    calls=("nn.functional.relu6",),
    kinks=lambda: ((0.0, 0.0), (6.0, 0.0)),
    flat=lambda: ((-inf, 0.0), (6.0, inf)),
    range=lambda: (0.0, 6.0),
    switches_off=True,
    piecewise_linear=True,
)

squared_relu = Activation(
    "squared_relu",
    module="SquaredReLU",
    formula="Max(z, 0)**2",
    latex=r"\max(z, 0)^2",
    compute=lambda z: _relu(z).square(),
    differentiable=True,
    derivative=lambda z: 2 * z.clamp(min=0),
    reference="So et al. 2021, arXiv 2109.08668, section 3",
    aliases=("relu_squared", "relu2"),
    flat=lambda: _below(0.0),
    range=lambda: (0.0, inf),
    switches_off=True,
)

threshold = Activation(
    "threshold",
    module="Threshold",
    formula="Piecewise((z, z > threshold), (value, True))",
    latex=r"z \text{ if } z > \theta \text{ else } v",
    compute=lambda z, threshold, value: torch.where(z > threshold, z, value),
    derivative=lambda z, threshold, value: _step(z, threshold),
    reference="torch.nn.Threshold",
    calls=spelled("threshold"),
    parameters={"threshold": 0.0, "value": 0.0},
    kinks=lambda threshold, value: ((threshold, 0.0),),
    flat=lambda threshold, value: _below(threshold),
    range=lambda threshold, value: (min(threshold, value), inf),
    switches_off=True,
    piecewise_linear=True,
)

jumprelu = Activation(
    "jumprelu",
    module="JumpReLU",
    formula="Piecewise((z, z > threshold), (0, True))",
    latex=r"z \, [z > \theta]",
    compute=lambda z, threshold: z * _step(z, threshold),
    derivative=lambda z, threshold: _step(z, threshold),
    reference="Rajamanoharan et al. 2024, arXiv 2407.14435, equation 3",
    parameters={"threshold": 0.001},
    trainable=frozenset({"threshold"}),
    kinks=lambda threshold: ((threshold, 0.0),),
    flat=lambda threshold: _below(threshold),
    range=lambda threshold: (min(threshold, 0.0), inf),
    switches_off=True,
    piecewise_linear=True,
)

FAMILY = (relu, leaky_relu, prelu, rrelu, relu6, squared_relu, threshold, jumprelu)
