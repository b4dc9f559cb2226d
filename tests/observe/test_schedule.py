"""Which steps are observed, at what cost."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, repeat
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reluctant.observe.schedule import (
    APART,
    FIXED_SECONDS,
    LONGEST_SLEEP,
    START_SECONDS,
    STEP_SECONDS,
    Schedule,
)


def sampled(schedule: Schedule, steps: int, seconds: float, cost: float) -> list[int]:
    """The observed steps of a run in which a plain step takes `seconds` and observing `cost`."""
    found, elapsed = [], 0.0
    for step in range(steps):
        if step == 0 or schedule.due(step, elapsed):
            found.append(step)
            schedule.paid(step, cost)
            elapsed += cost
        elapsed += seconds
    return found


def test_a_short_run_is_observed_at_every_step() -> None:
    assert sampled(Schedule(), 30, seconds=0.01, cost=0.002) == list(range(30))


def test_dense_at_first_then_ever_sparser() -> None:
    steps = sampled(Schedule(), 50_000, seconds=0.002, cost=0.001)
    assert steps[:37] == [*range(32), 38, 47, 58, 72, 90]
    gaps = [after - before for before, after in pairwise(steps)]
    assert len(steps) > 300
    assert max(gaps) < 50_000 / 4


def test_the_number_of_samples_grows_with_the_logarithm() -> None:
    counts = [len(sampled(Schedule(), steps, 1.0, 0.0)) for steps in (10_000, 100_000, 1_000_000)]
    assert counts[0] < 2000
    assert counts[2] - counts[1] == pytest.approx(counts[1] - counts[0], rel=0.2)
    assert counts[2] - counts[1] < 600


def test_where_few_can_be_afforded_the_first_are_powers_of_two() -> None:
    steps = sampled(Schedule(), 2000, seconds=0.1, cost=0.05)
    assert [step for step in steps if step < 32] == [0, 1, 2, 4, 8, 16]


@given(
    seconds=st.floats(1e-4, 0.5),
    cost=st.floats(1e-4, 0.5),
    budget=st.floats(0.001, 0.2),
    steps=st.integers(1, 3000),
)
def test_the_budget_is_kept(seconds: float, cost: float, budget: float, steps: int) -> None:
    """Beyond the grace, and the one step that has to be tried, the share is kept."""
    schedule = Schedule(budget)
    sampled(schedule, steps, seconds, cost)
    elapsed = steps * seconds + schedule.spent
    assert schedule.spent <= max(START_SECONDS, budget * elapsed) + cost


def test_every_overrides_the_budget() -> None:
    assert sampled(Schedule(every=7), 30, 0.001, 10.0) == [0, 7, 14, 21, 28]


@pytest.mark.parametrize("period", [2, 3, 5, 7, 16, 25, 40, 50])
def test_cycles_of_the_script_are_not_aliased(period: int) -> None:
    """Every phase of a script that repeats itself every `period` steps is seen."""
    steps = sampled(Schedule(), 100_000, seconds=0.001, cost=0.001)
    assert {step % period for step in steps} == set(range(period))


def awake(
    schedule: Schedule, durations: Sequence[float], costs: Iterable[float]
) -> tuple[list[int], int, float]:
    """The observed steps where `due` is asked only after `sleep`, and how often it was.

    Each step takes its own time, and each sample its own cost. Third is the time that all took.
    """
    found, elapsed, wake, asked = [], 0.0, 0, 0
    looked, counted, plain = 0.0, 0, inf  # as the observer takes them
    price = iter(costs)
    for step, seconds in enumerate(durations):
        if step >= wake:
            asked += 1
            if step > counted:
                took = (elapsed - looked) / (step - counted)
                plain = took if took < plain else 1.01 * plain
            if step == 0 or schedule.due(step, elapsed):
                found.append(step)
                schedule.paid(step, cost := next(price))
                elapsed += cost
                looked, counted = elapsed, step
            else:
                wake = step + schedule.sleep(step, elapsed, plain if plain < inf else 0)
                looked, counted = elapsed, step
        elapsed += seconds
    return found, asked, elapsed


@given(
    seconds=st.floats(1e-4, 0.5),
    cost=st.floats(1e-4, 0.5),
    budget=st.floats(0.001, 0.2),
    every=st.none() | st.integers(1, 50),
    steps=st.integers(1, 3000),
)
def test_sleep_misses_no_step_that_is_due(
    seconds: float, cost: float, budget: float, every: int | None, steps: int
) -> None:
    asking, sleeping = Schedule(budget, every), Schedule(budget, every)
    found, asked, _ = awake(sleeping, [seconds] * steps, repeat(cost))
    assert found == sampled(asking, steps, seconds, cost)
    assert asked <= steps


def test_most_steps_are_slept_through() -> None:
    found, asked, _ = awake(Schedule(), [0.0006] * 40_000, repeat(0.002))
    assert asked < 40_000 / 10
    assert len(found) > 50


@pytest.mark.parametrize("seconds", [0.0001, 0.0005])
def test_what_being_told_of_steps_costs_is_paid_from_the_budget(seconds: float) -> None:
    schedule, steps = Schedule(), 500_000
    found, _, elapsed = awake(schedule, [seconds] * steps, repeat(0.002))
    told = steps * STEP_SECONDS
    assert schedule.spent <= max(START_SECONDS, 0.01 * elapsed - min(told, 0.005 * elapsed)) + 0.002
    assert found[-1] > steps / 2


def test_steps_that_become_slower_make_a_sample_late_by_a_few_of_them() -> None:
    durations = [0.0005] * 20_000 + [0.5] * 2_000
    found, _, _ = awake(Schedule(), durations, repeat(0.002))
    elapsed, asking = 0.0, Schedule()
    expected = []
    for step, seconds in enumerate(durations):
        if step == 0 or asking.due(step, elapsed):
            expected.append(step)
            asking.paid(step, 0.002)
            elapsed += 0.002
        elapsed += seconds
    first = next(step for step in found if step >= 20_000)
    assert first - next(step for step in expected if step >= 20_000) <= LONGEST_SLEEP


# -- steps and samples that take now longer, now shorter ----------------------------------------

phases = st.lists(st.tuples(st.integers(1, 1500), st.floats(1e-4, 0.2)), min_size=1, max_size=4)


def uneven(cost: float, spread: float, seed: int) -> Iterator[float]:
    """Costs up to `spread` times as large or as small, without end."""
    random = Random(seed)
    while True:
        yield cost * spread ** random.uniform(-1, 1)


@settings(deadline=None)
@given(
    phases=phases,
    cost=st.floats(1e-4, 0.2),
    spread=st.floats(1, 5),
    budget=st.floats(0.001, 0.2),
    seed=st.integers(0, 99),
)
def test_the_budget_is_kept_whatever_steps_and_samples_take(
    phases: list[tuple[int, float]], cost: float, spread: float, budget: float, seed: int
) -> None:
    """Beyond the start, but for the one sample that turns out dearer than those before it."""
    schedule = Schedule(budget)
    durations = [seconds for count, seconds in phases for _ in range(count)]
    found, _, elapsed = awake(schedule, durations, uneven(cost, spread, seed))
    assert found[0] == 0
    assert schedule.spent <= max(START_SECONDS, budget * elapsed) + cost * spread


def taken(schedule: Schedule, steps: int) -> float:
    """All that we take of a run: what the schedule is told of, and what it reckons with."""
    return FIXED_SECONDS + STEP_SECONDS * steps + schedule.spent


# Longer than that and short steps alone would cost more than the budget.
short = st.floats(1e-3, 2e-3)


@settings(deadline=None, max_examples=40)
@given(seconds=short, cost=st.floats(1e-4, 5e-3), spread=st.floats(1, 3), seed=st.integers(0, 99))
def test_half_a_minute_of_short_steps_costs_less_than_twice_the_budget(
    seconds: float, cost: float, spread: float, seed: int
) -> None:
    """The fixed cost and the grace included."""
    schedule, steps = Schedule(0.01), round(25 / seconds)
    _, _, elapsed = awake(schedule, [seconds] * steps, uneven(cost, spread, seed))
    assert taken(schedule, steps) <= 2 * 0.01 * elapsed


@settings(deadline=None, max_examples=20)
@given(seconds=short, cost=st.floats(1e-4, 0.05), spread=st.floats(1, 3), seed=st.integers(0, 99))
def test_a_long_run_is_given_at_least_half_of_what_it_pays_for(
    seconds: float, cost: float, spread: float, seed: int
) -> None:
    """Or the samples stand as close as they may, so late in the run."""
    schedule, steps = Schedule(0.01), round(300 / seconds)
    found, _, elapsed = awake(schedule, [seconds] * steps, uneven(cost, spread, seed))
    half = taken(schedule, steps) >= 0.01 * elapsed / 2
    late = [(before, after) for before, after in pairwise(found) if before > steps / 2]
    close = [after - before <= APART * after + LONGEST_SLEEP for before, after in late]
    assert half or (len(close) > 50 and all(close))
    assert taken(schedule, steps) <= 2 * 0.01 * elapsed


def test_what_begins_anew_is_observed_as_closely_as_at_first() -> None:
    schedule = Schedule()
    first = sampled(schedule, 5000, seconds=0.002, cost=0.001)
    schedule.anew(5000)
    found, elapsed = [], 10.0
    for step in range(5000, 5040):
        if schedule.due(step, elapsed):
            found.append(step)
            schedule.paid(step, 0.001)
        elapsed += 0.002
    assert 5000 - first[-1] > 8
    assert found[:32] == list(range(5000, 5032))


def test_with_more_grace_and_less_apart_more_is_seen() -> None:
    usual = sampled(Schedule(), 2000, seconds=0.001, cost=0.004)
    attended = sampled(Schedule(0.05, None, 2.0, 16), 2000, seconds=0.001, cost=0.004)
    assert attended[:32] == list(range(32))
    assert max(after / before for before, after in pairwise(attended[32:])) < 1.1
    assert len(attended) > 2 * len(usual)
