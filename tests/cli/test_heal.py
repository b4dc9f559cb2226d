"""`run --heal`: what it takes for its own, what it asks, and what it says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_bad_input import TRAINS
from tests.matrix.zygote import reluctant
from tests.terminal import terminal

from reluctant.cli.run import _ours, _remedies, run
from reluctant.healing import consent
from reluctant.healing.consent import Asking
from reluctant.record.finding import Cause, Finding, Severity, Units
from reluctant.remedy.propose import REMEDIES, Proposal
from reluctant.remedy.refusal import Refused

# Born dead, and so for as many steps as it takes to see what comes of a remedy.
SICK = """
import torch, sys
from torch import nn
torch.manual_seed(0)
centres = torch.randn(4, 16)
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
nn.init.constant_(model[2].bias, -10.0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(100):
    labels = torch.randint(4, (64,))
    optimizer.zero_grad()
    x = centres[labels] + 0.3 * torch.randn(64, 16)
    loss = nn.functional.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
print(sys.argv[1:], loss.item() < 0.5)
"""


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    path = tmp_path / "sick.py"
    path.write_text(SICK)
    return path


LINES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "alone": (["--heal", "s.py"], {"heal": "auto", "script": "s.py", "args": ()}),
    "named": (["--heal=revive", "s.py"], {"heal": "revive", "script": "s.py", "args": ()}),
    "the script's": (["s.py", "--heal", "x"], {"heal": None, "args": ("--heal", "x")}),
    "both": (["--heal", "s.py", "--heal"], {"heal": "auto", "args": ("--heal",)}),
    "before others": (
        ["--heal", "-q", "--seed", "3", "s.py", "--heal"],
        {"heal": "auto", "quiet": True, "seed": 3, "script": "s.py", "args": ("--heal",)},
    ),
    "after others": (
        ["-q", "--out", "x", "--heal", "-m", "mod", "--heal=1"],
        {"heal": "auto", "module": True, "script": "mod", "args": ("--heal=1",)},
    ),
    "short ones": (["-qm", "mod", "--heal"], {"heal": None, "module": True, "args": ("--heal",)}),
    "a value": (["--out", "--heal", "s.py"], {"heal": None, "out": Path("--heal")}),
    "two dashes": (["--heal", "--", "s.py", "--heal"], {"heal": "auto", "args": ("--heal",)}),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_whose_option_it_is(line: list[str], expected: dict[str, Any]) -> None:
    found = run.make_context("run", line).params
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("text", ["nonsense", "revive,nonsense", "", "revive,"])
@pytest.mark.parametrize("launcher", [(), ("-m", "torch.distributed.run")])
def test_no_remedy(text: str, launcher: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINS)
    done = reluctant("run", f"--heal={text}", *launcher, "train.py", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    said = [line for line in done.err.splitlines() if "is no remedy" in line]
    assert len(said) == 1
    assert ", ".join(REMEDIES) in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_what_is_named() -> None:
    assert _remedies("auto") == REMEDIES
    assert _remedies("revive,rescale") == ("revive", "rescale")
    assert _remedies("ask") == (*REMEDIES, "ask")
    assert set(_remedies("ask,revive")) == {"revive", "ask"}


def test_a_launcher_hands_it_on() -> None:
    ours = tuple(_ours(1, 0.05, None, "all", (), None, (), "ask,revive"))
    again = run.make_context("run", [*ours, "s.py"]).params
    assert (again["heal"], again["budget"], again["script"]) == ("ask,revive", 0.05, "s.py")
    assert not any("--heal" in at for at in _ours(1, 0.01, None, "all", (), None, (), None))


def test_a_script_is_healed(sick: Path, tmp_path: Path) -> None:
    given = ("run", "--every", "1", "--out", "rec")
    plain = reluctant(*given[:3], sick, "--heal", cwd=tmp_path)
    assert plain.out == "['--heal'] False\n"
    done = reluctant(*given, "--heal", sick, "--heal", cwd=tmp_path)
    assert (done.code, done.out) == (0, "['--heal'] True\n")
    assert "✔ kept  rescale" in done.err
    assert "Steps are counted from the last intervention" in done.err
    found = json.loads(reluctant("diagnose", "rec", "--format", "json", cwd=tmp_path).out)
    (did,) = found["interventions"]
    assert (did["remedy"], did["finding"], did["kept"]) == ("rescale", "dead-units", True)
    assert found["verdict"] != "error"
    assert found["loss"]["first"]["value"] > 1 > found["loss"]["last"]["value"]


# -- asking ------------------------------------------------------------------------------------


def asked(sick: Path, answer: str) -> tuple[str, str]:
    """What a person at a terminal sees, and what the script prints to a file."""
    command = f"{sys.executable} -m reluctant run --every 1 --heal=ask,rescale {sick}"
    shell = ("/bin/sh", "-c", f"{command} < /dev/null > out")
    with terminal(*shell, cwd=sick.parent, height=80) as at:
        at.until("[y/N]")
        at.press(f"{answer}\n")
        assert at.left() == 0
    return at.text(), (sick.parent / "out").read_text()


@pytest.mark.parametrize(
    ("answer", "words", "learns"), [("y", "kept", "True"), ("n", "You declined.", "False")]
)
def test_a_person_decides(sick: Path, answer: str, words: str, learns: str) -> None:
    seen, out = asked(sick, answer)
    assert seen.count("Apply rescale? (dead-units: 32, predicted 0) [y/N]") == 1
    assert "dead-units, layer 2, 32 units" in seen
    assert words in seen
    assert out == f"[] {learns}\n"


def test_without_a_terminal_nothing_is_applied(sick: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reluctant", "run", "--every", "1", "--heal=ask", str(sick)],
        cwd=tmp_path, capture_output=True, text=True, check=False, start_new_session=True,
        stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[] False\n")
    assert done.stderr.count("There is no terminal to ask at, so nothing is treated.") == 1
    assert "There was no terminal to ask at." in done.stderr
    assert "✔" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "yes"), [("y\n", True), (" Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_answers(
    answer: str, yes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    finding = Finding(
        "dead-units", Severity.ERROR, "2", Units((0, 1), 4, 2), 0, Cause("born-dead", "So born.")
    )
    proposal = Proposal("revive", finding, "dead-units", 2.0, 0.0)
    monkeypatch.setattr(consent, "TERMINAL", str(tmp_path / "tty"))
    asking = Asking()
    for _ in range(2):
        with pytest.raises(Refused):
            asking(proposal)
    assert capsys.readouterr().err.count("no terminal") == 1
    (tmp_path / "tty").write_text(answer)
    assert asking(proposal) is yes
    out, err = capsys.readouterr()
    assert out == ""
    assert "dead-units, layer 2, 2 units: So born.\n" in err
    assert err.endswith("Apply revive? (dead-units: 2, predicted 0) [y/N] ")
