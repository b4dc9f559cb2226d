"""Real scripts, good and bad, each in a process of its own: none of them stops a search."""

import textwrap
from pathlib import Path
from threading import Event, Timer

import pytest

from reluctant.search.job import Entry, Job, Result
from reluctant.search.training import Training, metric
from reluctant.trials.metric import Asked
from reluctant.trials.plan import Plan

STEPS = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.01)
inputs = torch.randn(32, 4)
for step in range(20):
    loss = (model(inputs) - inputs[:, :1]).square().mean() * SCALE
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def run(
    text: str,
    folder: Path,
    function: str | None = None,
    stop: Event | None = None,
    limit: float = 60,
    factor: float = 1.0,
) -> Result:
    script = folder / "train.py"
    script.write_text(textwrap.dedent(text))
    training = Training(Plan(str(script)), ("relu",), limit)
    number = len(list(folder.glob("run-*.txt")))
    job = Job("search", function, 0, factor)
    return training(job, folder / f"run-{number}", stop or Event())


def test_a_script_with_a_function_in_its_rectifiers_place(tmp_path: Path) -> None:
    script = "SCALE = 1\n" + STEPS + "print(model[1])\n"
    result = run(script, tmp_path, "max(a * z, tanh(z))")
    assert result.why is None
    assert result.value is not None
    assert 0 < result.value < 10
    assert "(a=1.0)" in (tmp_path / "run-0-0.txt").read_text()


def test_at_another_learning_rate(tmp_path: Path) -> None:
    own, faster = (run("SCALE = 1\n" + STEPS, tmp_path, factor=factor) for factor in (1.0, 3.0))
    assert own.value is not None
    assert faster.value is not None
    assert faster.value < own.value


def test_as_it_stands_it_tells_what_it_uses(tmp_path: Path) -> None:
    facts = run("SCALE = 1\n" + STEPS, tmp_path).facts
    assert (facts["met"], facts["functions"]) == (["relu"], ["relu"])
    losses = facts["losses"]
    assert isinstance(losses, dict)
    assert list(losses)[:3] == ["0", "1", "2"]
    assert len(losses) == 8


def test_as_it_stands_it_tells_what_runs_are_compared_by(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("SCALE = 1\n" + STEPS + "print(f'accuracy {50 + step:.1f} %')\n")
    asked = Training(Plan(str(script)), asked=Asked("accuracy (.*) %"))
    first = asked(Job("baseline", None, 0), tmp_path / "first", Event())
    assert (first.value, first.facts["resolution"]) == (69.0, 0.1)
    known = metric([Entry(0, Job("baseline", None, 0), "done", first)])
    assert known is not None
    assert (known.name, known.direction, known.source) == ("accuracy", "high", "output")
    later = Training(Plan(str(script)), ("relu",), metric=known)
    assert later(Job("search", "silu(z)", 0), tmp_path / "later", Event()).value == 69.0
    script.write_text("SCALE = 1\n" + STEPS)
    none = later(Job("search", "silu(z)", 0), tmp_path / "none", Event())
    assert (none.value, none.why) == (None, "It showed no accuracy.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import torch\nraise ValueError('too bad')", "exit code 1: ValueError: too bad"),
        (
            "import torch, os\nos.kill(os.getpid(), 9)",
            "It was killed, probably for want",
        ),
        ("import torch, os\nos.abort()", "It was ended by signal 6."),
        ("import torch", "and no training loss was seen."),
        ("SCALE = float('nan')\n" + STEPS, "not finite at the end"),
    ],
)
def test_a_script_that_fails_says_how(text: str, says: str, tmp_path: Path) -> None:
    result = run(text, tmp_path)
    assert result.value is None
    assert result.why is not None
    assert says in result.why


def test_a_script_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = """
        import subprocess, sys, time
        code = "import pathlib, time\\ntime.sleep(4)\\npathlib.Path('alive').touch()"
        subprocess.Popen([sys.executable, "-c", code], cwd=sys.path[0])
        time.sleep(600)
    """
    result = run(script, tmp_path, limit=2)
    assert result.why == "It was ended after 2 s, which is too long."
    assert result.seconds < 30
    Event().wait(4)
    assert not (tmp_path / "alive").exists()


def test_a_run_ends_when_all_is_to_stop(tmp_path: Path) -> None:
    stop = Event()
    Timer(1, stop.set).start()
    assert run("import time\ntime.sleep(600)", tmp_path, stop=stop).value is None


def test_a_function_that_cannot_stand_there_is_a_failure_of_its_own(tmp_path: Path) -> None:
    result = run("SCALE = 1\n" + STEPS, tmp_path, "exp(z)")
    assert result.why is not None
    assert "exp(z) at z = 10000 is not a number" in result.why
