"""What is expected of a run, from its losses so far."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, log, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import a_run

from reluctant.healing.outlook import expected, falls, has_decayed, limit, reached, untaught
from reluctant.record.run import Run

CHANCE = log(10.0)
FINITE = st.floats(1e-3, 1e6)


def a_loss(losses: Sequence[float]) -> Run:
    """A run of these losses, ten steps apart, by the cross-entropy of ten classes."""
    return a_run(steps=range(0, 10 * len(losses), 10), losses=losses, head={})


def noise(level: float, size: float, count: int = 20) -> list[float]:
    return (level + size * np.random.default_rng(0).normal(size=count)).tolist()


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        (noise(CHANCE, 0.02), True),  # at chance throughout
        (noise(CHANCE, 0.1), True),
        (noise(50.0, 1.0), True),  # far above it, and there to stay
        ([100.0 * exp(-0.002 * at) for at in range(20)], True),  # too slow to get there
        ([100.0 * exp(-0.3 * at) for at in range(13)], False),  # not there yet, but soon
        (np.linspace(CHANCE, 0.3, 20).tolist(), False),
        (np.linspace(CHANCE, 1.9, 20).tolist(), False),
        ([CHANCE] * 5 + [nan] * 15, True),
        ([CHANCE] * 5 + [inf] * 15, True),
        ([CHANCE, CHANCE], True),
    ],
)
def test_a_run_that_has_learnt_nothing_may_begin_anew(losses: list[float], wanted: bool) -> None:
    assert untaught(a_loss(losses)) is wanted


def test_without_a_loss_function_it_is_held_against_its_beginning() -> None:
    assert untaught(a_run(losses=noise(3.0, 0.05)))
    assert not untaught(a_run(losses=np.linspace(3.0, 2.0, 20).tolist()))
    # A log likelihood may be below zero, and fall.
    assert untaught(a_run(losses=noise(-3.0, 0.05)))
    assert not untaught(a_run(losses=np.linspace(-3.0, -9.0, 20).tolist()))


@given(st.floats(0.1, 100), st.floats(-0.05, 0.05), st.integers(60, 400))
def test_what_goes_on_as_it_does_is_expected_exactly(level: float, slope: float, step: int) -> None:
    known = [(at, level * exp(slope * at)) for at in range(0, 60, 2)]
    assert expected(known, step) == pytest.approx(level * exp(slope * step), rel=1e-6)


@given(st.lists(FINITE, min_size=6, max_size=40))
def test_noise_makes_expectations_better_and_never_worse(losses: list[float]) -> None:
    known = list(enumerate(losses))
    late = [(at, log(loss)) for at, loss in known if at >= known[-1][0] / 2]
    if len(late) >= 4:
        slope, level = np.polyfit(*np.transpose(late), 1)
        line = exp(min(level + slope * 2 * known[-1][0], 700.0))
        assert expected(known, 2 * known[-1][0]) <= line * (1 + 1e-6)


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_losses_are_no_worse_than_themselves(losses: list[float]) -> None:
    assert reached(losses) <= limit(losses)
    assert not reached([2 * max(losses)] * 3) <= limit(losses)


def test_what_is_not_finite_is_worse_than_anything() -> None:
    assert reached([1.0, 1.0, nan]) == inf
    assert limit([1.0, nan]) == inf
    assert limit([]) == inf
    assert reached([]) == inf


def test_a_fall_is_told_from_a_standstill() -> None:
    assert falls(np.linspace(3, 2, 12).tolist())
    assert not falls([2.0] * 12)
    assert not falls([3.0, 2.0, 1.0])  # too few


@pytest.mark.parametrize(("correct", "lost"), [(0.9, False), (0.15, True)])
def test_one_that_is_mostly_right_has_learnt_whatever_its_loss(correct: float, lost: bool) -> None:
    """A few answers that are wrong and sure of themselves cost more than all others."""
    head = {"correct": correct, "commonest": 0.12}
    assert untaught(a_run(losses=noise(70 * CHANCE, 1.0), head=head)) is lost


@pytest.mark.parametrize(
    ("rates", "decayed"),
    [
        ([0.1, 0.1, 0.1], False),
        ([0.1, 0.05, 0.02], False),
        ([0.1, 0.01, 0.001], True),
        ([1e-6, 0.1, 1e-3], True),  # warmed up before
        ([1e-6, 1e-6, 1e-6], False),  # low from the start
        ([None, None, None], False),
    ],
)
def test_a_rate_that_has_decayed(rates: list[float | None], decayed: bool) -> None:
    run = a_loss([2.3, 2.3, 2.3])
    samples = tuple(replace(at, rate=rate) for at, rate in zip(run.samples, rates, strict=True))
    assert has_decayed(replace(run, samples=samples)) is decayed
