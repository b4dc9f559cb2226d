"""Who is judged against whom, at which rate and on which seeds: nothing is run."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import pytest

from reluctant.record.comparison import Candidate, Comparison, Verdict
from reluctant.search.job import Entry, Job, Result
from reluctant.search.judgement import FINALISTS, Judgement, in_turn
from reluctant.trials.metric import Metric

FOUND = ("max(z, tanh(z))", "z * tanh(z)", "max(z, erf(z))", "abs(z)")


def judgement(tune: bool = True, replaced: tuple[str, ...] = ("relu",)) -> Judgement:
    return Judgement.of(FOUND, replaced, 5, tune)


def ended(jobs: tuple[Job, ...], values: Mapping[tuple[str | None, float], float]) -> list[Entry]:
    """Each with the value of its function at its rate, or 1; infinity is a run that failed."""
    found = []
    for number, job in enumerate(jobs):
        value = values.get((job.function, job.factor), 1.0)
        failed = value == inf
        result = Result(None, "It failed.") if failed else Result(value)
        found.append(Entry(number, job, "failed" if failed else "done", result))
    return found


@pytest.mark.parametrize(
    ("replaced", "against"),
    [
        (("relu",), ("silu(z)",)),
        (("silu",), ("relu(z)",)),
        (("gelu",), ("relu(z)", "silu(z)")),
        (("relu", "silu"), ("relu(z)", "silu(z)")),
    ],
)
def test_the_best_are_held_against_relu_and_silu(
    replaced: tuple[str, ...], against: tuple[str, ...]
) -> None:
    assert judgement(replaced=replaced).functions == (*FOUND[:FINALISTS], *against)


def test_what_is_judged_anyway_is_not_found() -> None:
    ranking = ("max(z, 0)", FOUND[0], "z * sigmoid(z)", "elu(z)", FOUND[1])
    assert Judgement.of(ranking, ("elu",), 5, True).chosen == (FOUND[0], FOUND[1])


def test_no_seed_is_used_twice_and_no_run_is_forgotten() -> None:
    at = judgement(replaced=("gelu",))
    entries = ended(at.tuning, {})
    jobs = at.tuning + at.confirmation(entries)
    assert len(jobs) == len(set(jobs)) == at.runs
    seeds = [{job.seed for job in jobs if job.stage == stage} for stage in ("tune", "confirm")]
    assert not seeds[0] & seeds[1]
    plain = judgement(tune=False)
    assert len(plain.confirmation([])) == plain.runs
    assert plain.tuning == ()


@pytest.mark.parametrize(
    ("runs", "count", "tune"), [(55, 3, True), (54, 1, True), (33, 1, True), (32, 1, False)]
)
def test_where_time_is_short_less_is_judged(runs: int, count: int, tune: bool) -> None:
    found = Judgement.of(FOUND, ("relu",), 5, True, runs)
    assert (found.chosen, found.tune) == (FOUND[:count], tune)


def test_each_gets_the_rate_that_it_does_best_with() -> None:
    at, best = judgement(), FOUND[0]
    values = {(None, 3.0): 0.5, (best, 1 / 3): 0.2, (best, 3.0): inf, ("silu(z)", 3.0): 1.0}
    factors = at.factors(ended(at.tuning, values))
    assert factors == {None: 3.0, best: 1 / 3, FOUND[1]: 1.0, FOUND[2]: 1.0, "silu(z)": 1.0}
    jobs = at.confirmation(ended(at.tuning, values))
    assert {(job.function, job.factor) for job in jobs} == set(factors.items())


@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_the_baseline_says_at_which_rate_it_is(rate: float) -> None:
    at = judgement()
    entries = ended(at.tuning, {(None, rate): 0.5})
    entries += ended(at.confirmation(entries), {(None, rate): 0.5, ("silu(z)", 1.0): inf})
    found = at.comparison(entries)
    assert found.baseline == ("as it stands" if rate == 1 else "with its own functions")
    assert found.baseline_mean == 0.5
    assert found.of(FOUND[0]).verdict == "worse"
    assert found.of("silu(z)").n == 5, "a run that failed is the worst, and not left out"
    assert found.of("silu(z)").mean == 1.0


def test_more_may_be_better_and_its_digits_few() -> None:
    at = replace(judgement(), metric=Metric("accuracy", "high", "output"))
    best = FOUND[0]
    entries = ended(at.tuning, {(best, 3.0): 2.0, ("silu(z)", 1 / 3): 0.5})
    assert at.factors(entries) == dict.fromkeys((None, *at.functions), 1.0) | {best: 3.0}
    entries += ended(at.confirmation(entries), {(best, 3.0): 2.0})
    found = at.comparison(entries)
    assert (found.metric, found.direction) == ("accuracy", "high")
    assert found.of(best).verdict == "better"
    assert (found.of(best).low, found.of(best).high) == (1.0, 1.0)
    rounded = [replace(at, result=replace(at.result, facts={"resolution": 0.1})) for at in entries]
    low, high = (getattr(at.comparison(rounded).of(best), end) for end in ("low", "high"))
    assert 0.9 < low < 1 < high < 1.1


def test_who_comes_after_one_of_which_nothing_is_shown_is_not_judged() -> None:
    verdicts: tuple[Verdict, ...] = ("better", "worse", "no difference shown", "better")
    candidates = tuple(
        Candidate(str(at), 5, 1, -1, -2, 0, verdict, 1) for at, verdict in enumerate(verdicts)
    )
    judged = in_turn(Comparison("loss", "low", "as it stands", 2, candidates)).candidates
    assert judged[:3] == candidates[:3]
    assert judged[3] == replace(candidates[3], verdict="no difference shown")
