"""Gains by quadrature, against closed forms and a high-precision integral."""

from math import sqrt

import mpmath
import pytest
from tests.activations.exact import exact

from reluctant.activations import CATALOGUE
from reluctant.activations.gains import backward_gain, forward_gain


def test_rectifiers_have_the_closed_form_of_he() -> None:
    for slope in (0.0, 0.01, 0.3):
        leaky = CATALOGUE["leaky_relu"]
        wanted = pytest.approx(sqrt(2 / (1 + slope**2)), rel=1e-7)
        assert forward_gain(leaky, negative_slope=slope) == wanted
        assert backward_gain(leaky, negative_slope=slope) == wanted
    assert forward_gain(CATALOGUE["identity"]) == pytest.approx(1, rel=1e-9)
    assert forward_gain(CATALOGUE["selu"]) == pytest.approx(1, rel=1e-7)


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "softplus", "mish", "sigmoid", "elu"])
def test_smooth_functions_against_the_integral(name: str) -> None:
    activation = CATALOGUE[name]
    for order, gain in ((0, forward_gain), (1, backward_gain)):
        with mpmath.workdps(15):
            square = mpmath.quad(
                lambda z, order=order: exact(activation, z, order) ** 2 * mpmath.npdf(z),
                [-12, -4, 0, 4, 12],
            )
        assert gain(activation) == pytest.approx(float(1 / mpmath.sqrt(square)), rel=1e-6)
