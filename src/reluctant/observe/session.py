"""One observed run, of a script from before it starts until after it ends, or of a loop.

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
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from reluctant import __version__
from reluctant.errors import FolderNotWritable, RecordNotWritten, ReluctantError
from reluctant.observe import guard, memory, ranks
from reluctant.observe.imports import after_import
from reluctant.observe.schedule import Schedule
from reluctant.record import folder, logged, schema
from reluctant.record.info import RunInfo

if TYPE_CHECKING:
    from reluctant.observe.beginnings import Beginnings
    from reluctant.observe.observer import Observer
    from reluctant.observe.scope import Scope
    from reluctant.record.observation import Observation

# Whoever is to act on what is seen wants to see it soon.
GRACE_ATTENDED, APART_ATTENDED = 2.0, 16


class Session:
    """Records one run.

    Args:
        script: what runs, as it was named.
        arguments: its command-line arguments.
        module: whether it is run as a module.
        out: the run's folder; None for a new one under `.reluctant/runs`.
        seed: seeds `random` now, and numpy and torch as soon as the script imports them.
        budget: share of the wall time that observation may take.
        every: observe every so many steps, whatever it costs.
        swaps: functions to put in others' place, as `relu=leaky_relu:0.1`.
        init: the scheme by which weights are set before models train; None to leave them.
        sites: where they are put, as `features.3:relu`; none for wherever they stand.
        activations: whether to look at activations, and not at parameters alone.
        scope: what is looked at; None for everything that trains.
        tell: called with each sample once it is written.
        until: end the script once so many steps are over.
        attend: called with the observer, and the run's folder, once it observes.
        parent: the folder of the trial that the run is a part of.

    `complaint` is a sentence if the record could not be put where it belongs, or not completed;
    `path` is where it is instead, or None if there is none. `refused` is whether a swap could not
    be made, and the script was ended where it imported torch.
    """

    def __init__(
        self,
        script: str,
        arguments: tuple[str, ...] = (),
        module: bool = False,
        *,
        out: Path | None = None,
        seed: int | None = None,
        budget: float = 0.01,
        every: int | None = None,
        swaps: tuple[str, ...] = (),
        init: str | None = None,
        sites: tuple[str, ...] = (),
        activations: bool = True,
        scope: "Scope | None" = None,
        tell: "Callable[[Observation], None] | None" = None,
        until: int | None = None,
        attend: "Callable[[Observer, Path], object] | None" = None,
        parent: str | None = None,
    ) -> None:
        self.complaint: FolderNotWritable | RecordNotWritten | None = None
        self.refused = False
        self._budget, self._every = budget, every
        self._activations = activations
        self._scope = scope
        self._tell = tell
        self._until = until
        self._attend = attend
        self._began = perf_counter()
        self._pid = os.getpid()
        self._observer: Observer | None = None
        self._failure: str | None = None
        self._swaps, self._sites = swaps, sites
        self._stand_ins: tuple[object, ...] = ()
        self._init = init
        self._beginnings: Beginnings | None = None
        self.rank = ranks.rank()
        self.info = RunInfo(
            script=script,
            arguments=arguments,
            module=module,
            started=datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            cwd=os.getcwd(),
            host=socket.gethostname(),
            python=platform.python_version(),
            reluctant=__version__,
            git_commit=_git_commit(),
            seed=seed,
            parent=parent,
            model=type(scope.model).__name__ if scope is not None else None,
        )
        self.path = self._place(out)
        if self.path is not None and self.rank == 0:
            logged.begin(self.path)
        if seed is not None:
            _seed(seed)
        if self.path is not None or swaps or init is not None:
            after_import("torch", self._observe)

    def _place(self, out: Path | None) -> Path | None:
        try:
            path = self._folder(out)
            self._describe(path)
        except (FolderNotWritable, OSError) as error:
            self.complaint = (
                error if isinstance(error, FolderNotWritable) else FolderNotWritable.at(out, error)
            )
        else:
            return path
        try:
            path = self._elsewhere()
            self._describe(path)
        except OSError:
            return None
        return path

    def _describe(self, path: Path) -> None:
        if self.rank == 0 or (ranks.first_here() and not folder.described(path)):
            folder.write_info(path, self.info)

    def _folder(self, out: Path | None) -> Path:
        """The run's folder, which its other processes record into too."""
        if ranks.size() == 1:
            return folder.create(self.info.script, out)
        if out is None:
            home = Path.cwd() / folder.HOME / "runs"
            return ranks.together(home, lambda: folder.create(self.info.script))
        out = folder.started_again(out, ranks.restarts())
        path = ranks.together(out, lambda: self._free(out))
        if not path.samefile(out):
            self.complaint = FolderNotWritable.taken(out)
        return path

    def _free(self, out: Path) -> Path:
        """This folder, or another if it holds a run: for the first process that asks."""
        try:
            # On another machine it may hold this very run.
            return folder.create(self.info.script, out, shared=ranks.machine() > 0)
        except FolderNotWritable:
            return _new_elsewhere()

    def _elsewhere(self) -> Path:
        if ranks.size() == 1:
            return _new_elsewhere()
        return ranks.together(Path(tempfile.gettempdir()), _new_elsewhere)

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
        if self._init is not None and self.here:
            self._begin(self._init)

    def _begin(self, scheme: str) -> None:
        from reluctant.observe.beginnings import Beginnings

        self._beginnings = Beginnings(scheme, self.info.seed or 0)

    def _swap(self) -> None:
        from reluctant.observe import stand_ins

        try:
            self._stand_ins = stand_ins.install(self._swaps, self._sites)
        except ReluctantError as error:
            # The script has hardly begun, and must not run as if nothing had been asked.
            print(f"reluctant: {error.sentence}\n           {error.way_out}", file=sys.stderr)
            self.refused = True
            raise SystemExit(2) from None

    def _start(self, path: Path) -> None:
        try:
            from reluctant.observe.observer import Observer

            self._observer = Observer(
                path,
                self._schedule(path),
                self.rank,
                self._began,
                activations=self._activations,
                scope=self._scope,
                tell=self._tell,
                until=self._until,
            )
            self._observer.start()
            if self._attend is not None:
                self._attend(self._observer, path)
        except Exception as error:
            self._failure = guard.sentence(error)

    def _schedule(self, path: Path) -> Schedule:
        close = (GRACE_ATTENDED, APART_ATTENDED) if self._attend is not None else ()
        if ranks.size() == 1:
            return Schedule(self._budget, self._every, *close)
        board = path / f".steps-{ranks.machine()}"
        return ranks.Announced(board, ranks.first_here(), self._budget, self._every, *close)

    @property
    def steps(self) -> int:
        """How many steps there have been so far."""
        return self._observer.clock.steps if self._observer is not None else 0

    def _told(self) -> list[str]:
        if self._init is None:
            return []
        told = Counter([] if self._beginnings is None else self._beginnings.told)
        if not told:
            return ["No weight was set: no model was met in a training pass."]
        return [at if times == 1 else f"{at} So {times:,} times." for at, times in told.items()]

    def flush(self) -> None:
        """Write what has been seen and waits to be written."""
        if self._observer is not None and self.here:
            with self._observer.guard:
                self._observer.asked = True
                try:
                    self._observer.flush()
                finally:
                    self._observer.asked = False

    def finish(self, exit_code: int) -> None:
        """The script has ended: complete the record, which in a fork is its parent's to do."""
        if not self.here:
            return
        if self.path is not None:
            logged.end(self.path)
        observer = self._observer
        if self._beginnings is not None:
            self._beginnings.stop()
        if observer is not None:
            observer.finish()
        self.info = replace(
            self.info,
            seconds=perf_counter() - self._began,
            exit_code=exit_code,
            swaps=tuple(map(str, self._stand_ins)),
            beginnings=tuple(self._told()),
            torch=_version("torch"),
            steps=observer.clock.steps if observer is not None else None,
            observed="all" if self._activations else "parameters",
            skipped=observer.clock.skipped if observer is not None else None,
            captured=observer.clock.captured if observer is not None else None,
            backwards=observer.clock.backwards if observer is not None else None,
            observing_seconds=observer.seconds if observer is not None else None,
            memory=memory.peak(),
            failure=self._failure or (observer.guard.failure if observer is not None else None),
        )
        if self.path is None:
            return
        if self.rank == 0:
            self._complete(self.path)
        elif self.info.failure is not None:
            with suppress(OSError):
                (self.path / schema.failure(self.rank)).write_text(self.info.failure, "utf-8")

    def _complete(self, path: Path) -> None:
        try:
            if folder.read_info(path).get("started") == self.info.started:
                folder.write_info(path, self.info)
                return
        except OSError as error:
            self.complaint = RecordNotWritten.at(path, error.strerror)
            return
        except ReluctantError:
            pass
        # Whatever is there now belongs to somebody else.
        self.complaint = RecordNotWritten.at(path, "it was deleted or replaced")
        self.path = None


def _new_elsewhere() -> Path:
    return Path(tempfile.mkdtemp(prefix="reluctant-"))


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
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() or None
