"""Runs of a script in processes of their own, each with a record, and beside it what it said."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Lock

from reluctant.errors import ReluctantError
from reluctant.record import folder
from reluctant.record.progress import Progress
from reluctant.trials.plan import said
from reluctant.trials.processes import Processes


@dataclass
class Jobs:
    """So many runs at a time; `tell` is given a sentence at the end of each.

    `show` is given how far all is when one begins or ends; `expected` are to be run at most.
    """

    most: int
    tell: Callable[[str], None]
    show: Callable[[Progress], None] = lambda at: None
    expected: int = 0
    _processes: Processes = field(default_factory=Processes)
    _running: list[str] = field(default_factory=list)
    _took: list[float] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def each(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Do them all; on Ctrl-C, end what runs."""
        with ThreadPoolExecutor(self.most) as pool:
            try:
                for future in as_completed([pool.submit(task) for task in tasks]):
                    future.result()
            except BaseException:
                self._processes.stop()
                raise

    def run(self, path: Path, command: list[str], name: str) -> int | None:
        """The exit code of a new run, recorded at `path`; None if it was not let run to its end."""
        shutil.rmtree(path, ignore_errors=True)
        with self._lock:
            self._running.append(name)
            self._show()
        ending = self._processes.run(command, said(path))
        if ending is None:
            # It would pass for a whole one.
            shutil.rmtree(path, ignore_errors=True)
            said(path).unlink(missing_ok=True)
            return None
        ended = f"{ending.seconds:.1f} s" + (f", exit code {ending.code}" if ending.code else "")
        self.tell(f"{name}: {ended}")
        with self._lock:
            self._running.remove(name)
            self._took.append(ending.seconds)
            self._show()
        return ending.code

    def skip(self, count: int = 1) -> None:
        """So many of those that were expected need not be run."""
        with self._lock:
            self.expected -= count
            self._show()

    def _show(self) -> None:
        ended = len(self._took)
        left = median(self._took) * (self.expected - ended) / self.most if ended else None
        self.show(Progress(tuple(self._running), ended, self.expected, left))


def is_over(path: Path) -> bool:
    """Whether the run that is recorded there has ended well."""
    try:
        return folder.read_info(path).get("exit_code") == 0
    except ReluctantError:
        return False


def kept(home: Path) -> int:
    """How many runs of a trial's folder have ended well."""
    return sum(is_over(path) for path in home.iterdir() if path.is_dir())
