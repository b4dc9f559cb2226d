"""Runs of a script in processes of their own, each with a record, and beside it what it said."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import perf_counter

from reluctant.errors import ReluctantError
from reluctant.record import folder
from reluctant.trials.plan import said

# Seconds that a run is given to end when it is told to.
GRACE = 5.0


@dataclass
class Processes:
    """Several runs at a time. `tell` is given a sentence at the end of each."""

    jobs: int
    tell: Callable[[str], None]
    _running: "dict[Path, subprocess.Popen[bytes]]" = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _over: bool = False

    def each(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Do them all; on Ctrl-C, end what runs."""
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                for future in as_completed([pool.submit(task) for task in tasks]):
                    future.result()
            except BaseException:
                self._stop()
                raise

    def run(self, path: Path, command: list[str], name: str) -> int | None:
        """The exit code of a new run, recorded at `path`; None if it was not let run to its end."""
        began = perf_counter()
        with self._lock:
            if self._over:
                return None
            shutil.rmtree(path, ignore_errors=True)
            with said(path).open("wb") as output:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
                )
            self._running[path] = process
        code = process.wait()
        with self._lock:
            if self._over:
                return None
            del self._running[path]
        ended = f"{perf_counter() - began:.1f} s" + (f", exit code {code}" if code else "")
        self.tell(f"{name}: {ended}")
        return code

    def _stop(self) -> None:
        """End what runs, and remove its records: they would pass for whole ones."""
        with self._lock:
            self._over = True
        for process in self._running.values():
            process.terminate()
        for path, process in self._running.items():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(path, ignore_errors=True)
            said(path).unlink(missing_ok=True)


def is_over(path: Path) -> bool:
    """Whether the run that is recorded there has ended well."""
    try:
        return folder.read_info(path).get("exit_code") == 0
    except ReluctantError:
        return False


def kept(home: Path) -> int:
    """How many runs of a trial's folder have ended well."""
    return sum(is_over(path) for path in home.iterdir() if path.is_dir())
