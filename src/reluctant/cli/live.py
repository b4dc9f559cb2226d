"""`reluctant live`: a run as it goes on, on the terminal, while another process writes it."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

import click

from reluctant.errors import ReluctantError, RunNotFound
from reluctant.record import folder

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reluctant.record.finding import Diagnosis
    from reluctant.record.run import Run

# The picture is drawn anew so often, and the record read; it is diagnosed as often, too, but not
# before so many times as long has gone by as that took.
DRAW_SECONDS = 0.5
READ_SECONDS = 1.0
PAUSE = 9

# At the end whoever reads may finish, but nobody is kept from leaving for longer.
LINGER_SECONDS = 2.0

# A record that cannot be read may just be begun: what is wrong so often one after another, is.
PATIENCE = 3

# Ctrl-C and Ctrl-Z are keys like others to a terminal that is told so.
_LEAVE, _PAUSE = "qQ\x03", "\x1a"


@click.command()
@click.argument("run", required=False)
def live(run: str | None) -> None:
    """Show how RUN goes on: a folder, a run's name or its beginning; by default the newest.

    The view waits for a run that has not begun and, where none is named, goes over to a newer
    one once there is one. It is left with q or Ctrl-C. Where there is no terminal to draw on, it is
    printed once.
    """
    if not sys.stdout.isatty():
        _print_once(run, "This is no terminal")
    elif os.environ.get("TERM") == "dumb" or not sys.stdout.encoding.lower().startswith("utf"):
        _print_once(run, "This terminal cannot draw it")
    else:
        _show(_Follower(run))


def _print_once(name: str | None, why: str) -> None:
    from reluctant.report import terminal

    follower = _Follower(name)
    folder.find(name)
    follower.look()
    terminal.show(follower.view(""))
    click.echo(f"reluctant: {why}, so it is shown as it stands now, and once.", err=True)


# -- what there is to see -----------------------------------------------------------------------


class _Follower:
    """Reads a run again and again, and diagnoses it, beside the one who draws.

    Args:
        name: which run; None for the newest, whichever that is at the time.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._seen: tuple[Run, Diagnosis | None] | None = None
        self._diagnosed: tuple[object, ...] = ()
        self._rested = 0.0
        self._failures = 0
        self.failure: Exception | None = None
        self._over = Event()
        self._thread = Thread(target=self._follow, daemon=True)
        if name is not None:
            folder.find(name)

    def start(self) -> None:
        """Go on reading in a thread of its own, so that keys are heard meanwhile."""
        self._thread.start()

    def stop(self) -> None:
        """Read no further, and let go of the record, which may take a moment."""
        self._over.set()
        # Whoever is cut off in reading leaves SQLite's log beside the record.
        self._thread.join(LINGER_SECONDS)

    def _follow(self) -> None:
        while not self._over.is_set() and self.failure is None:
            try:
                self.look()
                self._failures = 0
            except Exception as error:
                self._failures += 1
                if self._failures >= PATIENCE or not isinstance(error, ReluctantError):
                    self.failure = error
            self._over.wait(READ_SECONDS)

    def look(self) -> None:
        """Read the record as it is now, and diagnose it if it is time.

        Raises:
            RunNotFound, RecordDamaged, RecordTooNew: as their names say.
        """
        from reluctant.diagnosis import diagnose
        from reluctant.diagnosis.limits import NOT_ENDED
        from reluctant.record.reader import NOTHING, load

        try:
            path = folder.find(self._name)
        except RunNotFound:
            if self._name is None:
                self._seen = None  # none has begun yet
                return
            raise
        run = load(path)
        # Only what is read now is kept: whoever keeps a record open keeps its log from being cut.
        shown = replace(run, series=NOTHING)
        known = self._seen[1] if self._seen is not None and self._seen[0].path == path else None
        self._seen = (shown, known)
        state = (path, len(run.samples), run.info, run.interventions)
        if state != self._diagnosed and (known is None or monotonic() >= self._rested):
            began = monotonic()
            found = diagnose(run)
            self._rested = monotonic() + PAUSE * (monotonic() - began)
            limits = tuple(at for at in found.limits if at != NOT_ENDED)
            self._seen = (shown, replace(found, limits=limits))
            self._diagnosed = state

    def view(self, foot: str) -> "RenderableType":
        """What has been read, with `foot` below it."""
        from reluctant.report.live import View, waiting

        if self._seen is None:
            return waiting(str(Path.cwd() / folder.HOME), foot)
        return View(*self._seen, datetime.now(timezone.utc), foot)


# -- the terminal -------------------------------------------------------------------------------


def _show(follower: _Follower) -> None:
    """Draw until the person leaves."""
    # Whatever else ends the view is to put the terminal in order as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    follower.start()
    try:
        while _until_pressed(follower) == _PAUSE:
            os.kill(os.getpid(), signal.SIGTSTP)
    finally:
        follower.stop()
    if follower.failure is not None:
        raise follower.failure


def _until_pressed(follower: _Follower) -> str:
    """Draw until a key is pressed that ends it, and give that key."""
    from reluctant.report.live import screen

    with (
        _keyboard() as keys,
        screen() as draw,
        suppress(KeyboardInterrupt),
    ):
        foot = "Ctrl-C leaves" if keys is None else "q leaves"
        while follower.failure is None:
            draw(follower.view(foot))
            pressed = _pressed(keys, DRAW_SECONDS)
            if _PAUSE in pressed:
                return _PAUSE
            if set(_LEAVE) & set(pressed):
                break
    return _LEAVE


@contextmanager
def _keyboard() -> Iterator[int | None]:
    """Where keys can be read as they are pressed; None where there is no keyboard."""
    keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    if keys is None:
        yield None
        return
    import termios

    before = termios.tcgetattr(keys)
    ours = termios.tcgetattr(keys)
    ours[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(keys, termios.TCSADRAIN, ours)
    try:
        yield keys
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _pressed(keys: int | None, seconds: float) -> str:
    """What is pressed within so many seconds; a terminal that is gone wants no more."""
    if keys is None:
        sleep(seconds)
        return ""
    ready, _, _ = select.select([keys], [], [], seconds)
    return (os.read(keys, 1024).decode(errors="replace") or _LEAVE) if ready else ""
