"""First and second derivatives against differences, forward and backward; mutants are found."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.functional.cases import CASES, ELEMENTWISE, Case, over
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from reluctant import functional
from reluctant.activations import Activation
from reluctant.activations.kernels import aten, compiled
from reluctant.activations.kernels.kernel import Kernel
from reluctant.activations.lean import Elementwise, apply
from reluctant.activations.learnt import rrelu
from reluctant.errors import WrongArgument

# The derivative of a jump by its place is a convention, and no derivative.
NOT_LEARNT = {"jumprelu"}
NO_FORWARD = {"jumprelu": "keeps to the pseudo-derivative of its paper"}
NOT_TWICE = {
    "jumprelu": "the pseudo-derivative has none of its own",
}


def arguments(case: Case) -> tuple[Tensor, ...]:
    z = case.inputs().requires_grad_()
    learnt = case.learnt()
    for tensor in learnt:
        tensor.requires_grad_(case.name not in NOT_LEARNT)
    return z, *learnt


@pytest.mark.parametrize("lean", [None, True])
@over(CASES)
def test_first(case: Case, lean: functional.Lean) -> None:
    forward = case.name not in NO_FORWARD
    assert gradcheck(case.call(lean), arguments(case), check_forward_ad=forward)


@pytest.mark.parametrize("lean", [None, True])
@over(CASES)
def test_second(case: Case, lean: functional.Lean) -> None:
    if case.name in NOT_TWICE:
        pytest.skip(NOT_TWICE[case.name])
    assert gradgradcheck(case.call(lean), arguments(case))


@pytest.mark.parametrize("shape", [(2, 3), (3,), (2, 3, 2, 1)])
@pytest.mark.parametrize("lean", [None, False])
@pytest.mark.parametrize("name", ["prelu", "swish"])
def test_a_parameter_per_channel(name: str, lean: functional.Lean, shape: tuple[int, ...]) -> None:
    """Whether all slopes are above zero or not."""
    channels = shape[1] if len(shape) > 1 else 1
    z = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    for low in (0.3, -0.8):
        weight = torch.linspace(low, 1.2, channels, dtype=torch.float64, requires_grad=True)
        call = lambda z, weight: functional.function(name)(z, weight, lean=lean)  # noqa: E731
        assert gradcheck(call, (z, weight), check_forward_ad=True)
        assert gradgradcheck(call, (z, weight))


def straight(case: Case) -> bool:
    return isinstance(case.of, Activation) and case.of.piecewise_linear


@over([case for case in ELEMENTWISE if straight(case)])
def test_rectifiers_have_no_second_order_effect(case: Case) -> None:
    z = case.inputs().requires_grad_()
    (first,) = torch.autograd.grad(case.call()(z, *case.learnt()).sum(), z, create_graph=True)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), z, allow_unused=True)
        assert second is None or (second == 0).all()


@over([case for case in ELEMENTWISE if not straight(case)])
def test_the_others_have_one(case: Case) -> None:
    z = torch.linspace(-2, 2, 401, dtype=torch.float64)
    assert case.defined(z)[1].diff().abs().count_nonzero() > 100


def test_prelu_is_lean_only_with_slopes_above_zero() -> None:
    z = Case("prelu").inputs().requires_grad_()
    weight = torch.tensor([0.2, 0.1, -0.1, 0.3, 0.4, 1.5], dtype=torch.float64, requires_grad=True)
    assert gradcheck(functional.prelu, (z, weight))
    with pytest.raises(WrongArgument, match="above zero"):
        functional.prelu(z, weight, lean=True)
    slopes = weight.detach().abs().requires_grad_()
    assert gradcheck(lambda *at: functional.prelu(*at, lean=True), (z, slopes))


def test_drawn_slopes_have_their_gradient() -> None:
    def drawn(z: Tensor) -> Tensor:
        torch.manual_seed(1)
        return rrelu(z, 0.1, 0.9, True)

    z = Case("rrelu").inputs().requires_grad_()
    assert gradcheck(drawn, z)
    assert gradgradcheck(drawn, z)
    assert ((drawn(z) / z)[z < 0].diff() != 0).all()


def test_the_threshold_learns_from_the_band_around_it() -> None:
    """Equation 11 of the paper, worked out by hand."""
    for shape in ((1,), (2,)):
        edge = torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True)
        z = torch.tensor([[0.1, 0.45], [0.54, 0.9]], dtype=torch.float64)
        weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
        (functional.jumprelu(z, edge, 0.2) * weights).sum().backward()
        share = -0.5 / 0.2 * torch.tensor([3.0, 2.0], dtype=torch.float64)
        torch.testing.assert_close(edge.grad, share.sum()[None] if shape == (1,) else share)


KERNELS = {"aten": aten.KERNELS, "compiled": compiled.KERNELS}


def check_backward(kernel: Kernel, name: str) -> None:
    """A twin against differences of its own value."""
    case = Case(name)
    rule = kernel.bind(case.numbers())
    assert gradcheck(lambda z: apply(Elementwise, z, rule), case.inputs().requires_grad_())


@pytest.mark.parametrize(
    ("home", "name"), [(home, name) for home, twins in KERNELS.items() for name in twins]
)
def test_every_twin(home: str, name: str) -> None:
    check_backward(KERNELS[home][name], name)


MUTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a wrong constant": ("selu", {"backward": lambda gradient, y: torch.ops.aten.elu_backward(
        gradient, 1.67, 1.05, 1.0, True, y)}),
    "a wrong branch": ("leaky_relu", {"backward": lambda gradient, y, negative_slope: torch.where(
        y > -0.02, gradient, gradient * negative_slope)}),
    "a missing factor": ("squared_relu", {"backward": lambda gradient, y: gradient * y.sqrt()}),
    "a missing sign": ("logsigmoid", {"backward": lambda gradient, y: gradient * y.expm1()}),
    "the input in place of the output": ("softplus", {"keeps": "input"}),
    "the output in place of the input": ("mish", {"keeps": "output"}),
    "no gradient in it": ("softsign", {"backward": lambda gradient, z: (1 + z.abs()) ** -2}),
    "a parameter left out": ("celu", {"backward": lambda gradient, y, alpha: torch.where(
        y > 0, gradient, gradient * (y + 2))}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_is_found_out(kind: str) -> None:
    name, change = MUTANTS[kind]
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_backward(dataclasses.replace(aten.KERNELS[name], **change), name)


def test_a_mutant_of_a_definition_is_found_out() -> None:
    wrong: Callable[..., Tensor] = lambda gradient, z: gradient * torch.cos(0.99 * z)  # noqa: E731
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_backward(Kernel(torch.sin, wrong, keeps="input"), "sin")
