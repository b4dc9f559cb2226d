"""Runs commands, each with what it says in a file, and ends them when they are to end."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import perf_counter, time

# Seconds that a process is given to end when it is told to.
GRACE = 5.0


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit code, or minus the signal that ended it.

    `began` is when, in seconds since 1970; `late` says that it was ended for taking too long.
    """

    code: int
    seconds: float
    process: int
    began: float
    late: bool = False


@dataclass
class Processes:
    """Those that run now, by whatever threads they were started."""

    _running: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _over: bool = False

    def run(
        self, command: Sequence[str], output: Path, limit: float | None = None
    ) -> Ending | None:
        """Run one to its end, or for so many seconds at most; None if it was stopped by `stop`."""
        began, since = time(), perf_counter()
        with self._lock:
            if self._over:
                return None
            with output.open("wb") as said:
                # In a session of its own, which a Ctrl-C at the terminal does not reach: what
                # it ends would pass for a run that failed.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._running.add(process)
        late = False
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            late = True
            _tell(process, signal.SIGTERM)
            code = _end(process)
        with self._lock:
            self._running.discard(process)
            if self._over:
                return None
        return Ending(code, perf_counter() - since, process.pid, began, late)

    def stop(self) -> None:
        """End all that run, and run none any more."""
        with self._lock:
            self._over = True
            running = list(self._running)
        for process in running:
            _tell(process, signal.SIGTERM)
        for process in running:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        _tell(process, signal.SIGKILL)
        return process.wait()


def _tell(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to it and what it has started."""
    with suppress(OSError):
        os.killpg(process.pid, number)
