"""Whatever is wrong gets one clear sentence and a way out; the script never suffers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import commands
from tests.matrix.zygote import python, reluctant

TRAINS = """
import sys, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
    optimizer.zero_grad()
    model(torch.randn(64, 4)).square().mean().backward()
    optimizer.step()
print("done", sum(p.double().sum().item() for p in model.parameters()).hex())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(TRAINS)
    return path


def check_sentence(err: str, *words: str) -> None:
    assert "Traceback" not in err, err
    assert err.startswith("reluctant: "), err
    for word in words:
        assert word in err, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "there_is_none.py"), ("There is no script there_is_none.py.", "Give the path")),
        (("run", "-m", "there.is.none"), ("There is no module there.is.none", "Check")),
        (("diagnose", "no_such_run"), ("There is no run at no_such_run.", "`reluctant runs`")),
        (("diagnose",), ("No run is recorded", "`reluctant run SCRIPT`")),
    ],
)
def test_what_is_not_there(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = reluctant(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    check_sentence(done.err, *words)


def test_an_option_of_the_script_in_our_place(tmp_path: Path) -> None:
    done = reluctant("run", "--lr", "0.1", "train.py", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "No such option" in done.err


def test_no_runs_yet(tmp_path: Path) -> None:
    done = reluctant("runs", cwd=tmp_path)
    assert (done.code, done.out) == (0, "")
    assert "No run is recorded here yet" in done.err


@pytest.mark.slow
class TestRecords:
    @pytest.fixture
    def record(self, script: Path, tmp_path: Path) -> Path:
        done = reluctant("run", "--out", "rec", script, cwd=tmp_path)
        assert done.code == 0, done.err
        return tmp_path / "rec"

    def test_a_record_that_was_cut(self, record: Path) -> None:
        part = record / "rank-0.sqlite"
        whole = part.read_bytes()
        for share in (0.0, 0.3, 0.9):
            part.write_bytes(whole[: int(share * len(whole))])
            done = reluctant("diagnose", record, cwd=record.parent)
            assert (done.code, done.out) == (2, "")
            check_sentence(done.err, "damaged", "run the script again")

    def test_a_run_json_that_was_cut(self, record: Path) -> None:
        info = record / "run.json"
        info.write_text(info.read_text()[:50])
        done = reluctant("diagnose", record, cwd=record.parent)
        assert done.code == 2
        check_sentence(done.err, "damaged", "run.json")

    def test_a_newer_schema(self, record: Path) -> None:
        info = json.loads((record / "run.json").read_text())
        (record / "run.json").write_text(json.dumps({**info, "schema": 99}))
        done = reluctant("diagnose", record, cwd=record.parent)
        assert done.code == 2
        check_sentence(done.err, "schema 99", "pip install --upgrade")

    def test_a_newer_schema_in_the_database(self, record: Path) -> None:
        with sqlite3.connect(record / "rank-0.sqlite") as connection:
            connection.execute("PRAGMA user_version = 99")
        done = reluctant("diagnose", record, cwd=record.parent)
        assert done.code == 2
        check_sentence(done.err, "schema 99", "pip install --upgrade")

    def test_a_folder_that_holds_a_run(self, record: Path, script: Path) -> None:
        before = (record / "run.json").read_bytes()
        done = reluctant("run", "--out", "rec", script, cwd=record.parent)
        assert done.code == 0
        assert done.out.startswith("done")
        check_sentence(done.err, "already holds a run", "instead", "--out DIR")
        assert (record / "run.json").read_bytes() == before


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(script: Path, tmp_path: Path) -> None:
    plain = reluctant("run", "--quiet", script, cwd=tmp_path)
    (tmp_path / "file").write_text("in the way")
    done = reluctant("run", "--out", "file/run", script, cwd=tmp_path)
    assert (done.code, done.out) == (0, plain.out)
    check_sentence(done.err, "No run can be recorded in", "instead", "--out DIR", "healthy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import torch\nprint('hello')", "neither an optimizer nor"),
        (
            """
import torch
w = torch.randn(4, 4, requires_grad=True)
for _ in range(200):
    torch.relu(torch.randn(8, 4) @ w).sum().backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
        w.grad = None
print('hello')
""",
            "No optimizer stepped, so each call of backward() counts as a step.",
        ),
        (
            """
import torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
print('hello')
""",
            "No activation function was seen",
        ),
    ],
    ids=["no training", "no optimizer", "no activation"],
)
def test_scripts_with_little_to_see(tmp_path: Path, source: str, sentence: str) -> None:
    (tmp_path / "script.py").write_text(source)
    check_greeting(reluctant("run", "script.py", cwd=tmp_path), sentence)


def test_a_script_without_torch(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print('hello')")
    check_greeting(commands.reluctant("run", "script.py", cwd=tmp_path), "never imported torch")


def check_greeting(done: commands.Done, sentence: str) -> None:
    assert (done.code, done.out) == (0, "hello\n")
    assert sentence in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    [
        "reluctant.observe.probes.Shelf.activity",
        "reluctant.observe.layers.RowProbe.after",
        "reluctant.observe.fetching._site_row",
        "reluctant.observe.graph.feed",
        "reluctant.observe.names.Names.of_parameter",
        "reluctant.record.writer.Writer.write",
        "reluctant.record.writer.Writer.__init__",
        "reluctant.diagnosis.summary.layers",
    ],
)
def test_when_our_own_code_fails_the_script_goes_on(
    script: Path, tmp_path: Path, target: str
) -> None:
    plain = reluctant("run", "--quiet", script, cwd=tmp_path)
    holder, _, name = target.rpartition(".")
    (tmp_path / "broken.py").write_text(
        f"""
import sys
import torch
import reluctant.observe.observer, reluctant.diagnosis
from pkgutil import resolve_name

def fail(*args, **kwargs):
    raise ZeroDivisionError("ours")

holder = resolve_name("{holder}")
setattr(holder, "{name}", fail)
from reluctant.cli import main
sys.argv = ["reluctant", "run", "train.py"]
main()
"""
    )
    done = python("broken.py", cwd=tmp_path)
    assert (done.code, done.out) == (0, plain.out)
    assert "Traceback" not in done.err
    assert "ours" in done.err, done.err


@pytest.mark.slow
def test_killed_in_mid_run(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reluctant", "run", "--out", "rec", str(script), "100000000"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        part = tmp_path / "rec" / "rank-0.sqlite"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not samples(part) > 10:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    seen = samples(part)
    assert seen > 10
    done = reluctant("diagnose", "rec", "--format", "json", cwd=tmp_path)
    document = json.loads(done.out)
    assert document["run"]["samples"] >= seen
    assert document["run"]["exit_code"] is None
    assert any("killed" in limit for limit in document["limits"])


def samples(part: Path) -> int:
    if not part.exists():
        return 0
    with sqlite3.connect(f"file:{part}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM sample").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


WORKERS = """
import os, sys, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __len__(self): return 64
    def __getitem__(self, i):
        w = torch.randn(4, 4, requires_grad=True)
        torch.relu(torch.randn(3, 4) @ w).sum().backward()
        o = torch.optim.SGD([w], lr=0.1)
        o.step()
        return torch.full((4,), i / 64)

if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loader = DataLoader(Data(), 16, num_workers=2, multiprocessing_context=sys.argv[1])
    for batch in loader:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
    pid = os.fork()
    if pid == 0:
        model(batch).sum().backward()
        optimizer.step()
        sys.exit(3)
    print("child", os.wait()[1] >> 8)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_and_forks_are_not_observed(tmp_path: Path, method: str) -> None:
    (tmp_path / "script.py").write_text(WORKERS)
    done = commands.reluctant("run", "--out", "rec", "script.py", method, cwd=tmp_path)
    assert (done.code, done.out) == (0, "child 3\n"), done.err
    assert done.err.count("reluctant  healthy") == 1, done.err
    found = json.loads(reluctant("diagnose", "rec", "--format", "json", cwd=tmp_path).out)
    assert found["run"]["steps"] == 4
    assert [layer["function"] for layer in found["layers"]] == ["tanh", None]


def test_help_is_there_for_every_command(tmp_path: Path) -> None:
    assert os.linesep in reluctant("--help", cwd=tmp_path).out
    for command in ("run", "diagnose", "runs"):
        assert "Usage:" in reluctant(command, "--help", cwd=tmp_path).out
