"""Runs commands, each with what it says in a file, and ends them when they are to end."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import perf_counter, time

# Seconds that a process is given to end when it is told to, and between two looks whether it is.
GRACE, PAUSE = 5.0, 0.1


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
    """Those that run now, by whatever threads they were started, until all is `over`."""

    over: Event = field(default_factory=Event)

    def run(
        self, command: Sequence[str], output: Path, limit: float | None = None
    ) -> Ending | None:
        """Run one to its end, or for so many seconds at most; None if all was over before."""
        began, since = time(), perf_counter()
        if self.over.is_set():
            return None
        with output.open("wb") as said:
            # In a session of its own, which a Ctrl-C at the terminal does not reach: what it ends
            # would pass for a run that failed.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        late = False
        try:
            while not (late or self.over.is_set()):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PAUSE)
                    break
                late = limit is not None and perf_counter() - since > limit
        finally:
            # Also where an exception comes in between, as on Ctrl-C.
            _end(process)
        if self.over.is_set():
            return None
        return Ending(process.returncode, perf_counter() - since, process.pid, began, late)

    def stop(self) -> None:
        """End all that run, and run none any more."""
        self.over.set()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it, and what it has started, unless it has ended."""
    if process.poll() is not None:
        return
    _tell(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        _tell(process, signal.SIGKILL)
        process.wait()


def _tell(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(OSError):
        os.killpg(process.pid, number)
