"""Expressions: what is written is what is computed, whichever way it is written."""

import gc
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reluctant
from reluctant import functional
from reluctant import nn as own
from reluctant.activations import CATALOGUE
from reluctant.activations.expression import PARAMETERS, Expression, expression, is_name, number
from reluctant.activations.operations import BINARY, UNARY
from reluctant.errors import WrongArgument
from reluctant.swapping import replacement

LEAVES = st.sampled_from([Expression("z"), *map(Expression, PARAMETERS)]) | st.floats(0, 1e9).map(
    number
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda head, at: Expression(head, (at,)), st.sampled_from(list(UNARY)), inner)
        | st.builds(
            lambda head, one, other: Expression(head, (one, other)),
            st.sampled_from(list(BINARY)),
            inner,
            inner,
        )
    ),
    max_leaves=8,
)
POINTS = torch.linspace(-3, 3, 25, dtype=torch.float64)


@given(EXPRESSIONS)
def test_what_is_printed_is_parsed_again(function: Expression) -> None:
    assert expression(str(function)) == function


@pytest.mark.parametrize(
    "text",
    [
        "z*tanh(z)",
        "-z**2",
        "(-z)**2",
        "2**-z",
        "z - (z - 1)",
        "z/2/3",
        "2**z**2",
        "-z*-z",
        "max(z, abs(z) - 1)",
        "1e-3*z + 0.5",
    ],
)
def test_a_text_means_what_it_means_in_python(text: str) -> None:
    words = {"z": POINTS, "tanh": torch.tanh, "max": torch.maximum, "abs": torch.abs}
    assert torch.equal(expression(text)(POINTS), eval(text, words))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tahn(z)", "There is tanh"),
        ("z +", "cannot be read"),
        ("max(z)", "max takes 2"),
        ("y * z", "'y' is nothing"),
        ("z if z else 1", "is nothing"),
        ("__import__('os')", "no operation '__import__'"),
        ("z.real", "is nothing"),
        ("1e999", "inf is no constant"),
        ("", "cannot be read"),
        ("(" * 5000 + "z", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(WrongArgument, match=re.escape(says)):
        expression(text)


@pytest.mark.parametrize("name", [name for name in UNARY if name in CATALOGUE])
def test_an_operation_is_the_catalogues_function_of_that_name(name: str) -> None:
    z = torch.linspace(-6, 6, 101, dtype=torch.float64)
    assert torch.allclose(expression(f"{name}(z)")(z), CATALOGUE[name](z), atol=1e-12)


def test_names_are_told_from_expressions() -> None:
    assert all(map(is_name, ["relu", "leaky_relu:0.1", "leaky-relu", "prelu:1,0.2", "atan"]))
    assert not any(map(is_name, ["z", "-z", "z - z", "a * z", "max(z, 0)", "2 * z", "z-z"]))


@pytest.fixture
def collecting() -> Iterator[None]:
    """Garbage is collected at every turn, and while it is another thread goes on."""

    def give_way(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("collecting")
def test_threads_may_read_at_the_same_time() -> None:
    text = "min(z, tanh(min(sigmoid(z), min(z, hardsigmoid(max(z, a * tanh(z)))))))"
    expected = expression(text)
    with ThreadPoolExecutor(3) as pool:
        assert all(at == expected for at in pool.map(expression, [text] * 1500))


def test_parameters_are_learnt_and_start_at_one() -> None:
    of = replacement("max(a * z, b * tanh(z))").of
    module = own.module(of.name)()
    z = torch.randn(4, 3)
    assert torch.equal(module(z), torch.maximum(z, torch.tanh(z)))
    module(z).sum().backward()
    names = {name: value.grad for name, value in module.named_parameters()}
    assert names.keys() == {"a", "b"}
    assert all(gradient is not None and gradient != 0 for gradient in names.values())
    assert "max(a * z" in repr(replacement("max(a * z, b * tanh(z))").of.formula)


def test_an_expression_is_registered_under_a_name_of_its_own() -> None:
    of = reluctant.register("bent_line", reluctant.expression("max(z, tanh(z))"))
    assert of.formula == "max(z, tanh(z))"
    assert torch.equal(functional.function("bent_line")(POINTS), of(POINTS))
    assert torch.equal(own.module("bent_line")()(POINTS), of(POINTS))


def test_what_is_no_number_somewhere_is_refused() -> None:
    with pytest.raises(WrongArgument, match=r"The value of exp\(z\) at z = 10000"):
        replacement("exp(z)")
    assert "exp(z)" not in CATALOGUE
