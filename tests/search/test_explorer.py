"""The surrogate and what it proposes, on functions whose worth is made up."""

from math import inf, log
from random import Random
from statistics import median

import numpy as np
import pytest
import torch

from reluctant.activations.expression import Expression, expression
from reluctant.search import gate, shape
from reluctant.search.explorer import Explorer
from reluctant.search.prior import Prior
from reluctant.search.surrogate import Surrogate, normal


@pytest.fixture(scope="module")
def pool() -> list[Expression]:
    return list(gate.passed())


def worth(function: Expression) -> float:
    """The nearer to a leaky hyperbolic sine's inverse, mirrored or not, the better."""
    z = torch.linspace(-3, 3, 61, dtype=torch.float64)
    aim = torch.where(z > 0, torch.asinh(2 * z), 0.3 * torch.tanh(z))
    ways = (aim, -aim, aim.flip(0), -aim.flip(0))
    return -min(float((function(z) - at).square().mean()) for at in ways)


def test_a_mirrored_function_is_the_same_to_the_surrogate() -> None:
    seen = shape.features(map(expression, ("relu(z)", "tanh(z)", "square(z)", "silu(z)")))
    known = Surrogate(seen, [3.0, 2.0, 1.0, 4.0])
    one, *others = [known.guess(at)[0] for at in shape.mirrored(seen)]
    assert all(np.allclose(one, other) for other in others)
    mirrored = shape.features(map(expression, ("-relu(z)", "tanh(-z)", "-square(z)", "-silu(-z)")))
    assert np.allclose(known.guess(mirrored)[0], one)


def test_what_was_seen_is_guessed_again_and_the_unknown_is_uncertain() -> None:
    seen = np.array([[0.0], [1.0], [2.0], [3.0]])
    known = Surrogate(seen, [0.0, 1.0, 2.0, 3.0])
    mean, spread = known.guess(np.array([[0.0], [3.0], [100.0]]))
    assert mean[0] < -0.3 < 0.3 < mean[1]
    assert mean[2] == pytest.approx(0, abs=1e-6)
    assert spread[2] == pytest.approx(1)
    assert spread[0] < 0.6
    assert known.promise(np.array([[3.1], [0.0]])).argmax() == 0


def test_scores_count_by_their_order() -> None:
    assert np.array_equal(normal([-inf, 2.0, 1e9]), normal([0.0, 0.1, 0.2]))
    assert normal([5.0, 5.0])[0] == normal([5.0, 5.0])[1] == 0


def test_a_search_begins_with_what_most_is_expected_of_and_tries_nothing_twice(
    pool: list[Expression],
) -> None:
    prior = Prior.of([{at: -at.cost for at in pool}])
    explorer = Explorer(pool, lambda at: gate.refusal(at) is None, Random(0), prior)
    scores: dict[Expression, float] = {}
    for count in range(25):
        chosen = explorer.next(scores)
        assert chosen is not None
        assert gate.refusal(chosen) is None
        scores[chosen] = worth(chosen) if count % 5 else -inf
    assert next(iter(scores)).cost == min(at.cost for at in pool)
    assert len({shape.fingerprint(at) for at in scores}) == 25


def test_what_is_being_tried_is_not_proposed_again(pool: list[Expression]) -> None:
    explorer = Explorer(pool[:3], None, Random(0))
    waiting: list[Expression] = []
    for _ in range(3):
        chosen = explorer.next({}, waiting)
        assert chosen is not None
        waiting.append(chosen)
    assert set(waiting) == set(pool[:3])
    assert explorer.next({}, waiting) is None
    assert explorer.next({expression("tanh(z)"): 1.0}, waiting) is None


def test_of_what_nobody_knows_is_expected_what_the_most_alike_came_to() -> None:
    known = [expression(text) for text in ("tanh(z)", "relu(z)", "square(z)")]
    prior = Prior.of([dict(zip(known, (3.0, 1.0, 2.0), strict=True))])
    asked = [expression(text) for text in ("tanh(z)", "erf(z)", "-relu(z)", "sin(9 * z)")]
    exact, near, mirrored, far = prior.expected(asked)
    assert prior.worth[known[0]] == exact == max(prior.worth.values())
    assert 0.5 * exact < near < exact
    assert mirrored == pytest.approx(prior.worth[known[1]])
    assert abs(far) < 0.5 * exact


def test_tasks_count_alike_whatever_their_scale() -> None:
    one, other = expression("tanh(z)"), expression("relu(z)")
    prior = Prior.of([{one: 0.1, other: 0.2}, {one: 99.0, other: 12.0}])
    assert prior.worth == {one: 0.0, other: 0.0}


WAYS = {"nothing": (35, None), "what is right": (15, 1.0), "what is wrong": (69, -1.0)}


@pytest.mark.parametrize("way", WAYS)
def test_a_good_function_is_found_in_fewer_trials_than_by_chance(
    pool: list[Expression], way: str
) -> None:
    """Whatever is expected, and in the fewest if that is right; by chance it takes 69."""
    most, sign = WAYS[way]
    best = set(sorted(pool, key=worth, reverse=True)[: len(pool) // 100])
    noise = Random(0)
    prior = None
    if sign is not None:
        rough = {at: sign * log(-worth(at)) * -1 + noise.gauss(0, 1) for at in pool}
        prior = Prior.of([rough])

    def taken(seed: int) -> int:
        explorer = Explorer(pool, None, Random(seed), prior)
        scores: dict[Expression, float] = {}
        while not best & scores.keys():
            chosen = explorer.next(scores)
            assert chosen is not None
            scores[chosen] = worth(chosen)
        return len(scores)

    assert median(map(taken, range(3))) < most
