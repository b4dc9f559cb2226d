"""The ledger: in a journal, and in PostgreSQL where there is one."""

import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread
from time import sleep

import pytest
from tests.search.postgresql import postgresql as postgresql  # a fixture

from reluctant.errors import StorageNotUsable, WrongArgument
from reluctant.search.job import Entry, Job, Result
from reluctant.search.ledger import LIVES, Ledger

optuna = pytest.importorskip("optuna")

PLAN = {"script": "train.py", "arguments": ["--epochs", "3"]}


@pytest.fixture(params=["journal", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "journal":
        return tmp_path / "journal.log"
    address: str = request.getfixturevalue("postgresql")
    return address


def opened(place: Path | str, tmp_path: Path) -> Ledger:
    return Ledger.open(place, tmp_path.name, PLAN, beat=1, grace=2)


def test_a_job_goes_from_waiting_to_its_result(place: Path | str, tmp_path: Path) -> None:
    ledger = opened(place, tmp_path)
    job = Job("search", "max(z, tanh(z))", 2)
    ledger.add(job)
    assert [(at.job, at.state) for at in ledger.entries()] == [(job, "waiting")]
    entry = ledger.take()
    assert entry is not None
    assert ledger.take() is None
    assert ledger.entries()[0].state == "running"
    ledger.end(entry, Result(0.25, None, 3.5, {"functions": ["relu"]}))
    (ended,) = opened(place, tmp_path).entries()
    assert ended.state == "done"
    assert ended.result == Result(0.25, None, 3.5, {"functions": ["relu"]})


def test_two_workers_never_take_the_same_job(place: Path | str, tmp_path: Path) -> None:
    """Each with a connection of its own, all at the same moment."""
    ledger = opened(place, tmp_path)
    for seed in range(12):
        ledger.add(Job("search", "silu(z)", seed))
    hands = [opened(place, tmp_path) for _ in range(3)]
    taken: list[list[int]] = [[] for _ in hands]
    ready = Barrier(len(hands))

    def work(hand: Ledger, mine: list[int]) -> None:
        ready.wait(60)
        while (entry := hand.take()) is not None:
            mine.append(entry.number)

    work_of = zip(hands, taken, strict=True)
    threads = [Thread(target=work, args=at, daemon=True) for at in work_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(number for mine in taken for number in mine) == list(range(12))


def test_a_failure_is_written_down_with_its_reason(place: Path | str, tmp_path: Path) -> None:
    ledger = opened(place, tmp_path)
    ledger.add(Job("search", "silu(z)", 0))
    entry = ledger.take()
    assert entry is not None
    ledger.end(entry, Result(None, "It failed with exit code 3.", 1.0))
    ledger.recover()
    (ended,) = ledger.entries()
    assert (ended.state, ended.result.why) == ("failed", "It failed with exit code 3.")


def lose(place: Path | str, tmp_path: Path) -> Entry:
    """Take a job and die: without a word, and without a sign of life."""
    hand = opened(place, tmp_path)
    entry = hand.take()
    assert entry is not None
    return entry


def test_a_dead_workers_job_is_done_by_another(place: Path | str, tmp_path: Path) -> None:
    ledger = opened(place, tmp_path)
    ledger.add(Job("search", "silu(z)", 0))
    lost = lose(place, tmp_path)
    alive = None
    if ledger.shared:
        ledger.add(Job("search", "silu(z)", 1))
        alive = lose(place, tmp_path)
    ledger = opened(place, tmp_path)
    if alive is not None:
        for _ in range(4):
            sleep(1)
            ledger.beat(alive)
    ledger.recover()
    ledger.recover()
    again = ledger.take()
    assert again is not None
    assert (again.job, again.again) == (lost.job, lost.number)
    assert ledger.take() is None
    # The dead one comes back: it is too late, and nothing is overwritten.
    ledger.end(lost, Result(9.0))
    ledger.end(again, Result(1.0))
    states = {at.number: (at.state, at.result.value) for at in ledger.entries()}
    assert states[lost.number] == ("failed", None)
    assert states[again.number] == ("done", 1.0)
    if alive is not None:
        assert states[alive.number] == ("running", None)


def test_a_job_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    place = tmp_path / "journal.log"
    ledger = opened(place, tmp_path)
    ledger.add(Job("search", "silu(z)", 0))
    for _ in range(LIVES):
        lose(place, tmp_path)
        ledger.recover()
    assert ledger.take() is None
    assert [at.state for at in ledger.entries()] == ["failed"] * LIVES


def test_what_is_given_back_is_taken_by_another(place: Path | str, tmp_path: Path) -> None:
    ledger = opened(place, tmp_path)
    ledger.add(Job("confirm", None, 1000))
    entry = ledger.take()
    assert entry is not None
    ledger.give_back(entry)
    again = ledger.take()
    assert again is not None
    assert again.job == entry.job


def test_another_plan_is_refused(place: Path | str, tmp_path: Path) -> None:
    assert opened(place, tmp_path).plan == PLAN
    with pytest.raises(WrongArgument, match="of another script"):
        Ledger.open(place, tmp_path.name, {**PLAN, "script": "other.py"})


def test_a_search_that_is_not_there(tmp_path: Path) -> None:
    place = tmp_path / "journal.log"
    with pytest.raises(WrongArgument, match="There is none at all"):
        Ledger.open(place)
    Ledger.open(place, "mine", PLAN)
    assert Ledger.open(place).plan == PLAN
    with pytest.raises(WrongArgument, match="There is mine"):
        Ledger.open(place, "yours")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://me:secret@localhost:1/none",
        "nonsense://x",
        "no address",
    ],
)
def test_a_storage_that_cannot_be_reached(address: str) -> None:
    with pytest.raises(StorageNotUsable) as raised:
        Ledger.open(address, "mine", PLAN)
    assert "secret" not in str(raised.value)


def test_where_two_could_take_the_same_job_is_refused() -> None:
    with pytest.raises(WrongArgument, match="two workers may take the same run"):
        Ledger.open("sqlite:///search.db", "mine", PLAN)


def test_a_journal_survives_whoever_is_killed_while_writing(tmp_path: Path) -> None:
    """A process that adds jobs without end is killed, and what it wrote can be read."""
    place = tmp_path / "journal.log"
    opened(place, tmp_path)
    code = (
        "from pathlib import Path\n"
        "from reluctant.search.job import Job\n"
        "from reluctant.search.ledger import Ledger\n"
        f"ledger = Ledger.open(Path({str(place)!r}), {tmp_path.name!r})\n"
        "print('there', flush=True)\n"
        "while True: ledger.add(Job('search', 'silu(z)', 0))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    sleep(0.5)
    process.kill()
    process.wait()
    process.stdout.close()
    with place.open("ab") as file:
        file.write(b'{"op_code": 4, "cut o')
    ledger = opened(place, tmp_path)
    before = len(ledger.entries())
    assert before > 0
    ledger.add(Job("search", "silu(z)", 1))
    assert len(ledger.entries()) == before + 1
