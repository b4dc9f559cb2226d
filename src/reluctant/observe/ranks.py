"""Training in several processes: which of them this is, their common folder and their schedule.

Nothing here talks to another process but by files in the run's folder. Imports no torch.
"""

import mmap
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from struct import pack_into, unpack_from
from typing import Any

from reluctant.observe.schedule import APART_STEPS, GRACE_SECONDS, Schedule

# A process that makes the common folder has done so long before.
_WAIT_SECONDS = 5.0

# What says to the processes of a launch where their folder is; of no use once all have begun.
_POINTER = ".reluctant-launch"
_POINTER_SECONDS = 86_400.0

# How many steps the leader's announcements are kept: ranks that train together are at most one
# step apart.
_KEPT = 64


def rank() -> int:
    """Which process of a run this is, as `torchrun` numbers them; 0 if it is the only one."""
    return _environment("RANK", _of_group("get_rank", 0))


def size() -> int:
    """How many processes the run has."""
    return _environment("WORLD_SIZE", _of_group("get_world_size", 1))


def first_here() -> bool:
    """Whether this is the first process on its machine."""
    return _environment("LOCAL_RANK", rank()) == 0


def machine() -> int:
    """A number for this machine among those of the run; 0 for the first."""
    return _environment("GROUP_RANK", rank() - _environment("LOCAL_RANK", rank()))


def restarts() -> int:
    """How often the launcher has started all processes again."""
    return _environment("TORCHELASTIC_RESTART_COUNT", 0)


def _environment(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default


def _of_group(question: str, default: int) -> int:
    """What the processes' group says, if they have formed one: not all launchers tell them."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return default
    return int(getattr(distributed, question)())


def _launch() -> str:
    """What the processes of a launch have in common, and none of another at the same time."""
    # Where nobody told them of their rank, the first has started the others.
    told = "RANK" in os.environ or not hasattr(os, "getpgrp")
    return f"{os.getppid() if told else os.getpgrp()}-{os.environ.get('MASTER_PORT', '')}"


def together(home: Path, make: Callable[[], Path]) -> Path:
    """The folder that this process and the others of its launch record into.

    The first of them that comes makes it, and leaves its path in `home` for the others, who know
    one another by their parent process and their meeting point.

    Raises:
        OSError: `home` cannot be made or written.
        Exception: what `make` raises, in each process.
    """
    home.mkdir(parents=True, exist_ok=True)
    launch = f"{_launch()}-{restarts()}"
    for turn in count():
        pointer = home / f"{_POINTER}-{launch}-{turn}"
        try:
            made = _point(pointer, make)
        except FileExistsError:
            path = _read(pointer)
            if not path:
                continue  # whoever began it died
            made = Path(path)
        if _claim(made):
            return made
    raise AssertionError("unreachable")


def _point(pointer: Path, make: Callable[[], Path]) -> Path:
    """Make the folder and leave its path, if nobody else has begun to."""
    with pointer.open("xb") as file:
        try:
            made = make()
            file.write(os.fsencode(made))
            file.flush()
        except BaseException:
            pointer.unlink(missing_ok=True)
            raise
    with suppress(OSError):
        for old in pointer.parent.glob(f"{_POINTER}-*"):
            if old.stat().st_mtime < time.time() - _POINTER_SECONDS:
                old.unlink()
    return made


def _read(pointer: Path) -> str:
    """The path that another process leaves there; empty if none is left for long."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            path = pointer.read_bytes()
        except FileNotFoundError:
            break  # it could make none
        if path:
            return os.fsdecode(path)
        time.sleep(0.01)
    return ""


def _claim(folder: Path) -> bool:
    """Whether this process's place in the record is still free; an earlier launch may have it."""
    try:
        (folder / f".rank-{rank()}").touch(exist_ok=False)
    except OSError:
        return False
    return True


class Announced(Schedule):
    """A schedule that all processes of one machine keep alike, so that none waits for another.

    The first process decides two steps ahead and writes the step's number where the others see
    it. None of them can be further on by then: each step's gradients are the mean over all.
    """

    def __init__(
        self,
        path: Path,
        leads: bool,
        budget: float,
        every: int | None,
        grace: float = GRACE_SECONDS,
        apart: int = APART_STEPS,
    ) -> None:
        super().__init__(budget, every, grace, apart)
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
        if self.every is not None:
            return super().due(step, elapsed)
        if self._leads and super().due(step + 1, elapsed):
            pack_into("<q", self._board, 8 * ((step + 1) % _KEPT), step + 1)
        # Nobody could announce the first two.
        (announced,) = unpack_from("<q", self._board, 8 * (step % _KEPT))
        return step < 2 or bool(announced == step)

    def sleep(self, step: int, elapsed: float, plain: float) -> int:
        """One step where they are announced: the board is looked at after each."""
        return 1 if self.every is None else super().sleep(step, elapsed, plain)
