"""Runs the experiments, seed by seed, and keeps what they came to."""

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from reluctant import __version__
from reluctant.errors import FolderNotWritable, WorkerLost
from reluctant.lecture import data, networks
from reluctant.lecture.claim import Claim, Numbers, Samples
from reluctant.lecture.claims import claim


@dataclass(frozen=True)
class Task:
    """One claim's experiment with one seed."""

    name: str
    seed: int
    quick: bool

    def run(self) -> dict[str, float]:
        """On one thread, as all others."""
        torch.set_num_threads(1)
        of = claim(self.name)
        return dict(of.experiment(self.seed, **of.size(self.quick)))


@dataclass(frozen=True)
class Kept:
    """A folder of numbers; what was made by another experiment is none of them."""

    folder: Path

    def read(self, task: Task) -> Numbers | None:
        """What the task came to, if it was run."""
        try:
            kept = json.loads(self._path(task).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("made_by") != made_by(task):
            return None
        numbers: dict[str, float] = kept["numbers"]
        return numbers

    def write(self, task: Task, numbers: Numbers) -> None:
        """All of it, or nothing."""
        path = self._path(task)
        content = {"made_by": made_by(task), "numbers": dict(numbers)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(content, indent=1, allow_nan=False), "utf-8")
            scratch.replace(path)
        except OSError as error:
            raise FolderNotWritable.at(path.parent, error) from None

    def _path(self, task: Task) -> Path:
        return self.folder / "kept" / task.name / f"{task.seed}.json"


def made_by(task: Task) -> str:
    """Tells one experiment from another: its size, what it is written in, and torch's version."""
    of = claim(task.name)
    texts = [of.experiment.__code__.co_filename, data.__file__, networks.__file__]
    known = (sorted(of.size(task.quick).items()), __version__, torch.__version__)
    digest = hashlib.sha256(repr(known).encode())
    for path in texts:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def run(
    claims: Sequence[Claim],
    seeds: int,
    *,
    quick: bool,
    jobs: int,
    kept: Kept,
    told: Callable[[str], object] = lambda name: None,
) -> dict[str, Samples]:
    """The samples of each claim by its name.

    Args:
        claims: which.
        seeds: how many, from 0 on.
        quick: by the small size.
        jobs: how many experiments at a time, each on one thread.
        kept: where what was run already is, and what is run now goes.
        told: called with a claim's name each time one of its seeds is there.

    Raises:
        NoData: the images are not installed.
        FolderNotWritable: numbers cannot be kept there.
        WorkerLost: a process was ended from outside.
    """
    numbers: dict[tuple[str, int], Numbers] = {}
    waiting: list[Task] = []
    for of in claims:
        for seed in range(seeds):
            task = Task(of.name, seed, quick)
            found = kept.read(task)
            if found is None:
                waiting.append(task)
            else:
                numbers[of.name, seed] = found
                told(of.name)
    for name in {claim(task.name).size(task.quick)["data"] for task in waiting}:
        data.images(name, 1, 0)  # whether they are there is found out now, and not in a worker
    # What measures time goes first and has the machine to itself.
    waiting.sort(key=lambda task: not claim(task.name).alone)
    for task, found in _done(waiting, jobs):
        kept.write(task, found)
        numbers[task.name, task.seed] = found
        told(task.name)
    return {
        of.name: Samples(tuple(numbers[of.name, seed] for seed in range(seeds))) for of in claims
    }


def _done(waiting: Sequence[Task], jobs: int) -> Iterator[tuple[Task, dict[str, float]]]:
    """Each task with what it came to, as they end."""
    if jobs == 1:
        yield from ((task, task.run()) for task in waiting)
        return
    left = list(waiting)
    running: dict[Future[dict[str, float]], Task] = {}
    # A fork of a process that has torch's threads can hang.
    with _told_if_lost(), ProcessPoolExecutor(jobs, get_context("spawn"), _hear) as pool:
        try:
            while left or running:
                while left and len(running) < jobs and not _one_at_a_time(left[0], running):
                    task = left.pop(0)
                    with _deaf():
                        running[pool.submit(task.run)] = task
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _one_at_a_time(task: Task, running: dict[Any, Task]) -> bool:
    alone = any(claim(at.name).alone for at in (task, *running.values()))
    return alone and bool(running)


@contextmanager
def _told_if_lost() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise WorkerLost(
            "A process with an experiment was ended from outside, or ran out of memory.",
            "What has ended is kept, and the same command goes on from there; --jobs 1 needs the "
            "least memory.",
        ) from None


@contextmanager
def _deaf() -> Iterator[None]:
    """A worker that is begun here hears of Ctrl-C once it is there, and not while it imports."""
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _hear() -> None:
    """A worker that is interrupted ends at once; its parent is too, and says so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
