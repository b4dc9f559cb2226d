"""Every function of the registries as a call on tensors, with inputs to try it at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tests.activations.test_exact import PARAMETERS
from torch import Tensor, nn

from reluctant import functional
from reluctant import nn as modules
from reluctant.activations import CATALOGUE, SHAPED, Activation, Shaped, lookup

NAMES = (*CATALOGUE, *SHAPED)
LEANS = (None, True, "bit")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
HALF = (torch.bfloat16, torch.float16)


def drawing(seed: int) -> torch.Generator:
    """Random numbers that do not depend on those of other tests."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


@dataclass(frozen=True)
class Case:
    """One function, with parameters other than its usual ones in `given`."""

    name: str
    given: Mapping[str, float] = field(default_factory=dict)

    @property
    def of(self) -> Activation | Shaped:
        return lookup(self.name)

    def numbers(self, dim: int = 1) -> dict[str, Any]:
        """The arguments that are no tensors; sizes are small, and `dim` has six elements."""
        values = {**self.of.parameters, **self.given}
        if isinstance(self.of, Shaped):
            return {key: min(value, 3) for key, value in values.items()} | {"dim": dim}
        return {key: value for key, value in values.items() if key not in self.of.trainable}

    def learnt(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        """The arguments that are tensors."""
        values = {**self.of.parameters, **self.given}
        names = getattr(self.of, "trainable", frozenset())
        return tuple(torch.tensor([values[key]], dtype=dtype) for key in values if key in names)

    def call(self, lean: functional.Lean = None, dim: int = 1) -> Callable[..., Tensor]:
        """The function of an input and the learnt tensors."""
        function, numbers = functional.function(self.name), self.numbers(dim)
        return lambda z, *tensors: function(z, *tensors, **numbers, lean=lean)

    def edges(self) -> dict[float, float]:
        """The kinks, and the derivative there."""
        if isinstance(self.of, Shaped):
            return {}
        return dict(self.of.kinks(**self.of.values(**self.given)))

    def inputs(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """(2, 6, 2, 2) numbers in [-7, 7], all different, and neither zero nor near a kink."""
        z = torch.linspace(-6.9, 6.9, 48, dtype=torch.float64)
        for edge in (0.0, *self.edges()):
            z = torch.where((z - edge).abs() < 0.06, z + 0.13, z)
        if isinstance(self.of, Shaped):
            z = z[torch.randperm(48, generator=drawing(0))]
        return z.view(2, 6, 2, 2).to(dtype)

    def defined(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The value, and the derivative of its sum, as they are defined."""
        if isinstance(self.of, Activation):
            values = self.of.values(**self.given)
            return self.of.compute(z, **values), self.of.derivative(z, **values)
        z = z.detach().requires_grad_()
        y = self.of.compute(z, **self.numbers())
        return y.detach(), torch.autograd.grad(y.sum(), z)[0]

    def module(self, **more: Any) -> nn.Module:
        """Its module, along dimension 1 if it has one."""
        numbers = {} if getattr(self.of, "trainable", None) else self.numbers()
        if self.name == "glu":
            numbers = {"dim": 1}
        return modules.module(self.name)(**numbers, **more).eval()


USUAL = [Case(name) for name in NAMES]
ELEMENTWISE = [Case(name) for name in CATALOGUE]
SHAPES = [Case(name) for name in SHAPED]
CASES = USUAL + [Case(name, given) for name in PARAMETERS for given in PARAMETERS[name]]


def over(cases: list[Case]) -> pytest.MarkDecorator:
    """Once for each case."""
    names = [" ".join([at.name, *(f"{k}={v}" for k, v in at.given.items())]) for at in cases]
    return pytest.mark.parametrize("case", cases, ids=names)


def gradient(call: Callable[..., Tensor], z: Tensor, *tensors: Tensor) -> Tensor:
    """The derivative of the sum of the outputs."""
    z = z.detach().requires_grad_()
    y = call(z, *tensors)
    return torch.autograd.grad(y, z, torch.ones_like(y))[0]
