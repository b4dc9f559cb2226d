"""A worker whose ledger, or whose run, does not do what it should."""

from pathlib import Path
from threading import Event

import pytest

from reluctant.search import worker
from reluctant.search.job import Entry, Job, Lost, Result
from reluctant.search.ledger import LIVES, Ledger
from reluctant.search.worker import Worker

pytest.importorskip("optuna")


def result(job: Job, folder: Path, stop: Event) -> Result:
    if job.seed == 1:
        raise ZeroDivisionError("ours")
    return Result(job.seed + 0.5)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger.open(tmp_path / "journal.log", "test", {})
    for seed in range(3):
        found.add(Job("search", "silu(z)", seed))
    return found


def test_it_works_until_nothing_is_left(ledger: Ledger, tmp_path: Path) -> None:
    told: list[int] = []
    Worker(ledger, result, tmp_path, lambda entry, came: told.append(entry.number), idle=0.2).run()
    values = [at.result.value for at in ledger.entries()]
    assert values == [0.5, None, 2.5]
    assert told == [0, 1, 2]
    why = ledger.entries()[1].result.why
    assert why is not None
    assert "ZeroDivisionError in test_worker.py" in why


def test_a_database_that_is_away_is_asked_again(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "AWAY", 0.01)
    take, end, failures = Ledger.take, Ledger.end, [0]

    def away(*arguments: object) -> None:
        failures[0] += 1
        if failures[0] % 3:
            raise ConnectionError("away")

    def taken(self: Ledger) -> Entry | None:
        away()
        return take(self)

    def ended(self: Ledger, entry: Entry, came: Result) -> None:
        away()
        end(self, entry, came)

    monkeypatch.setattr(Ledger, "take", taken)
    monkeypatch.setattr(Ledger, "end", ended)
    Worker(ledger, result, tmp_path, idle=0.2).run()
    assert [at.state for at in ledger.entries()] == ["done", "failed", "done"]
    assert failures[0] > 12


def test_what_was_begun_when_it_is_stopped_is_given_back(ledger: Ledger, tmp_path: Path) -> None:
    hand = Worker(ledger, result, tmp_path)

    def evaluate(job: Job, folder: Path, stop: Event) -> Result:
        hand.stop.set()
        return Result(None, "It was ended.")

    hand.evaluate = evaluate
    hand.run()
    states = [(at.state, at.again) for at in ledger.entries()]
    assert states == [("failed", None), ("waiting", None), ("waiting", None), ("waiting", 0)]


def test_what_was_lost_elsewhere_is_run_again_a_few_times(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "journal.log", "test", {})
    ledger.add(Job("search", "silu(z)", 0))

    def evaluate(job: Job, folder: Path, stop: Event) -> Result:
        raise Lost("the machine is gone")

    Worker(ledger, evaluate, tmp_path, idle=0.2).run()
    states = [(at.state, at.result.why, at.again) for at in ledger.entries()]
    assert states == [("failed", None, at - 1 if at else None) for at in range(LIVES)]
