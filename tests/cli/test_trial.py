"""`reluctant trial`: the same script with the same seeds, untreated, treated and with a placebo."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.commands import Done, reluctant
from tests.terminal import terminal

from reluctant import load

# Most units are born dead, and the rest cannot do it alone.
TRAINS = """
import sys, torch
from torch import nn
if "--seed" in sys.argv:
    torch.manual_seed(int(sys.argv[sys.argv.index("--seed") + 1]))
model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
with torch.no_grad():
    model[2].bias[: DEAD] = -30.0
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(120):
    x = torch.randn(64, 6)
    loss = (model(x) - x[:, :2].abs()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"error {loss.item():.4f}")
"""

# Needs no torch, and so next to no time.
PLAIN = """
import os, sys, time
seed = int(sys.argv[1])
with open("ran", "a") as ran:
    ran.write(f"{seed}\\n")
if "waits" in sys.argv and seed:
    time.sleep(60)
print("score 1000")
print("score", seed + 0.5, file=sys.stderr)
print("score unknown")
sys.exit(3 if "fails" in sys.argv and seed == 1 else 0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sick.py").write_text(TRAINS.replace("DEAD", "61"))
    (tmp_path / "healthy.py").write_text(TRAINS.replace("DEAD", "0"))
    (tmp_path / "plain.py").write_text(PLAIN)
    return tmp_path


def trial(folder: Path, *arguments: object) -> Done:
    return reluctant("trial", "--jobs", 2, *arguments, cwd=folder)


def ran(folder: Path) -> list[str]:
    return (folder / "ran").read_text().split()


@pytest.mark.slow
def test_a_script_that_treatment_helps(folder: Path) -> None:
    error = ("--metric", r"(?m)^error (?P<error>.*)$", "--better", "low")
    done = trial(folder, "--seeds", 2, "--out", "all", "--format", "json", *error, "sick.py")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert [at["metric"] for at in said["metrics"]] == ["training loss", "error", "dead units"]
    assert [at["direction"] for at in said["metrics"]] == ["low"] * 3
    for metric in said["metrics"]:
        treated, placebo = metric["candidates"]
        assert (treated["name"], placebo["name"], metric["baseline"]) == (
            "treated",
            "placebo",
            "untreated",
        )
        assert treated["n"] == placebo["n"] == 2
        assert treated["low"] <= treated["difference"] <= treated["high"]
        assert treated["mean"] < placebo["mean"]
    dead = said["metrics"][2]["candidates"]
    assert (dead[0]["verdict"], dead[1]["verdict"]) == ("better", "no difference shown")
    assert said["treatments"] == [
        {"remedy": "revive", "finding": "dead-units", "kept": 2, "undone": 0}
    ]
    assert said["limits"] == []

    for arm, records in said["records"].items():
        assert [Path(at).name for at in records] == [f"{arm}-{seed}" for seed in range(2)]
    treated, placebo = (load(said["records"][arm][0]) for arm in ("treated", "placebo"))
    assert {at.info.parent for at in (treated, placebo)} == {str(folder / "all")}
    assert placebo.info.seed == treated.info.seed == 0
    (theirs,), (ours,) = treated.interventions, placebo.interventions
    assert (ours.remedy, ours.layer, ours.step) == ("placebo-revive", theirs.layer, theirs.step)
    assert ours.text == "1 living unit, chosen at random, began anew."

    again = trial(folder, "--seeds", 2, "--out", "all", *error, "sick.py")
    assert (again.code, again.err) == (0, ""), "nothing is run again"
    assert "The treatment helped: " in again.out
    assert "revive, for dead-units, in 2 of 2 runs" in again.out
    assert "records  all" in again.out


@pytest.mark.slow
def test_a_script_that_sets_its_own_seed_is_found_out(folder: Path) -> None:
    done = trial(folder, "--seeds", 2, "healthy.py", "--seed", "7")
    assert done.code == 0, done.err
    assert "n is 1 in truth: the script sets its own seed." in done.out
    assert "one pair: no interval" in done.out
    assert "No intervention: the runs are the same." in done.out
    assert "placebo, seed" not in done.err, "to do nothing to no purpose is that very run"
    assert done.err.count("treated, seed") == 3, "no pair is run that is the same again"


def test_the_last_number_in_the_output_counts(folder: Path) -> None:
    done = trial(folder, "--seeds", 2, "--seed-arg", "{}", "--metric", "score (.*)", "plain.py")
    assert done.code == 0, done.err
    assert re.search("score +1 +1 +1 +0, 0 to 0 +no difference shown", done.out)
    assert "No intervention: the runs are the same." in done.out
    assert ".reluctant/trials/" in done.out
    assert (folder / ".reluctant" / ".gitignore").read_text() == "*\n"


def test_on_a_terminal_it_is_told_what_runs_and_how_far_all_is(folder: Path) -> None:
    options = ("--seeds", 2, "--seed-arg", "{}", "--metric", "score (.*)", "plain.py")
    with terminal(sys.executable, "-m", "reluctant", "trial", *options, cwd=folder) as at:
        at.until("0 of up to 6 runs: untreated, seed 0")
        at.until("reluctant  1 of 6 at most  untreated, seed 0: ")
        at.until(lambda text: "treated, seed 1" in text.split("left: ")[-1])
        at.until("of up to 5 runs")
        assert at.left() == 0
        assert "runs, up to" not in at.text(), "the bar is gone"


def test_a_run_that_fails_is_left_out_with_its_partner(folder: Path) -> None:
    options = ("--seeds", 3, "--seed-arg", "{} fails", "--out", "all", "--metric", "score (.*)")
    done = trial(folder, *options, "--format", "json", "plain.py")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    (limit,) = said["limits"]
    assert "The untreated run with seed 1 failed (exit code 3) and is left out" in limit
    (metric,) = said["metrics"]
    assert metric["candidates"][0]["n"] == 2
    assert metric["candidates"][0]["mean"] == metric["baseline_mean"] == 1.5
    assert sorted(ran(folder)) == ["0", "0", "1", "2", "2"]
    trial(folder, *options, "plain.py")
    assert sorted(ran(folder)) == ["0", "0", "1", "1", "2", "2"], "what failed is tried again"


def test_nothing_to_compare(folder: Path) -> None:
    done = trial(folder, "--seeds", 1, "--seed-arg", "{}", "plain.py")
    assert (done.code, done.out) == (2, "")
    assert "nor a metric of their own" in done.err
    done = trial(folder, "--seeds", 1, "--seed-arg", "x{}", "plain.py")
    assert (done.code, done.out) == (2, "")
    assert "No pair of runs came to its end" in done.err


def test_ctrl_c_keeps_what_has_ended(folder: Path) -> None:
    command = [sys.executable, "-m", "reluctant", "trial", "--seeds", "2", "--out", "all"]
    command += ["--seed-arg", "{} waits", "--metric", "score (.*)", "plain.py"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (folder / "ran").exists() or len(ran(folder)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"Interrupted. 1 run has ended and is kept in {folder / 'all'}." in err
    assert "Traceback" not in err
    assert sorted(at.name for at in (folder / "all").iterdir()) == [
        "trial.json",
        "untreated-0",
        "untreated-0.txt",
    ]


def test_a_folder_holds_the_runs_of_one_command(folder: Path) -> None:
    options = ("--seeds", 1, "--metric", "score (.*)", "--out", "all")
    assert trial(folder, *options, "--seed-arg", "{}", "plain.py").code == 0
    for other in (("--seed-arg", "{} x", "plain.py"), ("--seed-arg", "{}", "plain.py", "x")):
        done = trial(folder, *options, *other)
        assert (done.code, done.out) == (2, "")
        assert "holds a trial of another script" in done.err
    (folder / "plain.py").write_text(PLAIN + "\n")
    assert trial(folder, *options, "--seed-arg", "{}", "plain.py").code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.py",), "There is no script none.py"),
        (("--seed-arg", "--seed", "plain.py"), "'--seed' has no {} for the seed"),
        (("--metric", "loss", "plain.py"), "'loss' needs one group"),
        (("--metric", "(", "plain.py"), "'(' is no regular expression"),
        (("-m", "torch.distributed.run", "plain.py"), "starts other processes"),
    ],
)
def test_wrong_use(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = trial(folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (folder / ".reluctant").exists()


def test_a_run_is_treated_or_has_a_placebo(folder: Path) -> None:
    done = reluctant("run", "--heal", "--heal-placebo", ".", "plain.py", cwd=folder)
    assert (done.code, done.out) == (2, "")
    assert "treated or has a placebo" in done.err
