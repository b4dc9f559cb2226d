"""What a contest came to: made-up runs, nothing is run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from reluctant.errors import NothingCompared
from reluctant.trials.attempt import Attempt, Attempts
from reluctant.trials.conclusion import conclusion
from reluctant.trials.contest import ContestRunner
from reluctant.trials.metric import Asked, Metric
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import Plan, place, said
from reluctant.trials.processes import Ending, Processes
from reluctant.trials.standing import Entry

LOSSES = [1.0, 1.1, 0.9, 1.2, 0.8, 1.0]


@pytest.fixture
def runner(tmp_path: Path) -> ContestRunner:
    attempts = Attempts(Plan("train.py"), tmp_path, Processes())
    made = ContestRunner(attempts, ("elu", "relu"), Asked(), range(6))
    made.standing.metric = Metric("training loss", "low", "loss")
    made.standing.candidates = [Entry("elu", ("--swap", "relu=elu"))]
    made.same, made.replaced = ("relu",), ("relu",)
    return made


def ended(runner: ContestRunner, entry: Entry, losses: Sequence[float], code: int = 0) -> None:
    for seed, loss in enumerate(losses):
        path = place(runner.attempts.home, entry.arm, seed)
        said(path).write_text("")
        made = Attempt(entry.arm, seed, path, Ending(code, 2.0, 1, 0.0))
        outcome = Outcome(entry.arm, seed, path, loss, 2.3, seed, {}, (), None, 0.01, 1000 + seed)
        vars(made)["outcome"] = outcome
        entry.attempts[seed] = made


def test_what_was_shown_and_what_it_cost(runner: ContestRunner) -> None:
    (elu,) = runner.standing.candidates
    ended(runner, runner.standing.baseline, LOSSES)
    ended(runner, elu, [at - 0.3 + seed / 100 for seed, at in enumerate(LOSSES)])
    found = conclusion(runner)
    candidate = found.comparison.of("elu")
    assert (candidate.n, candidate.verdict) == (6, "better")
    assert candidate.difference == pytest.approx(-0.275)
    assert found.where("better") == ("elu",)
    assert candidate.differences == pytest.approx([seed / 100 - 0.3 for seed in range(6)])
    assert (found.reached, found.same, found.limits) == (6, ("relu",), ())
    assert found.seeds == (0, 1, 2, 3, 4, 5)
    entrant = found.entrant("elu")
    assert (entrant.runs, entrant.pace, entrant.memory, entrant.dead) == (6, 0.01, 1002.5, 2.5)
    assert (found.entrant("baseline").kept, entrant.kept) == (4, 4), "from its output"
    assert entrant.effect == pytest.approx(-0.275 / 0.018708 * (1 - 3 / 19), rel=1e-3)
    assert found.comparison.baseline_mean == pytest.approx(1.0)


def test_the_time_that_ran_out_is_said_and_all_error_is_spent(runner: ContestRunner) -> None:
    (elu,) = runner.standing.candidates
    ended(runner, runner.standing.baseline, LOSSES[:4])
    ended(runner, elu, [0.7, 0.8, 0.61, 0.92])
    early = conclusion(runner).comparison.of("elu")
    elu.stopped = "stopped after 4 seeds"
    stopped = conclusion(runner).comparison.of("elu")
    assert early.high is not None
    assert stopped.high is not None
    assert early.high < stopped.high, "who was stopped on the way has less to say"
    runner.late = True
    (limit,) = conclusion(runner).limits
    assert limit.startswith("The time ran out after 4 seeds of 6. This is the last word")


def test_runs_that_came_to_nothing_are_told(runner: ContestRunner) -> None:
    (elu,) = runner.standing.candidates
    ended(runner, runner.standing.baseline, LOSSES)
    ended(runner, elu, [0.5, float("nan"), 0.5])
    found = conclusion(runner)
    assert found.comparison.of("elu").differences == pytest.approx(
        (-0.5, 2.3 - 1.1, -0.4, None, None, None)
    )
    (limit,) = found.limits
    assert limit == (
        "1 run of elu came to a number that is not finite, which counts as the worst of all."
    )
    ended(runner, elu, [0.5], code=1)
    said_first = conclusion(runner).limits[0]
    assert said_first.startswith("elu with seed 0 ended with exit code 1, and is left out: ")


def test_nothing_to_compare(runner: ContestRunner) -> None:
    with pytest.raises(NothingCompared, match="No pair of runs"):
        conclusion(runner)
    runner.standing.candidates.clear()
    with pytest.raises(NothingCompared, match="relu is what the script has"):
        conclusion(runner)
