"""A real terminal, of a size of one's choice, and the screen that a person sees on it."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyte

# Nobody waits so long unless something is broken.
PATIENCE = 120.0


class Terminal:
    """A program at a terminal, which is its own session's."""

    def __init__(self, pid: int, end: int, width: int, height: int) -> None:
        self.pid = pid
        self._end = end
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.code: int | None = None

    def resize(self, width: int, height: int) -> None:
        """As when a person pulls at the window."""
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self._screen.resize(height, width)

    def settings(self) -> list[Any]:
        """Whether it echoes, waits for whole lines, and so on."""
        return termios.tcgetattr(self._end)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def text(self) -> str:
        """What is to be seen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def until(self, seen: str | Callable[[str], bool]) -> str:
        """Wait until these words are seen, or so much is true of all that is."""
        there = (lambda text: seen in text) if isinstance(seen, str) else seen
        for _ in self._reading():
            if there(self.text()):
                return self.text()
        raise AssertionError(f"{seen} was never seen in:\n{self.text()}")

    def left(self) -> int:
        """Wait until the program ends, and give its exit code."""
        for _ in self._reading():
            pass
        end = time.monotonic() + PATIENCE
        while self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise AssertionError(f"it closed its terminal and went on, after:\n{self.text()}")
            time.sleep(0.005)
        return self.code

    def _reading(self) -> Iterator[None]:
        """All that comes, piece by piece, until the program ends."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            yield
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    more = os.read(self._end, 1 << 16)
                except OSError:
                    return
                if not more:
                    return
                self.raw += more
                self._stream.feed(more)
        raise AssertionError(f"nothing came any more after:\n{self.text()}")


@contextmanager
def terminal(
    *command: object, cwd: Path, width: int = 100, height: int = 40, **environment: str
) -> Iterator[Terminal]:
    """The command, at a terminal of its own; whatever is left of it in the end is killed."""
    told = {**os.environ, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", **environment}
    # Whoever imports readline gives its children the size of its own terminal, which comes first.
    for its_own in ("COLUMNS", "LINES"):
        told.pop(its_own, None)
    sized = struct.pack("HHHH", height, width, 0, 0)
    pid, end = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, sized)
        os.chdir(cwd)
        os.execvpe(str(command[0]), [str(at) for at in command], told)
    at = Terminal(pid, end, width, height)
    try:
        yield at
    finally:
        if at.code is None:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.close(end)


def live(*arguments: object) -> tuple[object, ...]:
    return (sys.executable, "-m", "reluctant", "live", *arguments)
