"""Trainings on a Ray cluster of two processors on this machine: that of `ray.init`, no stand-in."""

import os
import re
import signal
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest

from reluctant.errors import ClusterNotUsable
from reluctant.search.cluster import Cluster, _train, reached
from reluctant.search.job import Job, Result
from reluctant.search.ledger import LIVES, Ledger
from reluctant.search.training import Training
from reluctant.search.worker import Worker
from reluctant.trials.plan import Plan

ray = pytest.importorskip("ray")

# Nobody waits so many seconds unless something is broken.
PATIENCE = 120.0

# Says which process of Ray's has started it, and fails as soon as it may.
SCRIPT = """
import os, sys, time
from pathlib import Path
Path(f"began-{os.getpid()}").write_text(str(os.getppid()))
while not Path("go").exists():
    time.sleep(0.05)
raise ValueError("seed %s is no good" % sys.argv[1])
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ray.init("local", num_cpus=2, object_store_memory=80_000_000, log_to_driver=False)
    yield Cluster(ray, 0.0)
    ray.shutdown()


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    monkeypatch.chdir(tmp_path)
    return Training(Plan("train.py", seed_argument="{}"), limit=120)


def began(home: Path, count: int) -> list[int]:
    """The processes of Ray's that have so many runs at work, once they have."""
    deadline = monotonic() + PATIENCE
    while len(found := list(home.glob("began-*"))) < count or not all(
        at.read_text() for at in found
    ):
        assert monotonic() < deadline
        sleep(0.05)
    return [int(at.read_text()) for at in found]


def job(seed: int) -> Job:
    return Job("baseline", None, seed)


def test_two_run_at_a_time_in_two_processes_of_rays(
    cluster: Cluster, training: Training, tmp_path: Path
) -> None:
    assert cluster.room == 2
    came: dict[int, Result] = {}

    def run(seed: int) -> None:
        came[seed] = cluster(training, job(seed), tmp_path / "home" / f"run-{seed}", Event())

    threads = [Thread(target=run, args=(seed,), daemon=True) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        hosts = began(tmp_path, 2)
    finally:
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(set(hosts)) == 2
    assert os.getpid() not in hosts
    assert came.keys() == {0, 1}
    for seed, result in came.items():
        said = f"It ended with exit code 1: ValueError: seed {seed} is no good"
        assert (result.value, result.why) == (None, said)
        assert "raise ValueError" in str(result.facts["said"])
        assert result.seconds > 0


def test_a_run_ends_when_all_is_to_stop(
    cluster: Cluster, training: Training, tmp_path: Path
) -> None:
    stop = Event()

    def end() -> None:
        try:
            began(tmp_path, 1)
        finally:
            stop.set()

    Thread(target=end, daemon=True).start()
    assert cluster(training, job(0), tmp_path / "run-0", stop) == Result(None, "It was ended.")
    (run,) = (int(at.name.partition("-")[2]) for at in tmp_path.glob("began-*"))
    deadline = monotonic() + PATIENCE
    while Path(f"/proc/{run}").exists():
        assert monotonic() < deadline, "it is not left alone"
        sleep(0.05)


def test_what_a_process_that_is_killed_was_at_is_done_by_another(
    cluster: Cluster, training: Training, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    ledger = Ledger.open(tmp_path / "journal.log", "test", {})
    ledger.add(job(0))
    hand = Worker(ledger, lambda *at: cluster(training, *at), tmp_path)
    thread = Thread(target=hand.run, daemon=True)
    thread.start()
    try:
        for life in range(LIVES - 1):
            (host,) = began(tmp_path, 1)
            for at in tmp_path.glob("began-*"):
                at.unlink()
            os.kill(host, signal.SIGKILL)
            deadline = monotonic() + PATIENCE
            while len(ledger.entries()) < life + 2:
                assert monotonic() < deadline
                sleep(0.1)
        began(tmp_path, 1)
        (tmp_path / "go").touch()
        deadline = monotonic() + PATIENCE
        while ledger.entries()[-1].state != "failed":
            assert monotonic() < deadline
            sleep(0.1)
    finally:
        hand.stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    *lost, last = ledger.entries()
    assert [(at.state, at.result.why) for at in lost] == [("failed", None)] * (LIVES - 1)
    assert (last.again, last.job) == (lost[-1].number, job(0))
    assert "seed 0 is no good" in str(last.result.why)


@pytest.mark.parametrize(
    ("there", "says"),
    [(True, r"train.py is not on .*, or is another there"), (False, "There is no folder")],
)
def test_a_machine_without_the_script_says_so(
    there: bool, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = tmp_path if there else tmp_path / "none"
    result = _train(Training(Plan("train.py")), "0" * 64, job(0), tmp_path / "run-0", where)
    assert result.value is None
    assert re.search(says, str(result.why))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nowhere", "at nowhere cannot be used .Invalid address"),
        ("nowhere.invalid:6379", "at nowhere.invalid:6379 cannot be used"),
        ("127.0.0.1:1", "at 127.0.0.1:1 cannot be used .*refused"),
        ("ray://127.0.0.1:1", "at ray://127.0.0.1:1 cannot be used .*refused"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_one_sentence(address: str, says: str) -> None:
    with pytest.raises(ClusterNotUsable, match=says), reached(address):
        pass
