"""A whole search without any training: functions whose worth is made up, and workers that die."""

from collections import Counter
from dataclasses import replace
from math import isfinite
from pathlib import Path
from random import Random
from statistics import fmean
from threading import Event

import pytest

from reluctant.activations.expression import expression
from reluctant.errors import FixedSeed, NothingCompared, ScriptFails
from reluctant.search import shape
from reluctant.search.job import Job, Result
from reluctant.search.judgement import FRESH, RATES
from reluctant.search.ledger import Ledger
from reluctant.search.quest import Limits, Quest
from reluctant.search.training import planned
from reluctant.trials.plan import Plan

pytest.importorskip("optuna")

LIMITS = Limits(seconds=600, runs=20, seeds=4)


class Made:
    """In a script's place: what each function comes to, with the fate that a seed has for all.

    What the script has is the worst of all, so that whatever a search comes to is better: which
    functions it comes to depends on which of two workers ends first.
    """

    def __init__(self, same: bool = False) -> None:
        self.jobs: list[Job] = []
        self.same = same

    def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
        self.jobs.append(job)
        fate = Random(job.seed).gauss(0, 0.5)
        noise = Random(f"{job.function} {job.seed}").gauss(0, 0.01)
        if job.function is None:
            facts = {"met": ["relu"], "functions": ["relu"]}
            return Result(2 + fate + noise, None, 0.01, facts)
        bend = 0.0 if self.same else 20 * shape.features([expression(job.function)])[0].mean()
        return Result(2 + fate + noise - bend, None, 0.01, {})


def quest(home: Path, made: Made, limits: Limits = LIMITS, jobs: int = 2) -> Quest:
    ledger = Ledger.open(home / "journal.log", "test", planned(Plan("x.py"), (), None))
    return Quest(ledger, made, home, limits, jobs)


def test_the_best_are_judged_on_seeds_that_the_search_never_used(tmp_path: Path) -> None:
    made = Made()
    found = quest(tmp_path, made).run()
    used: dict[str, set[int]] = {}
    for job in made.jobs:
        used.setdefault(job.stage, set()).add(job.seed)
    assert used["confirm"] == {FRESH, FRESH + 1, FRESH + 2, FRESH + 3}
    assert used["tune"] == {RATES, RATES + 1}
    assert not used["search"] & (used["tune"] | used["confirm"])
    assert sum(job.stage == "search" for job in made.jobs) == found.runs == 20
    assert max(Counter(made.jobs).values()) == 1
    names = [at.name for at in found.comparison.candidates]
    assert names == [*(at.function for at in found.found), "silu(z)"]
    assert "relu(z)" not in names
    best = found.comparison.of(found.found[0].function)
    assert best.verdict == "better"
    assert found.found[0].define.startswith('reluctant.register("found_1", reluctant.expression("')
    assert found.failed == 0


def test_one_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """After the seventh run the planner is gone, as by kill -9; nothing is run twice but that."""

    class Killed(BaseException):
        pass

    first = Made()
    begun = quest(tmp_path, first, jobs=1)

    def show(progress: object) -> None:
        if len(first.jobs) >= 7:
            raise Killed

    begun.show = show
    with pytest.raises(Killed):
        begun.run()
    lost = begun.ledger.take()  # whoever had this one is gone, too
    second = Made()
    found = quest(tmp_path, second).run()
    assert found.runs == 20
    again = Counter(first.jobs + second.jobs)
    assert max(again.values()) == 1
    assert lost is None or lost.job in second.jobs
    third = Made()
    assert quest(tmp_path, third).run().comparison == found.comparison
    assert third.jobs == []


def test_functions_that_crash_do_not_stop_it(tmp_path: Path) -> None:
    class Crashing(Made):
        def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
            made = super().__call__(job, folder, stop)
            if job.stage == "search" and len(self.jobs) % 4 == 0:
                raise MemoryError("no room")
            if job.stage == "search" and len(self.jobs) % 4 == 1:
                return Result(None, "It was ended after 60 s.")
            return made

    found = quest(tmp_path, Crashing(), jobs=1).run()
    assert found.runs == 20
    assert found.failed == sum(found.why.values()) > 6
    assert any("MemoryError" in why for why in found.why)
    assert all(at.mean is not None and isfinite(at.mean) for at in found.comparison.candidates)


def test_a_judged_run_that_fails_counts_as_the_worst(tmp_path: Path) -> None:
    class Diverging(Made):
        def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
            made = super().__call__(job, folder, stop)
            new = job.function not in (None, "silu(z)")
            if job.stage == "confirm" and new and job.seed == FRESH:
                return Result(None, "Its training loss was not finite at the end.")
            return made

    found = quest(tmp_path, Diverging()).run()
    answer = found.comparison.of(found.found[0].function)
    assert answer.n == 4
    assert answer.verdict == "no difference shown"


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (Result(None, "It failed with exit code 1: boom", 0, {"said": "boom"}), ScriptFails),
        (Result(0.5, None, 0, {"met": ["relu"], "functions": ["relu"]}), FixedSeed),
    ],
)
def test_a_script_that_cannot_be_searched_for(
    result: Result, error: type[Exception], tmp_path: Path
) -> None:
    asked = quest(tmp_path, Made())
    asked.evaluate = lambda job, folder, stop: result
    with pytest.raises(error):
        asked.run()


def test_a_seed_that_is_fixed_shows_in_the_first_losses(tmp_path: Path) -> None:
    """The smoothed loss is of the steps that were seen, and those depend on the time they take."""
    asked = quest(tmp_path, Made())
    losses = {"0": 2.5, "1": 2.25, "2": 2.125}

    def evaluate(job: Job, folder: Path, stop: Event) -> Result:
        facts = {"met": ["relu"], "functions": ["relu"], "losses": losses}
        return Result(job.seed + 0.5, facts=facts)

    asked.evaluate = evaluate
    with pytest.raises(FixedSeed):
        asked.run()


def test_a_script_without_a_function_to_replace(tmp_path: Path) -> None:
    asked = quest(tmp_path, Made())
    facts = {"met": ["tanh"], "functions": []}
    asked.evaluate = lambda job, folder, stop: Result(job.seed + 0.5, facts=facts)
    with pytest.raises(NothingCompared, match=r"others could stand in for. It uses tanh"):
        asked.run()


def test_a_script_without_the_function_that_is_named(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "journal.log", "test", planned(Plan("x.py"), ("tanh",), None))
    with pytest.raises(NothingCompared, match=r"not seen to use tanh. It uses relu"):
        Quest(ledger, Made(), tmp_path, LIMITS).run()


def test_each_is_judged_at_its_own_learning_rate(tmp_path: Path) -> None:
    class Slow(Made):
        def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
            came = super().__call__(job, folder, stop)
            assert came.value is not None
            faster = 0.5 if job.function is None else 0.1 if job.function == "silu(z)" else 0.0
            return replace(came, value=came.value - faster * (job.factor - 1))

    made = Slow()
    found = quest(tmp_path, made).run()
    answer = found.found[0].function
    assert found.comparison.baseline == "with its own functions"
    assert found.factors["with its own functions"] == found.factors["silu(z)"] == 3
    assert found.factors[answer] == 1
    judged = {(job.function, job.factor) for job in made.jobs if job.stage == "confirm"}
    assert {(None, 3.0), ("silu(z)", 3.0), (answer, 1.0)} <= judged
    assert len(judged) == len(found.factors)


def test_or_all_are_at_the_scripts_own(tmp_path: Path) -> None:
    made = Made()
    found = quest(tmp_path, made, replace(LIMITS, tune=False)).run()
    assert {job.factor for job in made.jobs} == {1.0}
    assert not any(job.stage == "tune" for job in made.jobs)
    assert (found.comparison.baseline, found.factors) == ("as it stands", {})


def test_where_all_are_alike_the_lucky_are_not_called_better(tmp_path: Path) -> None:
    """The best of a search that sees nothing but noise are not the best on fresh seeds.

    In one search of twenty somebody is, by the level of the judgement: of five, in two at most.
    """

    class Alike(Made):
        def __init__(self, number: int) -> None:
            super().__init__(same=True)
            self.number = number

        def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
            made = super().__call__(job, folder, stop)
            return Result(Random(f"{self.number} {job}").gauss(2, 1), None, 0.01, made.facts)

    wrong = 0
    for number in range(5):
        home = tmp_path / str(number)
        home.mkdir()
        asked = quest(home, Alike(number), Limits(600, 30, 6), jobs=1)
        found = asked.run()
        answer = found.found[0].function
        entries = [at for at in asked.ledger.entries() if at.job.function == answer]
        lucky = [at.result.value for at in entries if at.job.stage == "search"]
        assert fmean(filter(None, lucky)) < 2
        wrong += any(at.verdict == "better" for at in found.comparison.candidates)
    assert wrong <= 2
