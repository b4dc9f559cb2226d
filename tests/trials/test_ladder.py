"""A sweep on paper: which rates are tried, and what the runs at them say."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import comb, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.record.sweep import Attempt, Verdict
from reluctant.trials.ladder import FURTHEST, excess, factor, further, judged

BEGAN, UNITS = 2.3, 800


def run(times: float, last: float | None, killed: int = 0, seed: int = 0) -> Attempt:
    return Attempt(
        times, seed, "", 0, 100, first=BEGAN, last=last, units=UNITS, dead=killed, killed=killed
    )


def verdicts(*runs: Attempt) -> list[Verdict]:
    return [at.verdict for at in judged(runs)]


def swept(verdict: Callable[[int], Verdict]) -> dict[int, Verdict]:
    """All that a sweep tries where rates are such."""
    tried: dict[int, Verdict] = {}
    while rungs := further(tried):
        assert not tried.keys() & set(rungs), "nothing is tried twice"
        tried |= {rung: verdict(rung) for rung in rungs}
        assert len(tried) <= 20
    return tried


def test_rungs_are_eighths_of_a_decade() -> None:
    assert factor(0) == 1
    assert factor(8) == pytest.approx(10)
    assert factor(-4) == pytest.approx(10**-0.5)


@given(low=st.integers(-28, 28), width=st.integers(8, 24), deadly=st.integers(0, 12))
def test_the_edge_is_found_from_however_far(low: int, width: int, deadly: int) -> None:
    """Where there is a stretch of rates that learn, its upper end is found to an eighth."""
    edge, over = low + width, low + width + deadly

    def verdict(rung: int) -> Verdict:
        if rung < low:
            return "too slow" if rung > low - 10 else "no learning"
        if rung <= edge:
            return "learns"
        return "kills" if rung <= over else "too fast"

    tried = swept(verdict)
    assert 0 in tried
    safe = [at for at in tried if tried[at] == "learns"]
    if -FURTHEST <= edge < FURTHEST:
        assert max(safe) == edge


@given(st.dictionaries(st.integers(-64, 64), st.sampled_from(["learns", "kills", "too slow"])))
def test_a_sweep_comes_to_an_end(fixed: dict[int, Verdict]) -> None:
    tried = swept(lambda rung: fixed.get(rung, "diverges"))
    assert all(-FURTHEST <= at <= FURTHEST for at in tried)


def test_not_all_is_tried_that_learns_below_the_edge() -> None:
    """As of LBFGS, with which all rates up to its own come to a thousandth of the first loss."""
    tried = swept(lambda rung: "learns" if rung <= 1 else "diverges")
    assert min(tried) == -16
    assert max(at for at in tried if tried[at] == "learns") == 1


@pytest.mark.parametrize("verdict", ["no learning", "kills", "learns", "diverges"])
def test_rates_that_are_all_alike(verdict: Verdict) -> None:
    tried = swept(lambda rung: verdict)
    assert max(map(abs, tried)) == FURTHEST
    assert len(tried) <= 17


def test_what_a_loss_says() -> None:
    losses = [2.29, 1.9, 0.6, 0.2, 1.7, 2.31, 9.0, nan, inf]
    assert verdicts(*(run(at + 1.0, loss) for at, loss in enumerate(losses))) == [
        "no learning", "too slow", "learns", "learns", "too fast", "no learning", *["diverges"] * 3
    ]  # fmt: skip


def test_noise_may_hide_whether_it_learns() -> None:
    assert verdicts(run(0.1, 2.2), run(1, 1.0)) == ["too slow", "learns"]
    assert verdicts(run(0.1, 2.2), replace(run(1, 1.0), noise=0.7)) == ["too slow", "no learning"]


def test_a_constant_answer_is_not_learnt() -> None:
    began = [replace(run(at, last), first=4.0, constant=2.3) for at, last in ((1, 1.0), (9, 2.3))]
    assert verdicts(*began) == ["learns", "no learning"]


def test_who_dies_in_learning_is_not_killed_by_a_rate() -> None:
    """Six layers on digits, Adam: from a tenth of its rate of 0.001 to thirty times."""
    killed = {0.1: 15, 0.316: 27, 1: 37, 1.78: 35, 3.16: 55, 10: 145, 31.6: 377}
    losses = [1.23, 0.24, 0.095, 0.055, 0.058, 0.146, 0.4]
    runs = [run(at, loss, dead) for (at, dead), loss in zip(killed.items(), losses, strict=True)]
    assert verdicts(*runs) == ["too slow", *["learns"] * 3, *["kills"] * 3]
    # The first that learns has no other to be held against.
    assert [at.usual for at in judged(runs)][:4] == [None, None, 27, 32]


def test_where_lower_rates_kill_no_one_one_death_counts() -> None:
    assert verdicts(run(1, 0.1), run(2, 0.1, 1), run(3, 0.1)) == ["learns", "kills", "learns"]
    assert verdicts(run(1, 0.1, 1), run(2, 0.1, 2)) == ["learns", "learns"]


def test_beyond_the_best_less_will_do_before_a_rate_is_too_fast() -> None:
    runs = [run(at, loss) for at, loss in ((1, 1.2), (2, 1.25), (3, 0.1), (4, 0.5), (5, 0.6))]
    assert verdicts(*runs) == ["learns", "too slow", "learns", "learns", "too fast"]
    assert verdicts(*runs, run(6, 0.6, 5))[-1] == "kills"


def test_that_all_rates_kill_many_is_no_excuse() -> None:
    assert verdicts(run(1, 0.1, 200), run(2, 0.1, 200)) == ["kills", "kills"]


def test_of_several_seeds_the_worst_counts() -> None:
    (at,) = judged([run(1, 0.1, 2, seed=0), run(1, 2.3, 4, seed=1)])
    assert (at.verdict, at.n, at.killed) == ("no learning", 2, 3)
    assert at.loss == pytest.approx(1.2)
    # One seed is held against itself alone: where it began may be elsewhere.
    other = [replace(run(at, last, seed=1), first=9.0) for at, last in ((1, 1.0), (2, 8.9))]
    assert verdicts(run(1, 0.1), run(2, 0.1), *other) == ["learns", "no learning"]


def test_a_run_that_fails() -> None:
    assert verdicts(run(1, 0.1), replace(run(2, 0.1), exit_code=1)) == ["learns", "fails"]


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([(1, 2), (1, 5), (3, 4)]))
def test_the_chance_of_so_many_is_exact(killed: int, others: int, share: tuple[int, int]) -> None:
    """Held against fractions."""
    part, count = Fraction(*share), killed + others
    exact = sum(
        comb(count, at) * part**at * (1 - part) ** (count - at) for at in range(killed, count + 1)
    )
    assert excess(killed, others, float(part)) == pytest.approx(float(exact), rel=1e-9)
