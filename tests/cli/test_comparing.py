"""`reluctant compare`: real runs, few and short; most need no torch, and so next to no time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.commands import Done, python, reluctant
from tests.terminal import terminal

from reluctant import load

# What stands in for relu is told by the command line before torch is there.
SCRIPT = """
import os, sys, time
import reluctant
seed = int(sys.argv[1])
new = [at.partition("=")[2] for at in sys.orig_argv if at.startswith("relu=")]
with open("ran", "a") as ran:
    ran.write(f"{os.getpid()} {''.join(new) or 'relu'} {seed}\\n")
if "tanh" in new:
    raise RuntimeError("tanh is not for me")
if "silu" in new:
    os.kill(os.getpid(), 9)
if "elu" in new and "WAITS" in os.environ:
    time.sleep(120)
if not new:
    import torch
    from torch import nn
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    for _ in range(4):  # without an optimizer, which takes long to import
        model(torch.randn(16, 4)).square().mean().backward()
reluctant.log(score=float("nan") if "gelu" in new else seed + 0.1 * len(new))
print("score", seed)
"""

TRAINS = """
import torch
from torch import nn
FIX
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(150):
    optimizer.zero_grad()
    x = torch.randn(16, 4)
    (model(x) - x[:, :1].abs()).square().mean().backward()
    optimizer.step()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "trains.py").write_text(TRAINS.replace("FIX", ""))
    (tmp_path / "fixed.py").write_text(TRAINS.replace("FIX", "torch.manual_seed(0)"))
    (tmp_path / "fails.py").write_text("print('so far')\nopen('none')\n")
    (tmp_path / "plain.py").write_text("print('one')\nprint('precision 3')\n")
    return tmp_path


def compare(folder: Path, *arguments: object, **environment: str) -> Done:
    return reluctant("compare", *arguments, cwd=folder, **environment)


def ran(folder: Path) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in (folder / "ran").read_text().splitlines()]


@pytest.mark.slow
def test_a_comparison_by_the_training_loss(folder: Path) -> None:
    options = ("--activations", "relu,elu", "--seeds", 2, "--seed", 5, "--out", "all")
    done = compare(folder, *options, "--format", "json", "trains.py")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["schema"], said["metric"], said["direction"]) == (1, "training loss", "low")
    assert said["metric_source"].startswith("smoothed")
    assert (said["baseline"], said["replaced"], said["same"]) == ("baseline", ["relu"], ["relu"])
    (elu,) = said["candidates"]
    assert (elu["name"], elu["n"], elu["verdict"]) == ("elu", 2, "no difference shown")
    assert elu["low"] < elu["difference"] < elu["high"]
    assert said["detectable"] == elu["detectable"] > 0
    assert [at["name"] for at in said["entrants"]] == ["baseline", "elu"]
    for entrant in said["entrants"]:
        assert entrant["step_seconds"] > 0
        assert entrant["memory_bytes"] > 50e6
    run = load(said["records"]["elu"][1])
    assert (run.info.seed, run.info.parent) == (6, str(folder / "all"))
    assert run.info.swaps == ("elu instead of relu in 1 module",)

    again = compare(folder, *options, "--html", "page.html", "trains.py")
    assert (again.code, again.err) == (0, ""), "nothing is run again"
    assert "\n  page     page.html\n" in again.out
    page = (folder / "page.html").read_text("utf-8")
    assert "<title>reluctant: compare, no difference shown, trains.py</title>" in page
    assert page.count('id="function-') == 2, "relu, which is the script's, and elu"
    assert "relu is what the script has: that is the baseline." in again.out
    assert "No difference shown: elu. 2 seeds would probably" in again.out
    other = compare(folder, *options[:3], 3, *options[4:], "trains.py")
    assert other.code == 2
    assert "holds a trial of another script" in other.err


@pytest.mark.slow
def test_runs_that_fail_stop_nothing(folder: Path) -> None:
    names = "tanh,silu,gelu,elu,softplus"
    options = ("--activations", names, "--seeds", 3, "--seed-arg", "{}", "--out", "all")
    limits = ("--jobs", 2, "--timeout", "20s", "--maximize", "--format", "json")
    done = compare(folder, *options, *limits, "script.py", WAITS="1")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["metric"] == "score"
    found = {at["name"]: at for at in said["candidates"]}
    assert {name: at["n"] for name, at in found.items()} == {
        "tanh": 0,
        "silu": 0,
        "gelu": 3,
        "elu": 0,
        "softplus": 3,
    }
    assert found["softplus"]["verdict"] == "better"
    assert found["gelu"]["difference"] < 0, "what is not finite counts as the worst"
    stopped = {at["name"]: at["stopped"] for at in said["entrants"]}
    assert stopped["tanh"] == stopped["elu"] == "stopped after 2 runs that failed"
    limits_said = "\n".join(said["limits"])
    for words in (
        "tanh with seed 0 ended with exit code 1, and is left out",
        "silu with seed 0 was killed, probably for want of memory",
        "elu with seed 1 was ended after 2",
        "3 runs of gelu came to a number that is not finite",
    ):
        assert words in limits_said
    assert "Traceback" not in done.err
    count = len(ran(folder))
    assert compare(folder, *options, "--maximize", "script.py").code == 0
    assert len(ran(folder)) == count, "what failed is not tried again"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_goes_on_after_an_end_at_any_moment(folder: Path, number: signal.Signals) -> None:
    options = ["--activations", "elu", "--seeds", "2", "--seed-arg", "{}", "--maximize"]
    options += ["--out", "all", "--metric", "score (.*)", "script.py"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reluctant", "compare", *options],
        cwd=folder,
        env={**os.environ, "WAITS": "1", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "ran").exists() or "elu 0" not in ran(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted. What has ended is kept in" in err
    assert "Traceback" not in err
    child = int((folder / "ran").read_text().splitlines()[-1].split()[0])
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline, "no run is left alone"
        time.sleep(0.05)
    done = compare(folder, *options)
    assert done.code == 0, done.err
    assert ran(folder) == ["relu 0", "relu 1", "elu 0", "elu 0", "elu 1"]


@pytest.mark.slow
def test_a_script_that_sets_its_own_seed_is_found_out(folder: Path) -> None:
    done = compare(folder, "--activations", "elu", "fixed.py")
    assert (done.code, done.out) == (2, "")
    assert "does the same with the seeds 0 and 1, to the last bit: it sets its own seed" in done.err
    assert "--seed-arg" in done.err


@pytest.mark.slow
def test_when_the_time_runs_out_what_is_said_is_the_last_word(folder: Path) -> None:
    options = ("--activations", "softplus", "--seeds", 4, "--seed-arg", "{}", "--maximize")
    done = compare(folder, *options, "--out", "all", "--budget", "0.1s", "script.py")
    assert done.code == 2
    assert "No pair of runs came to its end" in done.err
    assert ran(folder) == ["relu 0", "relu 1"]
    again = compare(folder, *options, "--out", "all", "script.py")
    assert again.code == 2
    assert ran(folder) == ["relu 0", "relu 1"]


@pytest.mark.slow
def test_on_a_terminal_it_is_told_what_runs_and_how_far_all_is(folder: Path) -> None:
    options = ("--activations", "softplus", "--seeds", 2, "--seed-arg", "{}", "--maximize")
    command = (sys.executable, "-m", "reluctant", "compare", *options, "script.py")
    with terminal(*command, cwd=folder) as at:
        at.until("0 of up to 4 runs: baseline, seed 0")
        at.until("reluctant  run 1  baseline, seed 0: ")
        shown = at.until(lambda text: "softplus, seed 0" in text.split("left: ")[-1])
        assert re.search(r"2 of up to 4 runs, up to .* s left: softplus, seed 0", shown)
        assert at.left() == 0
        assert "runs, up to" not in at.text(), "the bar is gone"
        assert "records" in at.text()


def test_a_script_that_fails_shows_its_own_traceback_once(folder: Path) -> None:
    done = compare(folder, "--activations", "elu", "fails.py")
    assert (done.code, done.out) == (2, "")
    assert "fails.py ended with exit code 1 as it stands" in done.err
    assert done.err.count("FileNotFoundError") == done.err.count("Traceback") == 1
    assert "attempt.py" not in done.err


def test_a_metric_that_never_appears(folder: Path) -> None:
    done = compare(folder, "--activations", "elu", "--metric", "accuracy (.*)", "plain.py")
    assert (done.code, done.out) == (2, "")
    assert "no 'accuracy (.*)' was found" in done.err
    assert "    one\n    precision 3\n" in done.err


def test_what_it_takes_is_asked_for_before_anything_is_run(folder: Path) -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; from reluctant.cli import main; "
        "sys.argv = ['reluctant', 'compare', '--activations', 'elu', 'plain.py']; main()"
    )
    done = python("-c", code, cwd=folder)
    assert (done.code, done.out) == (2, "")
    assert "pip install 'reluctant[compare]'" in done.err
    assert not (folder / ".reluctant").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--activations", "prelo", "plain.py"), "Did you mean prelu"),
        (("--activations", "elu", "none.py"), "There is no script none.py"),
        (("--activations", ",", "plain.py"), "It names no function"),
        (("--activations", "maxout", "plain.py"), "cannot stand in another's place"),
        (("--activations", "elu", "--metric", "(", "plain.py"), "no regular expression"),
        (("--activations", "elu", "--metric", "speed", "plain.py"), "--maximize or --minimize"),
        (("--activations", "elu", "--budget", "soon", "plain.py"), "'soon' is no time"),
        (("--activations", "elu", "--seed-arg", "x", "plain.py"), "has no {} for the seed"),
        (("--activations", "elu", "--html", "no/page.html", "plain.py"), "Name another FILE"),
        (("--activations", "elu", "--metric", "precision (.*)", "plain.py"), "No rectifier"),
    ],
)
def test_wrong_use(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = compare(folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err
