"""`reluctant live`, at a real terminal, while another process writes the record."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_bad_input import TRAINS
from tests.commands import python, reluctant
from tests.record.observations import observation, writing, written
from tests.terminal import Terminal, live, terminal

from reluctant.record import folder
from reluctant.record.info import RunInfo
from reluctant.record.run import Intervention
from reluctant.record.writer import Writer

SHOWS, HIDES = b"\x1b[?25h", b"\x1b[?25l"
TAKES, GIVES_BACK = b"\x1b[?1049h", b"\x1b[?1049l"


def now() -> str:
    return datetime.now(timezone.utc).isoformat()


def run_folder(home: Path, name: str) -> Path:
    return home / ".reluctant" / "runs" / f"2026-01-31T12-00-0{name}"


def sample(index: int, loss: float) -> Any:
    return observation(index, loss, rows=2)


def check_left_as_it_was(at: Terminal, before: list[Any]) -> None:
    """The cursor, what the screen held, and how keys are read."""
    assert at.raw.count(TAKES) == at.raw.count(GIVES_BACK) > 0
    assert at.raw.rfind(GIVES_BACK) > at.raw.rfind(TAKES)
    assert at.raw.rfind(SHOWS) > at.raw.rfind(HIDES) > 0
    assert b"Traceback" not in at.raw
    # While the program is gone the terminal stays, and is asked for what it was set to.
    assert at.settings() == before


@contextmanager
def viewing(home: Path, *arguments: object, **more: Any) -> Iterator[Terminal]:
    with terminal(*live(*arguments), cwd=home, **more) as at:
        yield at


# -- what is seen -------------------------------------------------------------------------------


def test_a_run_is_followed_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    facts = {"started": now(), "arguments": ("--lr", "[red]0.1")}
    with writing(path, **facts) as writer, viewing(tmp_path, "rec") as at:
        text = at.until("No step was seen yet.")
        assert "reluctant  waiting  train.py --lr '[red]0.1'" in text
        writer.write(sample(0, 8.0))
        writer.write(sample(1, 4.0))
        text = at.until("loss  4 at step 10, 8 at first")
        assert "running" in text
        assert "2 steps observed" in text
        assert at.until("hidden  relu(0.25)")
        writer.write(sample(2, 2.0))
        whole = ("plateau", "flat-loss", None, None)
        writer.intervened(Intervention(0, 20, "slow-down", *whole, "plateau", 1, 0))
        at.until("loss  2 at step 20, 8 at first")
        at.until("• begun  slow-down  step 20, for plateau (flat-loss), the whole run")
        folder.write_info(path, RunInfo("train.py", exit_code=3, seconds=75.0, steps=1234))
        at.until("ended with exit code 3, 1,234 steps, 1 min 15 s, 3 steps observed")
        at.press("q")
        assert at.left() == 0


def test_it_waits_for_the_first_run_and_goes_over_to_the_newest(tmp_path: Path) -> None:
    with viewing(tmp_path) as at:
        at.until(lambda text: f"waiting  for a run in {tmp_path}" in " ".join(text.split("\n")))
        with writing(run_folder(tmp_path, "1"), started=now()) as writer:
            writer.write(sample(0, 8.0))
            at.until("loss  8 at step 0")
        with writing(run_folder(tmp_path, "2"), started=now()) as writer:
            writer.write(sample(0, 9.0))
            at.until("loss  9 at step 0")
        at.press("q")
        assert at.left() == 0


def test_a_run_of_several_processes_is_shown_as_one(tmp_path: Path) -> None:
    path = written(tmp_path / "rec", 2, started=now())
    part = Writer(path, rank=1)
    for index in range(2):
        part.write(sample(index, 3.0))
    with viewing(tmp_path, "rec") as at:
        assert "2 steps observed" in at.until("loss  2 at step 10")
        at.press("q")
        assert at.left() == 0
    part.close()


def test_it_follows_the_size_of_the_terminal(tmp_path: Path) -> None:
    written(tmp_path / "rec", 9, started=now())
    with viewing(tmp_path, "rec", width=100, height=40) as at:
        at.until("update")
        for width, height in ((40, 14), (20, 5), (120, 50)):
            at.resize(width, height)
            whole = re.compile(rf"reluctant .*(\n.*){{{height - 1}}}(?<=  q leaves)")
            at.until(lambda text, whole=whole: whole.fullmatch(text) is not None)
        at.press("q")
        assert at.left() == 0


@pytest.mark.slow
def test_a_script_that_trains_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINS)
    alone = reluctant("run", "--quiet", "--out", "alone", "train.py", "400", cwd=tmp_path)
    with viewing(tmp_path) as at:
        at.until("waiting")
        seen = reluctant("run", "--quiet", "train.py", "400", cwd=tmp_path)
        at.until("ended with exit code 0, 400 steps")
        at.press("q")
        assert at.left() == 0
    assert (seen.code, seen.err) == (0, "")
    assert seen.out == alone.out
    (path,) = folder.runs(tmp_path / ".reluctant")
    assert sorted(at.name for at in path.iterdir()) == ["rank-0.sqlite", "run.json"]


# -- how it is left -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["q", "Q", "\x03", "xq", "\x1b[Aq"], ids=repr)
def test_a_key_leaves(tmp_path: Path, key: str) -> None:
    written(tmp_path / "rec", started=now())
    with viewing(tmp_path, "rec") as at:
        before = at.settings()
        at.until("q leaves")
        assert at.settings() != before
        at.press(key)
        assert at.left() == 0
        check_left_as_it_was(at, before)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_signal_leaves(tmp_path: Path, number: int, code: int) -> None:
    written(tmp_path / "rec", started=now())
    with viewing(tmp_path, "rec") as at:
        before = at.settings()
        at.until("q leaves")
        os.kill(at.pid, number)
        assert at.left() == code
        check_left_as_it_was(at, before)


def test_other_keys_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    with writing(path, started=now()) as writer, viewing(tmp_path, "rec") as at:
        at.until("q leaves")
        at.press("x\x1b[B \n")
        writer.write(sample(0, 8.0))
        text = at.until("loss  8")
        assert "x" not in text.replace("exit", "")[-20:]
        at.press("q")
        assert at.left() == 0


def test_without_a_keyboard_ctrl_c_leaves(tmp_path: Path) -> None:
    written(tmp_path / "rec", started=now())
    command = " ".join(map(str, live("rec"))) + " < /dev/null"
    with terminal("/bin/sh", "-c", command, cwd=tmp_path) as at:
        before = at.settings()
        at.until("Ctrl-C leaves")
        at.press("\x03")
        at.left()
        check_left_as_it_was(at, before)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no shell to go back to")
def test_ctrl_z_goes_back_to_the_shell_and_fg_to_the_view(tmp_path: Path) -> None:
    written(tmp_path / "rec", started=now())
    with terminal("bash", "--norc", "-i", cwd=tmp_path, PS1="ready> ") as at:
        at.until("ready>")
        at.press(" ".join(map(str, live("rec"))) + "\n")
        at.until("q leaves")
        at.press("\x1a")
        at.until("Stopped")
        assert at.raw.count(TAKES) == at.raw.count(GIVES_BACK) == 1
        at.press("echo still $((6 * 7))\n")
        at.until("still 42")
        at.press("fg\n")
        at.until(lambda _: at.raw.count(TAKES) == 2)
        at.press("q")
        at.until(lambda _: at.raw.count(GIVES_BACK) == 2)
        at.press("echo left with $?\n")
        at.until("left with 0")


# -- what is wrong ------------------------------------------------------------------------------


def test_no_such_run_is_said_before_the_screen_is_taken(tmp_path: Path) -> None:
    with viewing(tmp_path, "nothing") as at:
        assert at.left() == 2
        assert TAKES not in at.raw
        assert "There is no run at nothing." in at.text()


def test_a_record_that_is_deleted_is_said_once_the_screen_is_given_back(tmp_path: Path) -> None:
    path = written(tmp_path / "rec", started=now())
    with viewing(tmp_path, "rec") as at:
        before = at.settings()
        at.until("q leaves")
        shutil.rmtree(path)
        assert at.left() == 2
        check_left_as_it_was(at, before)
        # It may begin in the midst of a line, and go on in the next.
        assert "There is no run at" in " ".join(at.text().split())


def test_a_record_that_is_damaged_is_said_too(tmp_path: Path) -> None:
    path = written(tmp_path / "rec", started=now())
    (path / "rank-0.sqlite").write_bytes(b"x" * 5000)
    with viewing(tmp_path, "rec") as at:
        assert at.left() == 2
        assert "is not a database" in at.text()


def test_a_terminal_that_cannot_draw_gets_it_once(tmp_path: Path) -> None:
    written(tmp_path / "rec", started=now())
    for told in ({"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}):
        with viewing(tmp_path, "rec", **told) as at:
            assert at.left() == 0
            assert TAKES not in at.raw
            assert "loss  1" in at.text()
            assert "This terminal cannot draw it, so it is shown as it stands now" in at.text()


# -- where there is no terminal -----------------------------------------------------------------


def test_to_a_pipe_it_is_printed_once(tmp_path: Path) -> None:
    written(run_folder(tmp_path, "1"), started=now())
    done = reluctant("live", cwd=tmp_path)
    assert done.code == 0
    why = "This is no terminal, so it is shown as it stands now, and once."
    assert done.err == f"reluctant: {why}\n"
    assert "\x1b" not in done.out
    assert "q leaves" not in done.out
    for words in (
        "reluctant  error  train.py",
        "3 steps observed",
        "loss  1 at",
        "symmetric-units",
    ):
        assert words in done.out, done.out


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "No run is recorded under"), (("x",), "There is no run at x.")]
)
def test_to_a_pipe_there_is_no_waiting(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = reluctant("live", *arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


def test_it_imports_no_torch(tmp_path: Path) -> None:
    written(tmp_path / "rec", started=now())
    code = """
import sys
from reluctant.cli import commands
commands(["live", "rec"], standalone_mode=False)
assert not {"torch", "matplotlib"} & set(sys.modules)
"""
    done = python("-c", code, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "hidden" in done.out
