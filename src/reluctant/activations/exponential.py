"""Straight above zero, exponential below."""

from math import inf

import torch
from torch import Tensor, sigmoid

from reluctant.activations.definition import Activation, spelled

# Klambauer et al. 2017, arXiv 1706.02515, equation 14: the fixed point at mean 0, variance 1.
ALPHA = 1.6732632423543772848170429916717
SCALE = 1.0507009873554804934193349852946


def _where(z: Tensor, above: Tensor | float, below: Tensor) -> Tensor:
    return torch.where(z > 0, torch.as_tensor(above, dtype=z.dtype, device=z.device), below)


def _low(z: Tensor) -> Tensor:
    """The negative part: what an exponential may be given without overflow."""
    return z.clamp(max=0)


elu = Activation(
    "elu",
    module="ELU",
    formula="Piecewise((z, z > 0), (alpha*(exp(z) - 1), True))",
    latex=r"z \text{ if } z > 0 \text{ else } \alpha (e^z - 1)",
    compute=lambda z, alpha: _where(z, z, alpha * _low(z).expm1()),
    derivative=lambda z, alpha: _where(z, 1.0, alpha * _low(z).exp()),
    from_output=lambda y, alpha: _where(y, 1.0, y + alpha),
    reference="Clevert, Unterthiner and Hochreiter 2016, arXiv 1511.07289, equation 15",
    calls=spelled("elu"),
    parameters={"alpha": 1.0},
    kinks=lambda alpha: () if alpha == 1 else ((0.0, alpha),),
    range=lambda alpha: (-alpha, inf),
    zero_centred=True,
)

selu = Activation(
    "selu",
    module="SELU",
    formula=f"Piecewise(({SCALE!r}*z, z > 0), ({SCALE!r}*{ALPHA!r}*(exp(z) - 1), True))",
    latex=r"\lambda z \text{ if } z > 0 \text{ else } \lambda \alpha (e^z - 1)",
    compute=lambda z: _where(z, SCALE * z, SCALE * ALPHA * _low(z).expm1()),
    derivative=lambda z: _where(z, SCALE, SCALE * ALPHA * _low(z).exp()),
    from_output=lambda y: _where(y, SCALE, y + SCALE * ALPHA),
    reference="Klambauer et al. 2017, arXiv 1706.02515, equation 2",
    calls=spelled("selu"),
    kinks=lambda: ((0.0, SCALE * ALPHA),),
    range=lambda: (-SCALE * ALPHA, inf),
    zero_centred=True,
)

celu = Activation(
    "celu",
    module="CELU",
    formula="Piecewise((z, z > 0), (alpha*(exp(z/alpha) - 1), True))",
    latex=r"z \text{ if } z > 0 \text{ else } \alpha (e^{z/\alpha} - 1)",
    compute=lambda z, alpha: _where(z, z, alpha * (_low(z) / alpha).expm1()),
    derivative=lambda z, alpha: _where(z, 1.0, (_low(z) / alpha).exp()),
    from_output=lambda y, alpha: _where(y, 1.0, y / alpha + 1),
    reference="Barron 2017, arXiv 1704.07483, equation 1",
    calls=spelled("celu"),
    parameters={"alpha": 1.0},
    range=lambda alpha: (-alpha, inf),
    zero_centred=True,
    constraints=("alpha != 0",),
)

softplus = Activation(
    "softplus",
    module="Softplus",
    formula="log(1 + exp(beta*z))/beta",
    latex=r"\tfrac{1}{\beta} \log(1 + e^{\beta z})",
    # torch returns z itself where beta z is above `threshold`; that is a shortcut in arithmetic,
    # and no part of the function.
    compute=lambda z, beta, threshold: (
        (_low(-(beta * z).abs()).exp().log1p() / beta) + z.clamp(min=0)
    ),
    derivative=lambda z, beta, threshold: sigmoid(beta * z),
    from_output=lambda y, beta, threshold: -torch.expm1(-beta * y),
    reference="Dugas et al. 2001, Incorporating second-order functional knowledge, equation 5",
    calls=spelled("softplus"),
    parameters={"beta": 1.0, "threshold": 20.0},
    range=lambda beta, threshold: (0.0, inf),
    switches_off=True,
    constraints=("beta != 0",),
)

FAMILY = (elu, selu, celu, softplus)
