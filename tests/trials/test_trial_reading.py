"""What a trial's runs tell together: hand-made outcomes, nothing is run."""

import re
from pathlib import Path

import pytest

from reluctant.errors import NothingCompared
from reluctant.record.run import Intervention
from reluctant.record.trial import Trial
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import Plan, place, said
from reluctant.trials.reading import Reading
from reluctant.trials.runner import Runner

NAN = float("nan")
REVIVED = Intervention(0, 9, "revive", "dead-units", "drifted", "0", 4, "dead-units", 4.0, 0.0)
UNDONE = Intervention(
    1, 40, "slow-down", "dead-units", "drifted", "0", 4, "dead-units", 4.0, 0.0, 4.0, False
)


class Bench:
    """Outcomes by arm and seed, as a runner has them."""

    def __init__(self, home: Path) -> None:
        self.runner = Runner(Plan("train.py"), home, 3, 1, print, worth=[0, 1, 2])

    def put(
        self,
        arm: str,
        seed: int,
        loss: float,
        *done: Intervention,
        dead: int | None = None,
        losses: dict[int, float] | None = None,
        output: str = "",
    ) -> None:
        path = place(self.runner.home, arm, seed)
        said(path).write_text(output)
        seen = losses or dict.fromkeys(range(8), loss)
        outcome = Outcome(arm, seed, path, loss, 2.3, dead, seen, done, None)
        self.runner.outcomes[arm, seed] = outcome

    def trial(self, metric: str | None = None) -> Trial:
        own = None if metric is None else ("score", re.compile(metric), "high")
        return Reading(self.runner, own).trial()  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_treatment_that_helps_and_treatment_that_harms(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, 1.0 + seed, output="score 0.5")
        bench.put("treated", seed, 0.5 + seed, REVIVED, UNDONE, output=f"score 0.{seed + 1}")
        bench.put("placebo", seed, 1.1 + seed, output="score 0.5")
    found = bench.trial("score (.*)")
    loss, score = found.comparisons
    assert (loss.of("treated").verdict, loss.of("placebo").verdict) == ("better", "worse")
    assert score.of("treated").verdict == "worse"
    assert found.harmed
    assert [(at.remedy, at.kept, at.undone) for at in found.treatments] == [
        ("revive", 3, 0),
        ("slow-down", 0, 3),
    ]


def test_more_dead_units_alone_are_no_harm(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, 1.0, dead=10)
        bench.put("treated", seed, 1.0, REVIVED, dead=20)
    found = bench.trial()
    assert found.where("worse") == ("dead units",)
    assert not found.harmed


def test_of_runs_that_are_one_the_same_steps_count(bench: Bench) -> None:
    """Which steps are seen depends on the time they take; the figures must not."""
    for seed in range(3):
        bench.put("untreated", seed, 1.0, dead=3, losses={0: 9.0, 1: 8.0, 2: NAN, 50: 1.0})
        bench.put("treated", seed, 1.2, dead=2, losses={0: 9.0, 1: 8.0, 2: NAN, 49: 1.2})
    found = bench.trial()
    assert found.same
    assert found.limits == ()
    assert [at.of("treated").difference for at in found.comparisons] == [0, 0]


def test_runs_without_intervention_that_differ_are_no_proof(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, 2.0)
        bench.put("treated", seed, 1.0)
    found = bench.trial()
    assert found.where("better") == ()
    assert not found.same
    assert "the script does not do the same twice with one seed" in found.limits[0]


def test_losses_that_are_not_finite_count_as_the_worst(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, NAN)
        bench.put("treated", seed, 0.1, REVIVED)
    found = bench.trial()
    (loss,) = found.comparisons
    assert loss.of("treated").difference == pytest.approx(-2.2), "from where it began"
    assert "3 untreated runs ended with a loss that is not finite" in found.limits[0]


def test_a_script_that_is_fixed_to_its_seed(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, 1.0)
    bench.put("treated", 0, 0.1, REVIVED)
    bench.runner.fixed, bench.runner.worth = True, [0]
    found = bench.trial()
    assert (found.fixed, found.comparisons[0].of("treated").n) == (True, 1)


def test_output_without_the_metric(bench: Bench) -> None:
    for seed in range(3):
        bench.put("untreated", seed, 1.0, output="score 7\nscore nothing" if seed else "")
        bench.put("treated", seed, 1.0, REVIVED, output="score 1e1")
    found = bench.trial("score (.*)")
    assert found.limits == ("No score was found in what the untreated runs said (seed 0).",)
    score = found.comparisons[1].of("treated")
    assert (score.n, score.difference) == (2, 3)
    low, high = score.low, score.high
    assert low is not None
    assert high is not None
    assert low < 3 < high, "both are rounded"


def test_nothing_to_compare(bench: Bench) -> None:
    with pytest.raises(NothingCompared, match="No pair"):
        bench.trial()
    bench.put("untreated", 0, 1.0)
    bench.put("treated", 1, 1.0)
    with pytest.raises(NothingCompared, match="No pair"):
        bench.trial()
