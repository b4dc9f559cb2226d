"""Commands that end by themselves, too late, or because all is to end."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from reluctant.trials import processes
from reluctant.trials.processes import Processes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_command_says_and_how_it_ends(tmp_path: Path) -> None:
    ending = Processes().run(python("print('so'); raise SystemExit(3)"), tmp_path / "said.txt", 60)
    assert ending is not None
    assert (ending.code, ending.late) == (3, False)
    assert (tmp_path / "said.txt").read_text() == "so\n"


@pytest.mark.parametrize(
    ("first", "ended"),
    [("", signal.SIGTERM), ("signal.signal(signal.SIGTERM, signal.SIG_IGN); ", signal.SIGKILL)],
)
def test_one_that_takes_too_long(
    first: str, ended: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.2)
    code = f"import signal, time; {first}print('ready', flush=True); time.sleep(600)"
    said = tmp_path / "said.txt"
    ending = Processes().run(python(code), said, 2)
    assert ending is not None
    assert said.read_text() == "ready\n"
    assert (ending.code, ending.late) == (-ended, True)


def test_once_all_is_over_nothing_runs_and_nothing_begins(tmp_path: Path) -> None:
    running = Processes()
    Timer(0.3, running.stop).start()
    assert running.run(python("import time; time.sleep(600)"), tmp_path / "one.txt") is None
    assert running.run(python("print('late')"), tmp_path / "other.txt") is None
    assert not (tmp_path / "other.txt").exists()


def test_what_runs_is_ended_where_an_exception_comes_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if not started:
                started.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Processes().run(python("import time; time.sleep(600)"), tmp_path / "said.txt")
    assert started[0].returncode == -signal.SIGTERM
