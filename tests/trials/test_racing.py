"""Races are honest at every look: boundaries by theory and by chance, and whole races."""

from math import inf, sqrt

import numpy as np
import pytest
from benchmarks.racing import GAIN, noises, replay
from scipy.stats import t as student

from reluctant.record.comparison import Direction
from reluctant.trials.boundary import boundary, spending
from reluctant.trials.racing import Race

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def statistics(count: int, looks: int, seed: int) -> Array:
    """t after 2, 3, ... normal numbers, (count, looks - 1)."""
    numbers = np.random.default_rng(seed).standard_normal((count, looks))
    n = np.arange(2, looks + 1)
    total, square = numbers.cumsum(1)[:, 1:], (numbers**2).cumsum(1)[:, 1:]
    made: Array = total / np.sqrt(n) / np.sqrt((square - total**2 / n) / (n - 1))
    return made


@pytest.mark.parametrize("looks", [2, 3, 4, 7, 12])
@pytest.mark.parametrize("error", [0.05, 0.005])
def test_one_look_at_the_end_is_the_usual_test(looks: int, error: float) -> None:
    found = boundary((*[0.0] * (looks - 2), error))
    assert found[:-1] == (inf,) * (looks - 2)
    assert found[-1] == pytest.approx(student.ppf(1 - error, looks - 1), rel=5e-3)


@pytest.mark.parametrize("early", [0.1, 0.5, 1.0])
def test_boundaries_spend_what_they_are_given(early: float) -> None:
    plan = tuple(spending(0.05, early, 12, 12, last=True))
    crossed = statistics(100_000, 12, 1) > np.array(boundary(plan))
    by_then = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    assert by_then == pytest.approx(np.array(plan), rel=0.04, abs=1e-3)


def test_a_wrong_boundary_is_found_out() -> None:
    """The twin that looks again and again at the usual boundary."""
    usual = student.ppf(0.95, np.arange(1, 12))
    assert (statistics(20_000, 12, 1) > usual).any(axis=1).mean() > 0.15


def test_spending_keeps_the_most_for_the_last_look() -> None:
    assert list(spending(0.05, 0.1, 5, 4, last=False)) == pytest.approx([0.002, 0.003, 0.004])
    assert list(spending(0.05, 0.1, 5, 4, last=True)) == pytest.approx([0.002, 0.003, 0.05])


def test_candidates_that_are_all_alike_seldom_win() -> None:
    generator = np.random.default_rng(2)
    done = [replay(noises(generator)["normal"], (0.0,) * 8) for _ in range(100)]
    assert sum(at.false for at in done) <= 5
    assert sum(at.holds for at in done) >= 93
    assert np.mean([at.seeds for at in done]) < 11, "most stop early"
    assert abs(np.mean([at.bias for at in done])) < 0.1


def test_a_candidate_that_is_better_is_found_among_eight() -> None:
    generator = np.random.default_rng(3)
    done = [replay(noises(generator)["normal"], (GAIN, *[0.0] * 7)) for _ in range(60)]
    assert sum(at.found for at in done) >= 43  # 0.8 within two standard deviations
    assert sum(at.false for at in done) <= 4


@pytest.mark.parametrize("direction", ["high", "low"])
def test_better_is_what_the_direction_says(direction: Direction) -> None:
    race = Race(2, 6, direction)
    rising = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0]
    up = race.judge("up", rising, 3.0, last=True)
    down = race.judge("down", [-at for at in rising], 3.0, last=True)
    better, worse = (up, down) if direction == "high" else (down, up)
    assert (better.verdict, worse.verdict) == ("better", "worse")
    assert up.low is not None
    assert up.high is not None
    assert up.low < 1 < up.high
    assert race.lost(rising[:3]) is (direction == "low")


def test_one_more_look_makes_an_interval_wider_and_the_last_narrower() -> None:
    race = Race(4, 10, "high")
    differences = [0.1, -0.2, 0.3, 0.0, 0.1]
    some = race.judge("a", differences, None, last=False)
    all_ = race.judge("a", differences, None, last=True, reached=5)
    assert some.low is not None
    assert all_.low is not None
    assert some.low < all_.low
    assert all_.detectable is not None
    assert some.detectable is not None
    assert some.detectable < all_.detectable, "ten seeds can show more than five"


def test_few_seeds_show_nothing_and_stop_nobody() -> None:
    race = Race(2, 10, "high")
    assert not race.lost([-9.0, -9.1])
    one = race.judge("a", [1.0], 2.0, last=False)
    assert (one.n, one.difference, one.low, one.high) == (1, 1.0, None, None)
    none = race.judge("a", [], None, last=False)
    assert (none.n, none.difference, none.verdict) == (0, None, "no difference shown")


def test_what_does_not_differ_at_all_has_lost() -> None:
    race = Race(1, 10, "low")
    assert race.lost([0.0] * 3)
    same = race.judge("a", [0.0] * 3, 1.0, last=False)
    assert (same.low, same.high, same.verdict) == (0, 0, "no difference shown")


def test_rounding_keeps_two_digits_that_agree_from_being_a_proof() -> None:
    differences = [0.1, 0.1]
    assert Race(1, 2, "high").judge("a", differences, None, last=True).verdict == "better"
    rounded = Race(1, 2, "high", resolution=0.1).judge("a", differences, None, last=True)
    assert rounded.verdict == "no difference shown"
    assert sqrt(0.1**2 / 6) < rounded.detectable  # type: ignore[operator]
