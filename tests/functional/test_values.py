"""Values and gradients against the definitions, in every precision and at every magnitude."""

from math import inf, nan

import pytest
import torch
from tests.activations.test_exact import points
from tests.functional.cases import (
    CASES,
    DTYPES,
    ELEMENTWISE,
    HALF,
    LEANS,
    USUAL,
    Case,
    drawing,
    gradient,
    over,
)
from torch import Tensor
from torch.nn import functional as F

from reluctant import functional
from reluctant.activations import CATALOGUE
from reluctant.activations.definition import Activation
from reluctant.activations.kernels import aten

# How far the derivative of `lean="bit"` may be from the true one.
BIT = {torch.float32: 2e-4, torch.bfloat16: 4e-2, torch.float16: 4e-2, torch.float64: 0.0}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lean", LEANS)
@over(CASES)
def test_values_and_gradients(case: Case, lean: functional.Lean, dtype: torch.dtype) -> None:
    z, learnt = case.inputs(dtype), case.learnt(dtype)
    call = case.call(lean)
    wanted, slope = case.defined(z.double())
    eps = torch.finfo(dtype).eps
    got = call(z, *learnt)
    assert got.dtype == dtype
    few = 8 if dtype.itemsize == 2 else 24
    torch.testing.assert_close(got.double(), wanted, rtol=few * eps, atol=few * eps)
    found = gradient(call, z, *learnt)
    assert found.dtype == dtype
    size = max(1.0, float(slope.abs().max()))
    near = few * eps * size
    if lean == "bit" and case.name in functional.ONE_BIT:
        near += BIT[dtype]
    torch.testing.assert_close(found.double(), slope, rtol=few * eps, atol=near)


@over([Case(name) for name in sorted(functional.ONE_BIT)])
def test_a_bit_is_enough_for_float64_too(case: Case) -> None:
    z = case.inputs()
    assert torch.equal(gradient(case.call("bit"), z), gradient(case.call(), z))


@pytest.mark.parametrize("lean", LEANS)
@over([case for case in CASES if case.edges()])
def test_at_the_kinks(case: Case, lean: functional.Lean) -> None:
    """The gradient is the one that the definition declares."""
    edges = case.edges()
    if case.name == "jumprelu":
        edges = {float(case.learnt(torch.float32)[0]): 0.0}
    z = torch.tensor(list(edges), dtype=torch.float32)
    wanted = torch.tensor(list(edges.values()), dtype=torch.float32)
    got = gradient(case.call(lean), z, *case.learnt(torch.float32))
    near = BIT[torch.float32] if lean == "bit" and case.name in functional.ONE_BIT else 1e-6
    torch.testing.assert_close(got, wanted, rtol=0, atol=near)


def torchs(case: Case, z: Tensor) -> Tensor:
    """The value by torch's function of that name."""
    numbers = {key: at for key, at in case.numbers().items() if key != "training"}
    return getattr(F, case.name)(z, *case.learnt(z.dtype), **numbers)


DELEGATED = [case for case in CASES if hasattr(F, case.name)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@over(DELEGATED)
def test_what_torch_has_is_the_same_to_the_bit(case: Case, dtype: torch.dtype) -> None:
    z, learnt = case.inputs(dtype), case.learnt(dtype)
    twin = aten.KERNELS.get(case.name)
    if dtype == torch.float64 and twin and twin.exact:
        pytest.skip("torch's own is wrong in the last digits of float64")
    assert torch.equal(case.call()(z, *learnt), torchs(case, z))
    if case.name != "prelu":  # it divides its output by the slope
        wanted = gradient(lambda z: torchs(case, z), z)
        assert torch.equal(gradient(case.call(), z, *learnt), wanted)


@over([case for case in DELEGATED if isinstance(case.of, Activation)])
def test_infinity_and_nan_give_what_torch_gives(case: Case) -> None:
    for dtype in DTYPES:
        z = torch.tensor([inf, -inf, nan, 1.0], dtype=dtype)
        for lean in LEANS:
            got = case.call(lean)(z, *case.learnt(dtype))
            torch.testing.assert_close(got, torchs(case, z), equal_nan=True)


@pytest.mark.parametrize("lean", LEANS)
@over(USUAL)
def test_no_finite_input_gives_a_nan(case: Case, lean: functional.Lean) -> None:
    for dtype in DTYPES:
        z, learnt = extremes(case, dtype), case.learnt(dtype)
        assert not case.call(lean)(z, *learnt).isnan().any(), f"value in {dtype}"
        slope = gradient(case.call(lean), z, *learnt)
        bad = z[slope.isnan()].tolist()
        assert not bad, f"gradient in {dtype} at {bad}"


def extremes(case: Case, dtype: torch.dtype) -> Tensor:
    """Everything finite, along dimension 1 six at a time where sizes matter."""
    z = torch.tensor(points(dtype), dtype=dtype)
    if isinstance(case.of, Activation):
        return z
    pairs = torch.cartesian_prod(z, z)
    return pairs.repeat_interleave(3, 1)


@over([Case(name) for name, kernel in aten.KERNELS.items() if kernel.free is not None])
def test_large_tensors_take_another_way_to_the_same(case: Case) -> None:
    """Where the default is lean from some size on, and an odd one."""
    kernel = aten.KERNELS[case.name]
    z = torch.randn(kernel.free + 3, generator=drawing(0)) * 4
    y, slope = case.call()(z), gradient(case.call(), z)
    if hasattr(F, case.name):
        # Not the twin's own answer: torch's.
        torch.testing.assert_close(y, case.call(False)(z))
        torch.testing.assert_close(slope, gradient(case.call(False), z), rtol=1e-5, atol=2e-6)
    wanted, wanted_slope = case.defined(z.double())
    torch.testing.assert_close(y.double(), wanted, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(slope.double(), wanted_slope, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", HALF, ids=str)
@over([case for case in ELEMENTWISE if case.name in functional.ONE_BIT])
def test_a_bit_is_near_for_every_number_of_16_bits(case: Case, dtype: torch.dtype) -> None:
    z = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(dtype)
    z = z[z.isfinite()]
    got = gradient(case.call("bit"), z).double()
    away = torch.ones_like(z, dtype=torch.bool)
    for edge in case.edges():
        away &= (z.double() - edge).abs() > 0.05
    wanted = CATALOGUE[case.name].derivative(z.double())
    assert (got - wanted)[away].abs().max() <= BIT[dtype]
