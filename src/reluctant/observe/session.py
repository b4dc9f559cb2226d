"""One observed run of a script, from before it starts until after it ends.

Imports neither torch nor numpy: the script does, and observation begins when it has.
"""

import os
import platform
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from reluctant import __version__
from reluctant.errors import FolderNotWritable, ReluctantError
from reluctant.observe.imports import after_import
from reluctant.observe.launch import Program
from reluctant.record import folder
from reluctant.record.info import RunInfo

if TYPE_CHECKING:
    from reluctant.observe.observer import Observer


class Session:
    """Records one run.

    Args:
        program: what is going to run.
        out: the run's folder; None for a new one under `.reluctant/runs`.
        seed: seeds `random` now, and numpy and torch as soon as the script imports them.
        budget: share of the wall time that observation may take.
        every: observe every so many steps, whatever it costs.
        swaps: functions to put in others' place, as `relu=leaky_relu:0.1`.

    `complaint` is a sentence if the record could not be put where it belongs; `path` is where
    it is instead, or None if there is none. `refused` is whether a swap could not be made, and
    the script was ended where it imported torch.
    """

    def __init__(
        self,
        program: Program,
        out: Path | None = None,
        seed: int | None = None,
        budget: float = 0.01,
        every: int | None = None,
        swaps: tuple[str, ...] = (),
    ) -> None:
        self.complaint: FolderNotWritable | None = None
        self.refused = False
        self._budget, self._every = budget, every
        self._began = perf_counter()
        self._pid = os.getpid()
        self._observer: Observer | None = None
        self._failure: str | None = None
        self._swaps = swaps
        self._stand_ins: tuple[object, ...] = ()
        self.rank = int(os.environ.get("RANK", "0") or 0)
        self.info = RunInfo(
            script=program.name,
            arguments=program.argv[1:],
            module=program.is_module,
            started=datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            cwd=os.getcwd(),
            host=socket.gethostname(),
            python=platform.python_version(),
            reluctant=__version__,
            git_commit=_git_commit(),
            seed=seed,
        )
        self.path = self._place(out)
        if seed is not None:
            _seed(seed)
        if self.path is not None or swaps:
            after_import("torch", self._observe)

    def _place(self, out: Path | None) -> Path | None:
        try:
            path = folder.create(self.info.script, out, shared=self.rank > 0)
            if self.rank == 0:
                folder.write_info(path, self.info)
        except (FolderNotWritable, OSError) as error:
            self.complaint = (
                error if isinstance(error, FolderNotWritable) else FolderNotWritable.at(out, error)
            )
        else:
            return path
        try:
            path = Path(tempfile.mkdtemp(prefix="reluctant-"))
            folder.write_info(path, self.info)
        except OSError:
            return None
        return path

    @property
    def here(self) -> bool:
        """Whether this is the process that was started, and not a fork of it."""
        return os.getpid() == self._pid

    def _observe(self) -> None:
        """The script has just imported torch."""
        if self.here and self.path is not None:
            self._start(self.path)
        if self._swaps:
            self._swap()

    def _swap(self) -> None:
        from reluctant.observe import stand_ins

        try:
            self._stand_ins = stand_ins.install(self._swaps)
        except ReluctantError as error:
            # The script has hardly begun, and must not run as if nothing had been asked.
            print(f"reluctant: {error.sentence}\n           {error.way_out}", file=sys.stderr)
            self.refused = True
            raise SystemExit(2) from None

    def _start(self, path: Path) -> None:
        try:
            from reluctant.observe.observer import Observer
            from reluctant.observe.schedule import Schedule

            self._observer = Observer(
                path, Schedule(self._budget, self._every), self.rank, self._began
            )
            self._observer.start()
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"

    def finish(self, exit_code: int) -> None:
        """The script has ended: complete the record."""
        observer = self._observer
        if observer is not None:
            observer.finish()
        self.info = replace(
            self.info,
            seconds=perf_counter() - self._began,
            exit_code=exit_code,
            swaps=tuple(map(str, self._stand_ins)),
            torch=_version("torch"),
            steps=observer.steps if observer is not None else None,
            backwards=observer.backwards if observer is not None else None,
            observing_seconds=observer.seconds if observer is not None else None,
            failure=self._failure or (observer.guard.failure if observer is not None else None),
        )
        if self.path is not None and self.rank == 0:
            try:
                folder.write_info(self.path, self.info)
            except OSError as error:
                self.complaint = FolderNotWritable.at(self.path, error)
                self.path = None


def _version(module: str) -> str | None:
    version = getattr(sys.modules.get(module), "__version__", None)
    return None if version is None else str(version)


def _seed(seed: int) -> None:
    random.seed(seed)
    seeds: dict[str, Callable[[], None]] = {
        "numpy": lambda: sys.modules["numpy"].random.seed(seed % 2**32),
        "torch": lambda: sys.modules["torch"].manual_seed(seed),
    }
    for module, callback in seeds.items():
        after_import(module, callback)


def _git_commit() -> str | None:
    """The commit of the current directory's repository, if git and one are there."""
    if shutil.which("git") is None:
        return None
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
