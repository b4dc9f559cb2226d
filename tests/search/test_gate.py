"""The gate: what must not meet training is refused in a sentence."""

import pytest

from reluctant.activations.expression import expression
from reluctant.search.gate import refusal


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sin(z) / z", "Its value at z = 0 is not a finite number."),
        ("inverse(z)", "Its value at z = 0 is not a finite number."),
        # Zero there, and its gradient is not: what guards a value does not guard a gradient.
        ("min(abs(z) ** 0.5, 1)", "Its gradient at z = 0 is not a finite number."),
        ("exp(z)", "Its value at z = 1000 is not a finite number."),
        ("z ** z", "is not a finite number."),
        ("max(a, 1)", "It does not depend on z."),
        ("z - z", "It is constant: nothing could be learnt through it."),
        ("2 * z + 1", "It is a straight line"),
        ("tanh(tanh(tanh(tanh(tanh(tanh(tanh(tanh(tanh(z)))))))))", "It takes 18 elementwise"),
    ],
)
def test_refused(text: str, says: str) -> None:
    said = refusal(expression(text))
    assert said is not None
    assert says in said


@pytest.mark.parametrize(
    "text", ["relu(z)", "silu(z)", "a * softplus(z)", "max(z, tanh(z))", "z * i0e(z)", "abs(z)"]
)
def test_let_through(text: str) -> None:
    assert refusal(expression(text)) is None
