"""Training in several processes: which of them this is, their common folder, and their launchers.

Nothing here talks to another process but by files in the run's folder. Imports no torch.
"""

import mmap
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from struct import pack_into, unpack_from
from typing import NamedTuple

from reluctant.observe.schedule import Schedule
from reluctant.record import schema

# A process that makes the common folder has done so long before.
_WAIT_SECONDS = 5.0

# How many steps the leader's announcements are kept: ranks that train together are at most one
# step apart.
_KEPT = 64


def rank() -> int:
    """Which process of a run this is, as `torchrun` numbers them; 0 if it is the only one."""
    return _environment("RANK", 0)


def size() -> int:
    """How many processes the run has."""
    return _environment("WORLD_SIZE", 1)


def first_here() -> bool:
    """Whether this is the first process on its machine."""
    return _environment("LOCAL_RANK", rank()) == 0


def restarts() -> int:
    """How often the launcher has started all processes again."""
    return _environment("TORCHELASTIC_RESTART_COUNT", 0)


def _environment(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default


def together(home: Path, make: Callable[[], Path]) -> Path:
    """The folder that this process and the others of its launch record into.

    The first of them that comes makes it, and leaves its name in `home` for the others, who know
    one another by their parent process and their meeting point.
    """
    home.mkdir(parents=True, exist_ok=True)
    launch = f"{os.getppid()}-{os.environ.get('MASTER_PORT', '')}-{restarts()}"
    for turn in count():
        pointer = home / f".launch-{launch}-{turn}"
        try:
            with pointer.open("x", encoding="utf-8") as file:
                made = make()
                file.write(made.name)
        except FileExistsError:
            name = _name_in(pointer)
            if not name:
                continue  # whoever began it died
            made = home / name
        if _claim(made):
            return made
    raise AssertionError("unreachable")


def _name_in(pointer: Path) -> str:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (name := pointer.read_text(encoding="utf-8")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return name


def _claim(folder: Path) -> bool:
    """Whether this process's part of the record is still free; an earlier launch may have it."""
    try:
        (folder / schema.part(rank())).touch(exist_ok=False)
    except OSError:
        return False
    return True


class Announced(Schedule):
    """A schedule that all processes of one machine keep alike, so that none waits for another.

    The first process decides two steps ahead and writes the step's number where the others see
    it. None of them can be further on by then: each step's gradients are the mean over all.
    """

    def __init__(self, path: Path, leads: bool, budget: float, every: int | None) -> None:
        super().__init__(budget, every)
        self._leads = leads
        size = 8 * _KEPT
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            # All come at once, and none may take away what another has written. On a full disk
            # this fails, where a write to memory without a block behind it would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            elif file.seek(0, os.SEEK_END) < size:
                file.truncate(size)
            self._board = mmap.mmap(file.fileno(), size)

    def due(self, step: int, elapsed: float) -> bool:
        """Whether `step` has been announced; the first process announces the one after it."""
        if self.every is not None or step < 2:
            return super().due(step, elapsed) if self.every is not None else True
        if self._leads and super().due(step + 1, elapsed):
            pack_into("<q", self._board, 8 * ((step + 1) % _KEPT), step + 1)
        (announced,) = unpack_from("<q", self._board, 8 * (step % _KEPT))
        return bool(announced == step)


_LAUNCHERS = ("torch.distributed.run", "torch.distributed.launch")


def launches(script: str, module: bool) -> bool:
    """Whether this program starts the processes of a run rather than being one."""
    return script in _LAUNCHERS if module else os.path.basename(script) == "torchrun"


class Launched(NamedTuple):
    """What a launcher starts: its options, then a script or module with its arguments."""

    options: tuple[str, ...]
    module: bool
    script: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "Launched | None":
        """Read off the launcher's arguments; None if what it starts is not python."""
        known = "torch.distributed.run" in sys.modules
        from torch.distributed.run import get_args_parser

        parsed = get_args_parser().parse_args(list(arguments))
        if not known:
            # It is about to be run as the main module, which warns if it was imported before.
            del sys.modules["torch.distributed.run"]
        if parsed.no_python:
            return None
        theirs = tuple(parsed.training_script_args)
        own = arguments[: len(arguments) - len(theirs) - 1]
        options = tuple(at for at in own if at not in ("-m", "--module"))
        return cls(options, bool(parsed.module), parsed.training_script, theirs)

    def observed(self, ours: Sequence[str]) -> tuple[str, ...]:
        """The launcher's arguments with `reluctant run`, and these options of it, in between."""
        what = ("-m", self.script) if self.module else (self.script,)
        return (*self.options, "-m", "reluctant", "run", *ours, *what, *self.arguments)
