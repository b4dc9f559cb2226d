"""Functions that change the size of one dimension, or compare its elements.

Those that split their input take its halves along `dim`, as torch's GLU does: first the value,
then what goes into the gate.
"""

from collections.abc import Callable

import torch
from torch import Tensor, relu, sigmoid
from torch.nn.functional import gelu, silu

from reluctant.activations.definition import Shaped

_GATES: dict[str, Callable[[Tensor], Tensor]]
_GATES = {"sigmoid": sigmoid, "relu": relu, "gelu": gelu, "silu": silu}


def _gated(z: Tensor, gate: str, dim: int) -> Tensor:
    value, shut = z.chunk(2, dim)
    return value * _GATES[gate](shut)


def _maxout(z: Tensor, pieces: int, dim: int) -> Tensor:
    units = z.shape[dim] // pieces
    return z.unflatten(dim, (pieces, units)).amax(dim if dim >= 0 else dim - 1)


def _topk(z: Tensor, k: int, dim: int) -> Tensor:
    values, indices = z.topk(k, dim)
    return torch.zeros_like(z).scatter(dim, indices, values)


crelu = Shaped(
    "crelu",
    module="CReLU",
    shape="twice as wide",
    formula="Max(z, 0), Max(-z, 0)",
    latex=r"(\max(z, 0), \max(-z, 0))",
    compute=lambda z, dim: torch.cat([relu(z), relu(-z)], dim),
    reference="Shang et al. 2016, arXiv 1603.05201, equation 2",
    dim=1,
)

maxout = Shaped(
    "maxout",
    module="Maxout",
    shape="as wide as one piece",
    formula="Max(z_1, ..., z_k)",
    latex=r"\max(z_1, \dots, z_k)",
    compute=_maxout,
    reference="Goodfellow et al. 2013, arXiv 1302.4389, section 3",
    parameters={"pieces": 2},
    constraints=("pieces >= 2",),
)

topk = Shaped(
    "topk",
    module="TopK",
    shape="as the input",
    formula="z among the k largest, else 0",
    latex=r"z \text{ among the } k \text{ largest, else } 0",
    compute=_topk,
    reference="Makhzani and Frey 2013, arXiv 1312.5663; Gao et al. 2024, arXiv 2406.04093",
    parameters={"k": 32},
    constraints=("k >= 1",),
)

glu = Shaped(
    "glu",
    module="GLU",
    shape="half as wide",
    formula="z_1*sigmoid(z_2)",
    latex=r"z_1 \, \sigma(z_2)",
    compute=lambda z, dim: _gated(z, "sigmoid", dim),
    reference="Dauphin et al. 2017, arXiv 1612.08083, equation 1",
    calls=("nn.functional.glu",),
    gate="sigmoid",
)

reglu = Shaped(
    "reglu",
    module="ReGLU",
    shape="half as wide",
    formula="z_1*Max(z_2, 0)",
    latex=r"z_1 \max(z_2, 0)",
    compute=lambda z, dim: _gated(z, "relu", dim),
    reference="Shazeer 2020, arXiv 2002.05202, equation 5",
    gate="relu",
)

geglu = Shaped(
    "geglu",
    module="GEGLU",
    shape="half as wide",
    formula="z_1*gelu(z_2)",
    latex=r"z_1 \, z_2 \, \Phi(z_2)",
    compute=lambda z, dim: _gated(z, "gelu", dim),
    reference="Shazeer 2020, arXiv 2002.05202, equation 5",
    gate="gelu",
)

swiglu = Shaped(
    "swiglu",
    module="SwiGLU",
    shape="half as wide",
    formula="z_1*silu(z_2)",
    latex=r"z_1 \, z_2 \, \sigma(z_2)",
    compute=lambda z, dim: _gated(z, "silu", dim),
    reference="Shazeer 2020, arXiv 2002.05202, equation 5",
    gate="silu",
)

FAMILY = (crelu, maxout, topk, glu, reglu, geglu, swiglu)
