"""Each definition's arithmetic against its own mathematics, from subnormals to overflow."""

import dataclasses
from math import inf, isfinite, nan

import mpmath
import pytest
import torch
from tests.activations.exact import exact

from reluctant.activations import CATALOGUE, Activation

PARAMETERS: dict[str, list[dict[str, float]]] = {
    "leaky_relu": [{"negative_slope": 0.3}, {"negative_slope": 0.0}],
    "threshold": [{"threshold": 1.0, "value": -2.0}],
    "jumprelu": [{"threshold": 0.5}],
    "elu": [{"alpha": 3.0}],
    "celu": [{"alpha": 0.5}],
    "softplus": [{"beta": 2.0}],
    "swish": [{"beta": 1.7}, {"beta": -0.5}],
    "hardtanh": [{"min_val": -3.0, "max_val": 0.5}],
}
CASES = [
    pytest.param(activation, parameters, id=f"{name} {parameters}" if parameters else name)
    for name, activation in CATALOGUE.items()
    for parameters in [{}, *PARAMETERS.get(name, [])]
]


def points(dtype: torch.dtype) -> list[float]:
    """Both signs of everything from the smallest subnormal to the largest finite number."""
    facts = torch.finfo(dtype)
    sizes = [facts.smallest_normal / 2**5, facts.smallest_normal, facts.tiny * 3, facts.eps]
    sizes += [1e-5, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0, 1.5, 2.0, 2.9, 3.1, 4.0, 5.5, 6.1, 8.0, 9.5]
    sizes += [11.0, 13.0, 16.0, 18.5, 21.0, 26.0, 30.0, 37.0, 39.0, 60.0, 87.0, 100.0, 300.0]
    sizes += [700.0, 746.0, 1e4, facts.max / 1e3, facts.max]
    values = torch.tensor([0.0] + [sign * at for at in sizes for sign in (1, -1)], dtype=dtype)
    return values.unique().tolist()


def error(got: float, wanted: mpmath.mpf, scale: float, dtype: torch.dtype) -> float:
    """The error in units of the last place of `wanted`, less what its smallness excuses.

    A number exp(-x) is known no better than x is: one rounding in x, or two where x is a square,
    move it by x or 2 x units. `wanted` is such a number times `scale`.
    """
    facts = torch.finfo(dtype)
    if abs(wanted) > facts.max:
        return 0.0 if abs(got) >= facts.max and (got > 0) == (wanted > 0) else inf
    if not isfinite(got):
        return inf
    size = max(abs(wanted), mpmath.mpf(facts.smallest_normal))
    place = mpmath.mpf(2) ** mpmath.floor(mpmath.log(size, 2)) * mpmath.mpf(facts.eps)
    excused = max(-2 * mpmath.log(size / scale), 0) if scale else 0
    return float(min(abs(mpmath.mpf(got) - wanted) / place - excused, 1e300))


def worst(
    activation: Activation, dtype: torch.dtype, order: int, **parameters: float
) -> tuple[float, float]:
    """The largest such error of the function or its derivative, and where it is."""
    values = activation.values(**parameters)
    edges = {edge for edge, _ in activation.kinks(**values)}
    at = [z for z in points(dtype) if order == 0 or z not in edges]
    compute = activation.compute if order == 0 else activation.derivative
    got = compute(torch.tensor(at, dtype=dtype), **values).double().tolist()
    errors = [
        (error(have, exact(activation, z, order, **parameters), scale(z, order), dtype), z)
        for z, have in zip(at, got, strict=True)
    ]
    return max(errors)


def scale(z: float, order: int) -> float:
    return abs(z) if order == 0 else 1.0


# What a few roundings add up to. Measured: 1.4 for the functions, 1.7 for the derivatives.
VALUE, SLOPE = 2.0, 2.5


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("activation", "parameters"), CASES)
def test_values(activation: Activation, parameters: dict[str, float], dtype: torch.dtype) -> None:
    found, where = worst(activation, dtype, 0, **parameters)
    assert found <= VALUE, f"{found:.1f} ulp at {where!r}"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("activation", "parameters"), CASES)
def test_derivatives(
    activation: Activation, parameters: dict[str, float], dtype: torch.dtype
) -> None:
    found, where = worst(activation, dtype, 1, **parameters)
    assert found <= SLOPE, f"{found:.1f} ulp at {where!r}"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("activation", "parameters"), CASES)
def test_derivatives_from_the_output(
    activation: Activation, parameters: dict[str, float], dtype: torch.dtype
) -> None:
    """The same derivative, as far as the rounding of the output lets it be known."""
    if activation.from_output is None:
        pytest.skip("has no derivative from its output")
    values = activation.values(**parameters)
    z = torch.linspace(-30, 30, 601, dtype=dtype)
    edges = torch.tensor([edge for edge, _ in activation.kinks(**values)], dtype=dtype)
    z = z[(z[:, None] - edges).abs().amin(1) > 1e-3] if len(edges) else z
    got = activation.from_output(activation.compute(z, **values), **values)
    wanted = activation.derivative(z, **values)
    absolute = 8 * torch.finfo(dtype).eps * max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=absolute)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("activation", "parameters"), CASES)
def test_no_finite_input_gives_nan_and_nan_stays(
    activation: Activation, parameters: dict[str, float], dtype: torch.dtype
) -> None:
    values = activation.values(**parameters)
    z = torch.tensor(points(dtype), dtype=dtype)
    assert not activation.compute(z, **values).isnan().any()
    assert not activation.derivative(z, **values).isnan().any()
    through = activation.compute(torch.tensor([nan], dtype=dtype), **values)
    constant = activation.name in ("threshold", "jumprelu")  # a comparison with NaN is false
    assert constant or through.isnan().all()


@pytest.mark.parametrize(("activation", "parameters"), CASES)
def test_facts(activation: Activation, parameters: dict[str, float]) -> None:
    """Kinks, range, monotone and zero-centred, against the function itself."""
    values = activation.values(**parameters)
    z = torch.linspace(-60, 60, 48_001, dtype=torch.float64)
    y = activation.compute(z, **values)
    low, high = activation.range(**values)
    assert y.min() >= low - 1e-7
    assert y.max() <= high + 1e-7
    if activation.monotone and min(values.values(), default=1.0) >= 0:
        assert (y.diff() >= -1e-12).all()
    if not activation.monotone:
        assert (y.diff() < 0).any()
    for edge, chosen in activation.kinks(**values):
        beside = torch.tensor([edge - 1e-7, edge, edge + 1e-7], dtype=torch.float64)
        left, at, right = activation.derivative(beside, **values).tolist()
        jump = activation.compute(beside, **values).diff().abs().max() > 1e-3
        assert at == pytest.approx(chosen)
        assert jump or left != pytest.approx(right, abs=1e-4)
    if activation.zero_centred:
        assert activation.compute(torch.zeros(1), **values).item() == 0


MUTANTS = {
    "a wrong constant": ("gelu_tanh", {"compute": lambda z: z * torch.sigmoid(1.7 * z)}),
    "a wrong branch": ("elu", {"compute": lambda z, alpha: torch.where(z > -1, z, z.expm1())}),
    "a missing term": ("silu", {"derivative": torch.sigmoid}),
    "a rounded constant": ("selu", {"compute": lambda z: torch.where(
        z > 0, 1.0507009 * z, 1.0507009 * 1.6732632 * z.clamp(max=0).expm1())}),
    "a cancellation": ("gelu", {"compute": lambda z: z * (1 + torch.erf(z / 2**0.5)) / 2}),
    "an overflow": ("softplus", {"compute": lambda z, beta, threshold: z.exp().log1p()}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_is_found_out(kind: str) -> None:
    name, change = MUTANTS[kind]
    mutant = dataclasses.replace(CATALOGUE[name], **change)  # type: ignore[arg-type]
    errors = [worst(mutant, torch.float64, order)[0] for order in (0, 1)]
    assert errors[0] > VALUE or errors[1] > SLOPE
