"""Gains by quadrature, against closed forms and a high-precision integral."""

from math import erf, exp, inf, pi, sqrt

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.activations.exact import exact

from reluctant.activations import CATALOGUE, Activation
from reluctant.activations.gains import (
    backward_gain,
    forward_gain,
    is_mirrored_line,
    is_odd,
    lasting_gain,
)

EXACT = 1e-9
every = pytest.mark.parametrize("activation", CATALOGUE.values(), ids=list(CATALOGUE))


def edges(activation: Activation) -> list[float]:
    """Where an integral is to be cut."""
    kinks = [kink for kink, _ in activation.kinks(**activation.values())]
    return sorted({-12, -4, -1, 0, 1, 4, 12, *(kink for kink in kinks if abs(kink) < 12)})


@every
@pytest.mark.parametrize("order", [0, 1])
def test_every_function_against_the_integral(activation: Activation, order: int) -> None:
    gain = (forward_gain, backward_gain)[order](activation)
    with mpmath.workdps(15):
        square = mpmath.quad(
            lambda z: exact(activation, z, order) ** 2 * mpmath.npdf(z), edges(activation)
        )
    assert gain == pytest.approx(float(1 / mpmath.sqrt(square)), rel=1e-6)


@given(st.floats(0, 2))
def test_leaky_rectifiers_have_the_closed_form_of_he(slope: float) -> None:
    wanted = pytest.approx(sqrt(2 / (1 + slope**2)), rel=EXACT)
    for name in ("leaky_relu", "prelu"):
        assert forward_gain(CATALOGUE[name], negative_slope=slope) == wanted
        assert backward_gain(CATALOGUE[name], negative_slope=slope) == wanted


@given(st.floats(0, 1), st.floats(0, 1))
def test_of_a_drawn_slope_the_mean_counts(one: float, two: float) -> None:
    lower, upper = sorted((one, two))
    wanted = pytest.approx(sqrt(2 / (1 + ((lower + upper) / 2) ** 2)), rel=EXACT)
    assert forward_gain(CATALOGUE["rrelu"], lower=lower, upper=upper) == wanted


@given(st.floats(-3, 3))
def test_a_jump_may_be_anywhere(threshold: float) -> None:
    """E z^2 over z > t is t p(t) + 1 - F(t)."""
    above = (1 - erf(threshold / sqrt(2))) / 2
    density = exp(-(threshold**2) / 2) / sqrt(2 * pi)
    jump = CATALOGUE["jumprelu"]
    wanted = 1 / sqrt(threshold * density + above)
    assert forward_gain(jump, threshold=threshold) == pytest.approx(wanted, rel=1e-7)
    wanted = 1 / sqrt(above)
    assert backward_gain(jump, threshold=threshold) == pytest.approx(wanted, rel=1e-7)


@given(st.floats(0.1, 4))
def test_a_bound_may_be_anywhere(edge: float) -> None:
    """The derivative of a hard tanh is one with the chance erf(b / sqrt(2))."""
    found = backward_gain(CATALOGUE["hardtanh"], min_val=-edge, max_val=edge)
    assert found == pytest.approx(1 / sqrt(erf(edge / sqrt(2))), rel=1e-7)


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("relu", sqrt(2), sqrt(2)),
        ("identity", 1.0, 1.0),
        ("selu", 1.0, None),  # the fixed point of Klambauer et al. 2017
        ("squared_relu", sqrt(2 / 3), sqrt(1 / 2)),
        ("sin", sqrt(2 / (1 - exp(-2))), sqrt(2 / (1 + exp(-2)))),
    ],
)
def test_closed_forms(name: str, forward: float, backward: float | None) -> None:
    assert forward_gain(CATALOGUE[name]) == pytest.approx(forward, rel=EXACT)
    if backward is not None:
        assert backward_gain(CATALOGUE[name]) == pytest.approx(backward, rel=EXACT)


def test_where_nothing_comes_through_no_factor_is_enough() -> None:
    off = {"threshold": 99.0, "value": 0.0}
    assert forward_gain(CATALOGUE["threshold"], **off) == inf
    assert backward_gain(CATALOGUE["threshold"], **off) == inf


# -- mirrored pairs ---------------------------------------------------------------------------

LINES = {
    "relu", "leaky_relu", "prelu", "rrelu", "relu6", "threshold", "softplus", "logsigmoid",
    "silu", "swish", "gelu", "gelu_tanh", "quick_gelu", "hardswish", "identity", "jumprelu",
}  # fmt: skip


@every
def test_which_functions_pass_a_mirrored_number_on_as_it_was(activation: Activation) -> None:
    assert is_mirrored_line(activation) == (activation.name in LINES)
    if activation.name in LINES:
        gain, size = lasting_gain(activation, 300, mirrored=True)
        assert size == 1
        z = torch.linspace(0.01, 3, 50, dtype=torch.float64)
        passed = gain * (activation(z) - activation(-z))
        torch.testing.assert_close(passed, z, rtol=1e-4, atol=0)


BENT = {"tanh", "sigmoid", "elu", "selu", "softsign", "arctan", "sin", "hardtanh", "mish"}


@pytest.mark.parametrize("depth", [10, 300])
@pytest.mark.parametrize("name", sorted(BENT | {"relu", "gelu"}))
def test_a_signal_keeps_its_size_and_a_gradient_nearly(name: str, depth: int) -> None:
    activation = CATALOGUE[name]
    mirrored = not is_odd(activation)
    gain, size = lasting_gain(activation, depth, mirrored)
    z = size * torch.randn(1_000_000, dtype=torch.float64, generator=torch.manual_seed(0))
    output, slope = activation(z), activation.derivative(z, **activation.values())
    if mirrored:
        output = output - activation(-z)
        slope = slope + activation.derivative(-z, **activation.values())
    assert gain**2 * output.square().mean() == pytest.approx(size**2, rel=0.01)
    growth = gain**2 * float(slope.square().mean())
    assert growth <= exp(1 / depth) + 0.01


def test_the_deeper_the_straighter() -> None:
    sizes = [lasting_gain(CATALOGUE["tanh"], depth, mirrored=False)[1] for depth in (5, 50, 500)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0.1


def test_a_function_that_is_flat_at_zero_has_none() -> None:
    assert lasting_gain(CATALOGUE["squared_relu"], 10, mirrored=True)[0] == inf


def test_odd_functions_are_known() -> None:
    odd = {name for name, at in CATALOGUE.items() if is_odd(at)}
    assert odd == {"tanh", "hardtanh", "softsign", "arctan", "sin", "identity"}
