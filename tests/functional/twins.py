"""Every function of the catalogue as a call on one tensor, with its twin from the definition."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import reluctant
from reluctant.activations import CATALOGUE, SHAPED, Activation, lookup

NAMES = (*CATALOGUE, *SHAPED)
WAYS = {"default": None, "lean": True, "one bit": "bit"}


def call(name: str, lean: Any = None, **arguments: Any) -> Callable[[Tensor], Tensor]:
    """The function of `reluctant.functional` at its usual parameters."""
    function = getattr(reluctant.functional, name)
    usual: dict[str, Any] = {}
    if name == "threshold":
        usual = {"threshold": 0.0, "value": 0.0}
    elif name == "topk":
        usual = {"k": 2}

    def on(z: Tensor) -> Tensor:
        more = dict(usual)
        if name == "prelu":
            more["weight"] = torch.tensor([0.25], dtype=z.dtype, device=z.device)
        result: Tensor = function(z, **more, **arguments, lean=lean)
        return result

    return on


def twin(name: str) -> Callable[[Tensor], Tensor]:
    """The definition's own arithmetic."""
    of = lookup(name)
    if isinstance(of, Activation):
        return of
    parameters = {"k": 2} if name == "topk" else dict(of.parameters)
    return lambda z: of.compute(z, **parameters, dim=of.dim)


def points(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Numbers from -6 to 6 that keep away from every kink, no two of them equal."""
    generator = torch.Generator().manual_seed(0)
    count = torch.Size(shape).numel()
    z = (torch.rand(count, generator=generator, dtype=torch.float64) - 0.5) * 12
    near = ((z - z.round()).abs() < 0.02).double()
    return (z + 0.05 * near).view(shape).to(dtype)
