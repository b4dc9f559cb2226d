"""The grammar: how many functions there are, and where one leads."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.activations.expression import Expression, expression
from reluctant.search import grammar, shape

BASE = set(grammar.base())


@pytest.fixture(scope="module")
def distinct() -> list[Expression]:
    return grammar.functions()


def test_the_base_grammar_has_as_many_formulas_as_are_written_about() -> None:
    assert len(list(grammar.base())) == 27 * 7 * 27 == 5103


def test_equal_functions_are_tried_once(distinct: list[Expression]) -> None:
    assert len(distinct) == 2835
    assert len({shape.fingerprint(at) for at in distinct}) == len(distinct)
    finite = [at for at in distinct if shape.is_finite(at) and not shape.is_constant(at)]
    assert len(finite) == 2412


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("z * sigmoid(z)", "silu(z)"),
        ("max(z, 0)", "relu(z)"),
        ("z - -z", "z + z"),
        ("square(z)", "z * z"),
        ("max(abs(z), square(z))", "max(square(z), abs(z))"),
        ("0 / z", "0 * inverse(z)"),
    ],
)
def test_one_function_has_one_fingerprint(one: str, other: str) -> None:
    assert shape.fingerprint(expression(one)) == shape.fingerprint(expression(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("relu(z)", "silu(z)"),
        ("z", "a * z"),
        ("a * z", "b * tanh(z) - b * tanh(z) + a * z"),
        ("tanh(z)", "erf(z)"),
    ],
)
def test_functions_that_differ_or_learn_differently_are_two(one: str, other: str) -> None:
    assert shape.fingerprint(expression(one)) != shape.fingerprint(expression(other))


def test_of_equal_formulas_the_cheapest_stays() -> None:
    same = ["z * sigmoid(z) + 0", "silu(z)", "silu(z) * 1"]
    assert shape.distinct(map(expression, same)) == [expression("silu(z)")]


@given(st.integers(0, 10**6))
def test_children_are_functions_of_the_allowed_size(seed: int) -> None:
    random = Random(seed)
    parents = [grammar.draw(random) for _ in range(3)]
    for _ in range(20):
        made = grammar.child(parents, random)
        assert made.size <= grammar.LARGEST
        assert expression(str(made)) == made
        parents.append(made)


@given(st.integers(0, 10**6))
def test_a_change_stays_in_the_base_grammar(seed: int) -> None:
    random = Random(seed)
    function = grammar.draw(random)
    for _ in range(10):
        function = grammar.changed(function, random)
        assert function in BASE
