"""`reluctant lecture` at a terminal, while its experiments run in processes of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.terminal import Terminal, terminal

SHOWS, HIDES = b"\x1b[?25h", b"\x1b[?25l"


def command(seeds: int) -> tuple[str, ...]:
    run = (sys.executable, "-m", "reluctant", "lecture", "derivative", "--quick", "--jobs", "2")
    return (*run, "--seeds", str(seeds), "--out", "kept")


def workers(pid: int) -> list[int]:
    """The processes that it has begun for experiments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            began = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in began:
            found.append(int(path.parent.name))
    return found


def some_are_there(at: Terminal) -> None:
    at.until(lambda text: re.search(r"^derivative ━.* [1-9]\d*/400 seeds", text, re.M) is not None)
    assert re.search(r"^all +━.*/400 seeds", at.text(), re.M)


def they_begin(at: Terminal) -> None:
    at.until(lambda text: bool(workers(at.pid)))


@pytest.mark.slow
@pytest.mark.parametrize("when", [some_are_there, they_begin])
def test_ctrl_c_keeps_what_has_ended(tmp_path: Path, when: Callable[[Terminal], None]) -> None:
    with terminal(*command(400), cwd=tmp_path, width=80) as at:
        when(at)
        at.press("\x03")
        assert at.left() == 130
        assert "reluctant: Interrupted. What has ended is kept in kept." in at.text()
        assert b"Traceback" not in at.raw
        assert at.raw.rfind(SHOWS) > at.raw.rfind(HIDES) >= 0
    kept = list((tmp_path / "kept").rglob("*.json"))
    assert bool(kept) == (when is some_are_there)


@pytest.mark.slow
def test_a_table_follows_the_bars(tmp_path: Path) -> None:
    with terminal(*command(2), cwd=tmp_path, width=80) as at:
        assert at.left() == 0
        assert re.search(r"^derivative ━+ +2/2 seeds", at.text(), re.M)
        assert "✔ holds  derivative" in at.text()
        assert "page     kept/lecture.md" in at.text()


@pytest.mark.slow
def test_a_process_that_is_killed_is_said(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(400), cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        end = time.monotonic() + 60
        while not (lost := workers(process.pid)):
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(lost[0], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "reluctant: A process with an experiment was ended from outside" in err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
