"""Paired differences: the intervals hold what they promise."""

from math import inf, nan, sqrt

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.record.comparison import Candidate, Comparison, Direction
from reluctant.trials.compare import CONFIDENCE, POWER, compare, probability, quantile

NUMBERS = st.floats(-1e6, 1e6).map(lambda at: round(at, 3))
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=8)


def compared(
    treated: list[float | None],
    untreated: list[float | None],
    direction: Direction = "low",
    resolution: float = 0.0,
) -> Candidate:
    said = compare("loss", direction, ("plain", untreated), {"treated": treated}, resolution)
    return said.of("treated")


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 19, 100])
@pytest.mark.parametrize("share", [0.6, 0.8, 0.975])
def test_quantiles_are_those_of_student(freedom: int, share: float) -> None:
    """Against the incomplete beta function."""
    value = quantile(share, freedom)
    tail = mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + value**2), regularized=True)
    assert float(1 - tail / 2) == pytest.approx(share, abs=1e-9)
    assert probability(value, freedom) == pytest.approx(share, abs=1e-9)
    assert probability(-value, freedom) == pytest.approx(1 - share, abs=1e-9)


def drawn(n: int, count: int, noise: str) -> np.ndarray:  # type: ignore[type-arg]
    generator = np.random.default_rng(n)
    if noise == "normal":
        return generator.normal(size=(count, n))
    return generator.uniform(-1, 1, size=(count, n)) * sqrt(3)


@pytest.mark.parametrize("noise", ["normal", "uniform"])
@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_intervals_hold_the_true_difference_as_often_as_they_say(n: int, noise: str) -> None:
    shared = np.random.default_rng(0).normal(size=n) * 100  # a seed's fate, which pairs share
    held = 0
    for noises in drawn(n, 2000, noise):
        found = compared(list(shared + 1 + noises), list(shared))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert held / 2000 == pytest.approx(CONFIDENCE, abs=0.015 if noise == "normal" else 0.05)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_difference_of_the_detectable_size_is_shown_as_often_as_they_say(n: int) -> None:
    size = (quantile(0.975, n - 1) + quantile(POWER, n - 1)) / sqrt(n)
    shown = [
        compared(list(noises - size), [0.0] * n).verdict for noises in drawn(n, 1000, "normal")
    ]
    assert shown.count("better") / 1000 == pytest.approx(POWER, abs=0.08)
    assert "worse" not in shown


@given(PAIRS)
def test_turned_signs_mirror_everything(pairs: list[tuple[float, float]]) -> None:
    own, other = [at for at, _ in pairs], [at for _, at in pairs]
    found, turned = compared([*own], [*other]), compared([-at for at in own], [-at for at in other])
    assert None not in (found.difference, found.low, found.high)
    assert turned.difference == -found.difference  # type: ignore[operator]
    assert turned.low == pytest.approx(-found.high)  # type: ignore[operator]
    assert turned.high == pytest.approx(-found.low)  # type: ignore[operator]
    mirrored = {"better": "worse", "worse": "better"}.get(found.verdict, found.verdict)
    assert turned.verdict == mirrored
    assert compared([*own], [*other], "high").verdict == mirrored


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8), st.integers(-1000, 1000))
def test_constant_differences_have_no_spread(values: list[int], difference: int) -> None:
    found = compared([at + difference for at in values], [*values])
    assert found.difference == found.low == found.high == difference
    assert found.detectable == 0
    assert (found.verdict == "no difference shown") == (difference == 0)


@given(PAIRS, st.permutations(range(8)))
def test_the_order_of_seeds_is_of_no_account(
    pairs: list[tuple[float, float]], order: list[int]
) -> None:
    again = [pairs[at] for at in order if at < len(pairs)]
    one, other = [[list(side) for side in zip(*at, strict=True)] for at in (pairs, again)]
    assert compared(*one) == compared(*other)


def test_one_pair_says_that_it_says_nothing() -> None:
    found = compared([1.0], [5.0])
    assert (found.n, found.mean, found.difference) == (1, 1, -4)
    assert (found.low, found.high, found.detectable) == (None, None, None)
    assert found.verdict == "no difference shown"


def test_no_pair_at_all() -> None:
    found = compared([1.0, None], [None, 2.0])
    assert found == Candidate("treated", 0, None, None, None, None, "no difference shown", None)
    assert found.differences == (None, None)


def test_what_is_missing_takes_its_partner_along() -> None:
    found = compared([1.0, None, 2.0], [2.0, 100.0, 3.0])
    assert found == compared([1.0, 2.0], [2.0, 3.0])
    assert found.differences == (-1, None, -1)


def test_what_is_not_finite_is_the_worst_there_was() -> None:
    found = compared([0.5, 0.4, nan], [nan, inf, nan])
    assert found.n == 3
    assert found.difference == pytest.approx((0.0 - 0.1 + 0.0) / 3)
    assert compared([0.5, 0.4], [1e300, 7.0]).difference == pytest.approx((-6.5 - 6.6) / 2)
    assert compared([nan, nan], [nan, nan]).difference == 0
    said = compare("loss", "low", ("plain", [nan]), {"treated": [0.1]}, others=[2.3, nan])
    assert said.of("treated").difference == pytest.approx(-2.2)


def test_rounded_values_that_are_alike_are_not_so_for_sure() -> None:
    """One dead unit more with each of two seeds may be chance."""
    assert compared([1.0, 3.0], [0.0, 2.0]).verdict == "worse"
    assert compared([1.0, 3.0], [0.0, 2.0], resolution=1).verdict == "no difference shown"
    assert compared([0.0] * 5, [120.0] * 5, resolution=1).verdict == "better"
    assert compared([7.0] * 5, [7.0] * 5, resolution=1).low == 0


def test_the_largest_detectable_difference_speaks_for_all() -> None:
    said: Comparison = compare(
        "loss", "low", ("plain", [1.0, 2.0, 3.0]), {"a": [1.1, 2.0, 3.0], "b": [9.0, 2.0, 3.0]}
    )
    assert said.detectable == said.of("b").detectable
    assert said.baseline_mean == 2
