"""`reluctant check`: the first steps, a stop, and an exit code for whoever waits."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.commands import EXAMPLES, Done
from tests.matrix.zygote import reluctant

from reluctant import load

Check = Callable[..., Done]

TRAINS = """
import atexit, os, sys, threading, torch
from torch import nn
torch.manual_seed(0)
atexit.register(print, "at exit")
model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
nn.init.constant_(model[0].bias, BIAS)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(1000):
    optimizer.zero_grad()
    x = torch.randn(64, 4)
    (model(x) - x[:, :2]).square().mean().backward()
    try:
        optimizer.step()
    except BaseException as error:
        print("caught", type(error).__name__)
        if "catches" not in sys.argv or step > 12:
            raise
    print("step", step)
    if "fails" in sys.argv and step == 4:
        raise RuntimeError("five steps are enough")
    if "forks" in sys.argv and step == 2 and os.fork() == 0:
        break
"""

MODELS = """
import torch
from torch import nn

def sigmoids():
    pairs = [layer for _ in range(12) for layer in (nn.Linear(32, 32), nn.Sigmoid())]
    return nn.Sequential(*pairs, nn.Linear(32, 4))

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.lin, self.out = nn.Embedding(50, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, words, numbers):
        hidden = torch.relu(self.lin(numbers) + self.words(words))
        return {"out": self.out(hidden), "hidden": hidden.detach()}

class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()

def raises():
    raise RuntimeError("no data")

number = 3
"""


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Check]:
    (tmp_path / "healthy.py").write_text(TRAINS.replace("BIAS", "0.0"))
    (tmp_path / "dead.py").write_text(TRAINS.replace("BIAS", "-50.0"))
    (tmp_path / "models.py").write_text(MODELS)

    def run(*arguments: object) -> Done:
        return reluctant("check", *arguments, cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"))

    (tmp_path / "tmp").mkdir()
    yield run
    assert not list((tmp_path / "tmp").glob("reluctant*")), "nothing of ours is left"


@pytest.mark.parametrize(("script", "code"), [("healthy.py", 0), ("dead.py", 1)])
def test_the_first_steps(check: Check, tmp_path: Path, script: str, code: int) -> None:
    done = check("--steps", 8, script)
    assert done.code == code
    assert ("dead-units" in done.out) == bool(code)
    assert "8 steps observed" in done.out
    assert "step 6" in done.err
    assert "step 7" not in done.err
    assert "at exit" not in done.out
    assert not (tmp_path / ".reluctant").exists()


def test_json_alone_is_on_stdout(check: Check) -> None:
    done = check("--format", "json", "--fail-on", "never", "dead.py")
    said = json.loads(done.out)
    assert (done.code, said["verdict"], said["run"]["samples"]) == (0, "error", 30)
    assert said["run"]["path"] is None
    assert "at exit" in done.err


def test_annotations(check: Check) -> None:
    done = check("--format", "github", "dead.py")
    assert done.out.startswith("::error file=dead.py,title=dead-units%3A 0::64 units never fired")
    assert check("--format", "github", "healthy.py").out.startswith("::notice file=healthy.py,")


def test_a_record_that_is_kept(check: Check, tmp_path: Path) -> None:
    assert check("--steps", 5, "--out", "kept", "healthy.py").code == 0
    assert load(tmp_path / "kept").steps.tolist() == [0, 1, 2, 3, 4]


def test_a_script_that_catches_everything_is_stopped_at_the_next_step(check: Check) -> None:
    done = check("--steps", 10, "healthy.py", "catches")
    assert done.code == 0
    assert done.err.count("caught Enough") == 5


def test_a_script_that_fails_first(check: Check) -> None:
    done = check("healthy.py", "fails")
    assert done.code == 1
    assert "RuntimeError: five steps are enough" in done.err
    assert "5 steps observed" in done.out


def test_a_fork_of_the_script_says_nothing(check: Check) -> None:
    assert check("healthy.py", "forks").out.count("steps observed") == 1


def test_a_model_alone(check: Check) -> None:
    done = check("--model", "models:sigmoids", "--input", "64,32")
    assert done.code == 1
    assert "vanishing-gradient" in done.out
    assert "saturating-activation" in done.out
    two = check("--model", "models:Two", "--input", "32:50", "--input", "32,3", "--format", "json")
    assert two.code == 0, two.err
    assert [at["name"] for at in json.loads(two.out)["layers"]][-1] == "out"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "models:none", "--input", "3"), "There is no models:none"),
        (("--model", "models:number", "--input", "3"), "There is no models:number"),
        (("--model", "models:Sized", "--input", "3"), "models:Sized raised TypeError: "),
        (("--model", "models:raises", "--input", "3"), "models.py:23: no data"),
        (("--model", "models:sigmoids", "--input", "3,x"), "'3,x' is no shape"),
        (("--model", "models:sigmoids", "--input", "3,7"), "models:sigmoids cannot take"),
        (("--model", "models:sigmoids"), "--model and --input go together"),
        ((), "Give a SCRIPT"),
        (("none.py",), "There is no script none.py"),
        (("-m", "torch.distributed.run", "healthy.py"), "starts other processes"),
        (("models.py",), "models.py took no step"),
    ],
)
def test_what_cannot_be_checked(check: Check, arguments: tuple[str, ...], words: str) -> None:
    done = check(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_an_example(check: Check) -> None:
    assert check(EXAMPLES / "digits_mlp.py").code == 0
    assert check(EXAMPLES / "digits_mlp.py", "--optimizer", "adam", "--lr", "0.3").code == 1
