"""`torchrun`, started plainly, with us within, and by us."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from reluctant import diagnose, load
from reluctant.observe.launcher import Launched, launches
from reluctant.record import folder
from reluctant.record.run import Run
from tests.cli.test_same import check_bit_equal
from tests.commands import Done
from tests.matrix.zygote import Zygote
from tests.ranks.scripts import SCRIPTS
from tests.ranks.test_ranks import check_rows, check_sites
from tests.ranks.twin import Twin

RUN, LAUNCH = "torch.distributed.run", "torch.distributed.launch"
TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
TWO = ("--nproc-per-node", "2", "--redirects", "3", "--log-dir", "logs")
OURS = ("-m", "reluctant", "run", "--every", "1")
WAYS: dict[str, tuple[str, ...]] = {
    "plainly": (TORCHRUN, *TWO, "script.py"),
    "within": (TORCHRUN, *TWO, *OURS, "script.py"),
    "around": (*OURS, "--out", "run", "-m", RUN, *TWO, "script.py"),
}


class Ran:
    """A launch that has ended, and what its ranks printed."""

    def __init__(self, done: Done, path: Path) -> None:
        self.done, self.path = done, path

    def printed(self, stream: str) -> list[str]:
        return [at.read_text() for at in sorted(self.path.glob(f"logs/*/attempt_0/*/{stream}.log"))]

    @property
    def run(self) -> Run:
        (path,) = [*folder.runs(self.path / folder.HOME), *self.path.glob("run")]
        run = load(path)
        assert run.info.failure is None
        diagnose(run)
        return run


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Launches the script one way or another; each way once."""

    @cache
    def launch(way: str) -> Ran:
        path = tmp_path_factory.mktemp("launch")
        (path / "script.py").write_text(SCRIPTS["ddp"])
        done = subprocess.run(
            [sys.executable, *WAYS[way]],
            cwd=path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return Ran(Done(done.returncode, done.stdout, done.stderr), path)

    return launch


@pytest.mark.slow
@pytest.mark.parametrize("way", ["within", "around"])
def test_a_launch_is_the_same(ran: Callable[[str], Ran], way: str) -> None:
    plain, watched = ran("plainly"), ran(way)
    assert plain.done.code == 0, plain.done.err
    assert (watched.done.code, watched.done.out) == (plain.done.code, plain.done.out)
    assert len(plain.printed("stdout")) == 2
    assert watched.printed("stdout") == plain.printed("stdout")
    for rank in (0, 1):
        name = f"weights-{rank}.pt"
        check_bit_equal(plain.path / name, watched.path / name)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["within", "around"])
def test_a_launch_has_one_record(ran: Callable[[str], Ran], way: str) -> None:
    run, twin = ran(way).run, Twin(2)
    check_sites(run, twin)
    check_rows(run, twin)
    np.testing.assert_allclose(run.losses, twin.losses, rtol=1e-6)


@pytest.mark.slow
def test_one_verdict_is_given(ran: Callable[[str], Ran]) -> None:
    """By the first rank, among what else it prints; around them, by us when all have ended."""
    verdicts = [text.count("12 steps observed") for text in ran("within").printed("stderr")]
    assert verdicts == [1, 0]
    assert ran("around").printed("stderr") == ran("plainly").printed("stderr")
    assert ran("around").done.err.count("12 steps observed") == 1


# -- launches of other kinds: the scripts need no torch, and our own process has it already -----


@pytest.fixture
def started(zygote: Zygote, tmp_path: Path) -> Callable[..., Done]:
    """Starts a launcher on a script, plainly or by `reluctant run`."""

    def start(source: str, *command: str, watched: bool = True) -> Done:
        (tmp_path / "script.py").write_text(source)
        if watched:
            return zygote.run("reluctant", "run", "--out", "run", *command, cwd=tmp_path)
        (tmp_path / "start.py").write_text(
            "import runpy, sys\nname = sys.argv.pop(1)\nrunpy.run_module(name, alter_sys=True,"
            " run_name='__main__')\n"
        )
        return zygote.run("python", "start.py", *command[1:], cwd=tmp_path)

    return start


PRINTS = """
import os, sys
with open(f"said-{os.environ['RANK']}", "a") as file:
    print(sys.argv, __name__, file=file)
"""


def said(path: Path) -> list[str]:
    return [at.read_text() for at in sorted(path.glob("said-*"))]


Started = Callable[..., Done]


@pytest.mark.parametrize(
    ("launcher", "options", "arguments"),
    [
        (RUN, ("--nproc-per-node=2", "--"), ("a", "--out", "mine", "--", "-m")),
        (LAUNCH, ("--nproc-per-node=2",), ("a", "-b")),
    ],
)
def test_a_script_gets_its_arguments(
    started: Started, tmp_path: Path, launcher: str, options: tuple[str, ...], arguments: tuple[str]
) -> None:
    rest = (*options, "script.py", *arguments)
    assert started(PRINTS, "-m", launcher, *rest).code == 0
    watched = said(tmp_path)
    for path in tmp_path.glob("said-*"):
        path.unlink()
    assert started(PRINTS, "-m", launcher, *rest, watched=False).code == 0
    assert watched == said(tmp_path)
    assert len(watched) == 2
    assert load(tmp_path / "run").info.exit_code == 0


def test_a_module_is_launched(started: Started, tmp_path: Path) -> None:
    done = started(PRINTS, "-m", RUN, "--nproc-per-node=2", "-m", "script", "a")
    assert done.code == 0, done.err
    assert [text.split()[1:] for text in said(tmp_path)] == [["'a']", "__main__"]] * 2
    assert load(tmp_path / "run").info.module


@pytest.mark.parametrize("rest", [("--nonsense",), ("--nproc-per-node", "2"), ("--help",)])
def test_what_a_launcher_cannot_make_sense_of(
    started: Started, tmp_path: Path, rest: tuple[str, ...]
) -> None:
    plain, watched = (started(PRINTS, "-m", RUN, *rest, watched=at) for at in (False, True))
    assert (watched.code, watched.out, watched.err) == (plain.code, plain.out, plain.err)
    assert plain.code == (0 if rest == ("--help",) else 2)
    assert not (tmp_path / "run").exists()


def test_a_program_that_is_not_python_runs_all_the_same(started: Started, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho $RANK $1 > said-$RANK\nexit 0\n")
    program.chmod(0o755)
    done = started("", "-m", RUN, "--nproc-per-node=2", "--no-python", str(program), "x")
    assert done.code == 0, done.err
    assert said(tmp_path) == ["0 x\n", "1 x\n"]
    assert done.err.count("so nothing is observed") == 1
    assert not (tmp_path / "run").exists()


# The others wait to be told to end: one that failed first might end the one that writes run.json
# before it has begun.
FAILS_ONCE = """
import os, sys, time
print("start", os.environ["TORCHELASTIC_RESTART_COUNT"], flush=True)
if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    if os.environ["RANK"] == "0":
        sys.exit(7)
    time.sleep(300)
"""


def test_each_start_has_its_record(started: Started, tmp_path: Path) -> None:
    rest = ("--nproc-per-node=2", "--max-restarts=1", "script.py")
    done = started(FAILS_ONCE, "-m", RUN, *rest)
    assert done.code == 0, done.err
    again = tmp_path / "run-restart-1"
    assert load(again).info.exit_code == 0
    assert load(tmp_path / "run").info.exit_code == 7
    assert str(again.name) in done.err


def test_what_launches() -> None:
    assert launches("/usr/bin/torchrun", False)
    assert launches(RUN, True)
    assert launches(LAUNCH, True)
    assert not launches("train.py", False)
    assert not launches("torchrun", True)


def test_what_is_read_off_a_launcher() -> None:
    script = Launched.of(RUN, ("--nnodes", "2", "-m", "pkg.train", "-m", "x"))
    assert script == Launched(("--nnodes", "2"), True, "pkg.train", ("-m", "x"), True)
    assert script.observed(("-q",))[2:] == tuple("-m reluctant run -q -m pkg.train -m x".split())
    old = Launched.of(LAUNCH, ("--use-env", "train.py"))
    assert old == Launched(("--use-env",), False, "train.py", (), True)
    function = Launched.of(RUN, ("--run-path", "train.py"))
    assert function is not None
    assert not function.python
    assert Launched.of(RUN, ("--no-such-option", "train.py")) is None
