"""Every function in every way of keeping little: values and gradients are its definition's."""

import dataclasses
from typing import Any

import pytest
import torch
from tests.activations import test_exact as definitions
from tests.functional.twins import NAMES, WAYS, call, points, twin
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck

from reluctant import functional
from reluctant.activations import CATALOGUE, SHAPED
from reluctant.activations.kernels import aten
from reluctant.activations.lean import Elementwise, pack, unpack

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
CASES = [
    pytest.param(name, way, id=f"{name}, {way}")
    for name in NAMES
    for way in WAYS
    if way != "one bit" or name in functional.ONE_BIT
]


def slope(function: Any, z: Tensor) -> Tensor:
    z = z.detach().clone().requires_grad_()
    y = function(z)
    (found,) = torch.autograd.grad(y, z, torch.ones_like(y))
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "way"), CASES)
def test_values_and_gradients_are_the_definitions(name: str, way: str, dtype: torch.dtype) -> None:
    z = points(6, 8, dtype=dtype)
    got, wanted = call(name, WAYS[way])(z), twin(name)(z.double())
    # A cube, an exponential and a few products: each rounds, in 16 bits more than that.
    tolerance = {"rtol": 24 * torch.finfo(dtype).eps, "atol": 24 * torch.finfo(dtype).eps}
    if dtype.itemsize == 2:
        tolerance = {"rtol": 8 * torch.finfo(dtype).eps, "atol": 8 * torch.finfo(dtype).eps}
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), wanted, **tolerance)
    if way == "one bit" and dtype != torch.float64:
        tolerance = {"rtol": 0, "atol": 2e-4 if dtype == torch.float32 else 4e-2}
    mine, its = slope(call(name, WAYS[way]), z), slope(twin(name), z.double())
    assert mine.dtype == dtype
    torch.testing.assert_close(mine.double(), its, **tolerance)


@pytest.mark.parametrize("way", ["default", "lean"])
@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name: str, way: str) -> None:
    z = points(3, 4).requires_grad_()
    function = call(name, WAYS[way])
    assert gradcheck(function, z, check_batched_grad=name != "topk")
    if name != "jumprelu":
        assert gradgradcheck(function, z)


@pytest.mark.parametrize("way", ["default", "lean"])
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"jumprelu"}))
def test_forward_mode(name: str, way: str) -> None:
    z, along = points(3, 4), torch.randn(3, 4, dtype=torch.float64)
    with forward_ad.dual_level():
        found = forward_ad.unpack_dual(call(name, WAYS[way])(forward_ad.make_dual(z, along)))
    wanted = torch.func.jvp(twin(name), (z,), (along,))
    torch.testing.assert_close((found.primal, found.tangent), wanted)


@pytest.mark.parametrize("lean", [None, True])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("name", ["prelu", "swish"])
def test_gradients_of_learnt_parameters(name: str, count: int, lean: bool | None) -> None:
    values = torch.linspace(0.2, 0.9, count, dtype=torch.float64, requires_grad=True)
    function = getattr(functional, name)
    for shape in ((3, 4), (2, 4, 3), (2, 4, 3, 2)):
        inputs = (points(*shape).requires_grad_(), values)
        assert gradcheck(lambda z, at: function(z, at, lean=lean), inputs, check_forward_ad=True)
        assert gradgradcheck(lambda z, at: function(z, at, lean=lean), inputs)


def test_a_slope_below_zero_keeps_the_input() -> None:
    weight = torch.tensor([0.3, -0.2, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    inputs = (points(5, 4).requires_grad_(), weight)
    assert gradcheck(functional.prelu, inputs)
    assert gradgradcheck(functional.prelu, inputs)


def test_the_threshold_learns_from_its_band() -> None:
    """The mean of a pseudo-derivative: what moving the threshold does to the sum on average."""
    z = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    for threshold in (torch.tensor([0.4]), torch.tensor([0.4, 0.4])):
        at = threshold.double().requires_grad_()
        rows = z[:, None].expand(-1, len(at))
        (pull,) = torch.autograd.grad(functional.jumprelu(rows, at, 0.1).mean(0).sum(), at)
        # d/dt of the integral of z from t to 1 is -t.
        torch.testing.assert_close(
            pull.mean() * len(at) / len(at), torch.tensor(-0.4).double(), rtol=1e-2, atol=0
        )


def test_a_drawn_slope_is_the_same_in_both_passes_and_follows_the_seed() -> None:
    z = points(50, 40)
    torch.manual_seed(3)
    first = functional.rrelu(z, training=True, lean=True)
    torch.manual_seed(3)
    inputs = z.clone().requires_grad_()
    second = functional.rrelu(inputs, training=True, lean=True)
    assert torch.equal(first, second)
    (found,) = torch.autograd.grad(second.sum(), inputs)
    torch.testing.assert_close(found, torch.where(z > 0, 1.0, second.detach() / z))
    drawn = found[z < 0]
    assert drawn.min() >= 1 / 8
    assert drawn.max() <= 1 / 3
    assert drawn.mean() == pytest.approx((1 / 8 + 1 / 3) / 2, abs=0.01)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("name", "way"), CASES)
def test_no_finite_input_has_a_gradient_that_is_nan(
    name: str, way: str, dtype: torch.dtype
) -> None:
    values = torch.tensor(definitions.points(dtype), dtype=dtype)
    if name in SHAPED:
        # The two halves are multiplied: where one overflows there is no gradient to speak of.
        values = values[values.abs() <= 1e4]
        values = torch.stack([values, values.flip(0)], 1)
    assert not slope(call(name, WAYS[way]), values).isnan().any()


@pytest.mark.parametrize("way", ["default", "lean"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_gradient_at_a_kink_is_the_one_declared(name: str, way: str) -> None:
    activation = CATALOGUE[name]
    for edge, chosen in activation.kinks(**activation.parameters):
        at = torch.tensor([edge], dtype=torch.float64)
        assert slope(call(name, WAYS[way]), at).item() == pytest.approx(chosen)


@pytest.mark.parametrize("name", [name for name, at in CATALOGUE.items() if at.piecewise_linear])
def test_rectifiers_have_no_second_order_effect(name: str) -> None:
    z = points(40).requires_grad_()
    (first,) = torch.autograd.grad(twin(name)(z).sum(), z, create_graph=True)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), z, allow_unused=True)
        assert second is None or (second == 0).all()
    curved = [name for name, at in CATALOGUE.items() if not at.piecewise_linear]
    for other in curved:
        activation = CATALOGUE[other]
        grid = torch.linspace(-2, 2, 401, dtype=torch.float64)
        slopes = activation.derivative(grid, **activation.parameters)
        assert slopes.diff().abs().count_nonzero() > 100, other


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_bits_are_packed_and_unpacked(count: int) -> None:
    flags = torch.rand(count) > 0.5
    packed = pack(flags)
    assert packed.numel() == -(-count // 8)
    assert torch.equal(unpack(packed, count), flags)


def test_large_tensors_take_the_same_values_in_tiles() -> None:
    z = points(600, 1000, dtype=torch.float32)
    for name in ("mish", "squared_relu"):
        whole, parts = call(name, True)(z), [call(name, True)(row) for row in z[::97]]
        assert torch.equal(whole[::97], torch.stack(parts))
        torch.testing.assert_close(slope(call(name, True), z), slope(twin(name), z))


MUTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a wrong constant": ("elu", {"backward": lambda g, y, alpha: torch.ops.aten.elu_backward(
        g, 1.001 * alpha, 1.0, 1.0, True, y)}),
    "a wrong branch": ("leaky_relu", {"backward": lambda g, y, negative_slope:
        torch.ops.aten.leaky_relu_backward(g, -y, negative_slope, True)}),
    "a missing factor": ("quick_gelu", {"forward": lambda z: torch.sigmoid(1.702 * z)}),
    "the input for the output": ("softplus", {"keeps": "input"}),
    "a missing term": ("mish", {"backward": lambda g, z: g * torch.tanh(torch.log1p(z.exp()))}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_is_found_out(kind: str) -> None:
    name, change = MUTANTS[kind]
    rule = dataclasses.replace(aten.KERNELS[name], **change).bind(CATALOGUE[name].parameters)
    z = points(3, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(lambda z: Elementwise.apply(z, rule), z)
    rule = aten.KERNELS[name].bind(CATALOGUE[name].parameters)
    assert gradcheck(lambda z: Elementwise.apply(z, rule), z)
