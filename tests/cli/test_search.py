"""`reluctant search` and `reluctant worker`, on a real script in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest
from tests.commands import reluctant
from tests.search.postgresql import postgresql as postgresql  # a fixture

from reluctant.cli.options import Duration
from reluctant.search.job import Job
from reluctant.search.ledger import Ledger
from reluctant.search.training import planned
from reluctant.trials.plan import Plan

pytest.importorskip("optuna")

TRAINS = """
import sys, torch
from torch import nn
if "--fixed" in sys.argv:
    torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.05)
inputs = torch.randn(64, 4)
for step in range(30):
    loss = (model(inputs) - inputs[:, :1].sin()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"score {-loss.item():.6f}")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(TRAINS)
    return path


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "reluctant", *arguments],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def opened(journal: Path, process: "subprocess.Popen[str]", seconds: float = 120) -> Ledger:
    """The ledger of a search, once it has one."""
    deadline = monotonic() + seconds
    while not journal.exists():
        assert process.poll() is None
        assert monotonic() < deadline
        sleep(0.1)
    return Ledger.open(journal)


def wait_for(ledger: Ledger, state: str, count: int, seconds: float = 120) -> None:
    deadline = monotonic() + seconds
    while sum(at.state == state for at in ledger.entries()) < count:
        assert monotonic() < deadline
        sleep(0.2)


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_and_says_what_it_found(
    script: Path, tmp_path: Path
) -> None:
    options = ("--max-trials", "1", "--seeds", "2", "--no-tune-lr")
    options = (*options, "--metric", "^score (.*)")
    command = ("search", *options, "--jobs", "2", "--out", "found")
    process = start(tmp_path, *command, "train.py")
    journal = tmp_path / "found" / "journal.log"
    wait_for(opened(journal, process), "done", 2)
    process.kill()
    process.communicate(timeout=60)
    before = {at.number for at in Ledger.open(journal).entries() if at.state == "done"}
    done = reluctant(*command, "--format", "json", "train.py", cwd=tmp_path)
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["schema"] == 1
    assert (said["metric"], said["direction"]) == ("score", "high")
    assert all(at["mean"] < 0 for at in said["candidates"])
    assert said["baseline"] == "as it stands"
    assert said["candidates"][-1]["name"] == "silu(z)"
    assert {at["n"] for at in said["candidates"]} == {2}
    assert said["tried"] == 1
    assert said["replaced"] == ["relu"]
    ledger = Ledger.open(journal)
    live = [at.job for at in ledger.entries() if at.state == "done"]
    assert len(live) == len(set(live))
    assert before <= {at.number for at in ledger.entries() if at.state == "done"}
    # All is there already, wherever it is now: it is said again at once, as a table.
    (tmp_path / "found").rename(tmp_path / "moved")
    command = (*command[:-1], "moved")
    table = reluctant(*command, "--open", "train.py", cwd=tmp_path, BROWSER="true")
    assert table.code == 0
    assert "judged on 2 seeds that the search never used" in table.out
    assert 'reluctant.register("found_1"' in table.out
    assert "reluctant run --swap" in table.out
    assert "page     moved/search.html" in table.out
    page = (tmp_path / "moved" / "search.html").read_text("utf-8")
    assert 'aria-label="The curve of silu(z) and its derivative.' in page
    assert page.count("reluctant.register(") == 1


@pytest.mark.slow
def test_one_that_is_interrupted_ends_its_runs_and_says_how_it_goes_on(tmp_path: Path) -> None:
    late = "import pathlib, time\ntime.sleep(5)\npathlib.Path('late').touch()\n"
    (tmp_path / "train.py").write_text(late)
    process = start(tmp_path, "search", "--out", "found", "train.py")
    journal = tmp_path / "found" / "journal.log"
    wait_for(opened(journal, process), "running", 1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The same command with --out and this folder goes on from there." in said
    states = [(at.state, at.again) for at in Ledger.open(journal).entries()]
    assert states == [("failed", None), ("waiting", None), ("waiting", 0)]
    sleep(3)
    assert not (tmp_path / "late").exists()


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_its_run_to_another(
    script: Path, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script.write_text("import time\ntime.sleep(1)\n" + TRAINS)
    ledger = Ledger.open(
        postgresql, tmp_path.name, planned(Plan("train.py"), ("relu",), None), 1, 3
    )
    ledger.add(Job("search", "silu(z)", 0))
    arguments = ("worker", "--storage", postgresql, "--study", tmp_path.name)
    first = start(tmp_path, *arguments)
    wait_for(ledger, "running", 1)
    first.kill()
    first.communicate(timeout=60)
    second = start(tmp_path, *arguments)
    deadline = monotonic() + 100
    while not any(at.state == "done" for at in ledger.entries()):
        ledger.recover()
        assert monotonic() < deadline
        sleep(0.5)
    second.send_signal(signal.SIGINT)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 130
    assert "silu(z): " in said
    lost, again = ledger.entries()
    assert (lost.state, again.state, again.again) == ("failed", "done", lost.number)


@pytest.mark.slow
def test_a_search_on_a_ray_cluster(tmp_path: Path) -> None:
    """As far as the script's own failure, which comes from there; Ray says nothing of its own."""
    pytest.importorskip("ray")
    (tmp_path / "train.py").write_text("raise ValueError('too bad')\n")
    options = ("--engine", "ray", "--address", "local", "--jobs", "2", "--out", "found")
    done = reluctant("search", *options, "train.py", cwd=tmp_path)
    assert done.code == 2
    first, second, *rest = done.err.splitlines()
    for line in (first, second):
        assert line.startswith("reluctant  as it stands, seed ")
        assert "It ended with exit code 1: ValueError: too bad" in line
    assert rest[0].startswith("reluctant: The script fails as it stands.")
    assert done.err.count("Traceback (most recent call last)") == 1


@pytest.mark.slow
def test_a_script_that_fails_shows_its_own_traceback_once(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\nraise ValueError('too bad')\n")
    done = reluctant("search", "--out", "found", "train.py", cwd=tmp_path)
    assert done.code == 2
    assert "The script fails as it stands." in done.err
    assert done.err.count("Traceback (most recent call last)") == 1
    assert "line 2, in <module>" in done.err


@pytest.mark.slow
def test_a_metric_that_never_appears_shows_what_the_script_said(
    script: Path, tmp_path: Path
) -> None:
    done = reluctant("search", "--metric", "accuracy (.*)", "train.py", cwd=tmp_path)
    assert done.code == 2
    assert "The script ran to its end, and no 'accuracy (.*)' was found." in done.err
    assert "    score -0." in done.err
    assert "Give --metric a pattern that matches there" in done.err


@pytest.mark.slow
def test_a_script_that_sets_its_own_seed_is_found_out(script: Path, tmp_path: Path) -> None:
    done = reluctant("search", "train.py", "--fixed", cwd=tmp_path)
    assert done.code == 2
    assert "it sets its own seed" in done.err
    assert "--seed-arg" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.py",), "There is no script none.py."),
        (("--replace", "rellu", "train.py"), "Did you mean relu"),
        (("--budget", "soon", "train.py"), "is no time"),
        (("--html", "no/page.html", "train.py"), "The page cannot be written to no/page.html"),
        (("--seed-arg", "--seed", "train.py"), "has no {} for the seed"),
        (("--metric", "(a)(b)", "train.py"), "needs one group"),
        (("--metric", "quality (.*)", "train.py"), "Say so with --maximize or --minimize"),
        (("--jobs", "0", "train.py"), "there must be a --storage"),
        (("--address", "here:1", "train.py"), "--address and --gpus are for --engine ray"),
        (("--storage", "sqlite:///x.db", "train.py"), "two workers may take the same run"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], says: str, script: Path, tmp_path: Path
) -> None:
    done = reluctant("search", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("10", 10)]
)
def test_times(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds
