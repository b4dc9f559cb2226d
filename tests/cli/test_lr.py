"""`reluctant lr`: short runs of a script at one learning rate after another."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.commands import Done, reluctant

from reluctant import load

TRAINS = """
import sys, torch
from torch import nn
torch.manual_seed(int(sys.argv[1]))
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
halves = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.02}]
optimizer = torch.optim.SGD(halves, lr=0.04)
print("begins")
for step in range(STEPS):
    x = torch.randn(64, 6)
    loss = (model(x) - x[:, :2].abs()).square().mean()
    if not loss.isfinite():
        raise FloatingPointError("the loss is not finite")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("ends")
"""

FAILS = """
print("reads its data")
raise RuntimeError("no data")
"""

FAILS_LATER = (
    TRAINS.replace("STEPS", "3")
    + """
raise RuntimeError("no more data")
"""
)

BY_HAND = """
import torch
weight = torch.ones(3, requires_grad=True)
for step in range(70):
    (weight ** 2).sum().backward()
    with torch.no_grad():
        weight -= 0.1 * weight.grad
        weight.grad = None
"""

SAME = """
import torch
weight = torch.nn.Parameter(torch.ones(3))

class Own(torch.optim.Optimizer):
    def step(self, closure=None):
        weight.data -= 0.1 * weight.grad

optimizer = Own([weight], {"lr": 0.1})
for step in range(40):
    optimizer.zero_grad()
    (weight ** 2).sum().backward()
    optimizer.step()
"""

# A second run, and in the end each, waits.
WAITS = """
import os, time
many = os.path.getsize("ran") if os.path.exists("ran") else 0
open("ran", "a").write("x")
if many or "all" in sys.argv:
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scripts = {
        "trains": TRAINS.replace("STEPS", "1000"),
        "short": TRAINS.replace("STEPS", "6"),
        "fails": FAILS,
        "fails_later": FAILS_LATER,
        "by_hand": BY_HAND,
        "same": SAME,
        "plain": "print('no torch')",
        "waits": "import sys" + WAITS + TRAINS.replace("STEPS", "1000"),
    }
    for name, content in scripts.items():
        (tmp_path / f"{name}.py").write_text(content)
    return tmp_path


def lr(folder: Path, *arguments: object) -> Done:
    return reluctant("lr", *arguments, cwd=folder)


@pytest.mark.slow
def test_a_sweep(folder: Path) -> None:
    options = ("--jobs", 2, "--steps", 40, "--out", "all", "--seed-arg", "{}")
    done = lr(folder, *options, "--format", "json", "trains.py")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    rates = said["rates"]
    assert [at["factor"] for at in rates] == sorted(at["factor"] for at in rates)
    assert all(at["rate"] == pytest.approx(0.04 * at["factor"]) for at in rates)
    assert said["own"]["factor"] == 1
    assert said["named"] == [at for at in rates if at["verdict"] == "learns"][-1]
    # One that stops at a loss that is not finite is one that fails there, and not at others.
    assert rates[-1]["verdict"] in ("diverges", "fails")
    assert len(rates) == done.err.count("reluctant  run ")
    above = rates[rates.index(said["named"]) + 1]["factor"]
    assert above / said["named"]["factor"] == pytest.approx(10 ** (1 / 8))
    assert (said["units"], said["steps"], said["limits"]) == (32, 40, [])

    records = [load(at) for at in (folder / "all").iterdir() if at.is_dir()]
    assert len(records) == len(rates)
    # Each begins anew, from the same seed; its own rates are what the script sees.
    assert {repr(at.losses[0]) for at in records} == {repr(records[0].losses[0])}
    assert {at.samples[0].rate for at in records} == {0.04}
    assert max(at.info.steps or 0 for at in records) == 40
    assert (folder / "all" / "x1-0.txt").read_text() == "begins\n"

    again = lr(folder, *options, "--plot", "plot.png", "trains.py")
    assert again.code == 0
    assert again.err.count("exit code 1") == again.err.count("reluctant  run "), "what had failed"
    assert f"is the largest rate that {said['said'][0].partition(' that ')[2]}"[:40] in again.out
    assert "x  share of units that are dead" in again.out or not any(at["dead"] for at in rates)
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_module_is_swept_as_a_script_is(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("STEPS = 1000\n")
    (folder / "package" / "trains.py").write_text("from . import STEPS\n" + TRAINS)
    options = ("--jobs", 2, "--steps", 40, "--format", "json")
    done = lr(folder, *options, "-m", "package.trains", "0")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["script"], said["module"], said["arguments"]) == ("package.trains", True, ["0"])
    assert said["own"]["rate"] == 0.04
    assert said["named"]["factor"] >= 1
    assert len(said["rates"]) == done.err.count("reluctant  run ") > 4


@pytest.mark.parametrize(
    ("script", "runs", "words"),
    [
        (("short.py", "0"), 1, "short.py takes 6 steps and ends."),
        (("by_hand.py",), 1, "by_hand.py steps no optimizer that has a learning rate."),
        (("plain.py",), 1, "plain.py takes 0 steps and ends."),
        (("--jobs", "2", "same.py"), 3, "same.py comes to the same loss whatever the rate."),
    ],
)
def test_what_cannot_be_swept(folder: Path, script: tuple[str, ...], runs: int, words: str) -> None:
    done = lr(folder, *script)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("reluctant  run ") == runs
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("script", "runs"), [("fails.py", 1), ("fails_later.py", 2)])
def test_a_script_that_fails_says_so_once(folder: Path, script: str, runs: int) -> None:
    done = lr(folder, script, "0")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("Traceback") == 1
    assert done.err.count("RuntimeError: no ") == 1
    assert "reluctant: The script fails, with exit code 1" in done.err
    assert done.err.count("reluctant  run ") == runs


@pytest.mark.parametrize(("more", "runs"), [(("0",), 2), (("0", "all"), 1)])
def test_ctrl_c_shows_what_has_been_run(folder: Path, more: tuple[str, ...], runs: int) -> None:
    command = [sys.executable, "-m", "reluctant", "lr", "--steps", "20", "waits.py", *more]
    temporary = {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | temporary, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "ran").exists() or (folder / "ran").stat().st_size < runs:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted, with what had been run until then." in err
    assert "Traceback" not in err
    assert ("1 rate, 20 steps each" in out) == (runs == 2)
    assert not list(folder.glob("reluctant-*")), "nothing of ours is left"
    assert not (folder / ".reluctant").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.py",), "There is no script none.py"),
        (("--seed-arg", "--seed", "trains.py"), "'--seed' has no {} for the seed"),
        (("--steps", "3", "trains.py"), "3 is not in the range x>=10"),
        (("-m", "torch.distributed.run", "trains.py"), "starts other processes"),
    ],
)
def test_wrong_use(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = lr(folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (folder / ".reluctant").exists()
