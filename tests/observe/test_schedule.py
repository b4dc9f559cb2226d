"""Which steps are observed, at what cost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.observe.schedule import START_SECONDS, Schedule


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
