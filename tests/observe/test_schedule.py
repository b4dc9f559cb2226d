"""Which steps are observed, at what cost."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.observe.schedule import LONGEST_SLEEP, START_SECONDS, STEP_SECONDS, Schedule


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


def awake(schedule: Schedule, durations: Sequence[float], cost: float) -> tuple[list[int], int]:
    """The observed steps where `due` is asked only after `sleep`, and how often it was."""
    found, elapsed, wake, asked = [], 0.0, 0, 0
    plain = min(durations)
    for step, seconds in enumerate(durations):
        if step >= wake:
            asked += 1
            if step == 0 or schedule.due(step, elapsed):
                found.append(step)
                schedule.paid(step, cost)
                elapsed += cost
            else:
                wake = step + schedule.sleep(step, elapsed, plain)
        elapsed += seconds
    return found, asked


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
    found, asked = awake(sleeping, [seconds] * steps, cost)
    assert found == sampled(asking, steps, seconds, cost)
    assert asked <= steps


def test_most_steps_are_slept_through() -> None:
    found, asked = awake(Schedule(), [0.0006] * 40_000, cost=0.002)
    assert asked < 40_000 / 10
    assert len(found) > 50


@pytest.mark.parametrize("seconds", [0.0001, 0.0005])
def test_what_being_told_of_steps_costs_is_paid_from_the_budget(seconds: float) -> None:
    schedule, steps = Schedule(), 500_000
    found, _ = awake(schedule, [seconds] * steps, cost=0.002)
    elapsed = steps * seconds + schedule.spent
    told = steps * STEP_SECONDS
    assert schedule.spent <= max(START_SECONDS, 0.01 * elapsed - min(told, 0.005 * elapsed)) + 0.002
    assert found[-1] > steps / 2


def test_steps_that_become_slower_make_a_sample_late_by_a_few_of_them() -> None:
    durations = [0.0005] * 20_000 + [0.5] * 2_000
    found, _ = awake(Schedule(), durations, cost=0.002)
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
