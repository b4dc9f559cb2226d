"""Trainings on a Ray cluster: each goes where there is room, and what came of it goes back.

Ray gets one job at a time, as any worker does, and knows nothing of the search. The script must be
on each machine of the cluster, under the same name; records stay on the machine that made them,
unless the search's folder is one that all of them share.
"""

import logging
import os
import platform
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from threading import Event
from typing import Any

from reluctant.errors import ClusterNotUsable, WrongArgument
from reluctant.search.job import Job, Lost, Result
from reluctant.search.training import STOPPED, Training
from reluctant.trials.processes import GRACE, PAUSE

# Seconds until a machine that does not answer is not there.
KNOCKS = 10.0


@dataclass(frozen=True)
class Cluster:
    """One that has been reached; each training takes a processor of it, and so many GPUs."""

    ray: Any
    gpus: float

    @property
    def room(self) -> int:
        """How many trainings it has room for at a time."""
        has = self.ray.cluster_resources()
        by_gpus = has.get("GPU", 0.0) / self.gpus if self.gpus else inf
        return max(1, int(min(has.get("CPU", 1.0), by_gpus)))

    def __call__(self, training: Training, job: Job, folder: Path, stop: Event) -> Result:
        """Run a job somewhere.

        Raises:
            Lost: the process, or the machine, that ran it is gone.
        """
        # Whether a job is run again is the ledger's to say, and not Ray's.
        task = self.ray.remote(_train).options(num_cpus=1, num_gpus=self.gpus, max_retries=0)
        running = task.remote(training, training.plan.digest, job, folder, Path.cwd())
        while not self.ray.wait([running], timeout=PAUSE)[0]:
            if stop.is_set():
                self.ray.cancel(running)
                self.ray.wait([running], timeout=GRACE)
                return Result(None, STOPPED)
        errors = self.ray.exceptions
        try:
            result: Result = self.ray.get(running)
        except errors.OutOfMemoryError:
            return Result(None, "It ran out of memory.")
        except errors.RayTaskError as error:
            # A traceback from over there, such as of a module that is not installed.
            return Result(None, f"It could not be run ({str(error).strip().splitlines()[-1]}).")
        except errors.RayError as error:
            raise Lost(str(error)) from error
        return result


def _train(training: Training, digest: str | None, job: Job, folder: Path, where: Path) -> Result:
    """What a machine of the cluster does."""
    try:
        os.chdir(where)
    except OSError as error:
        return Result(None, f"There is no folder {where} on {platform.node()} ({error.strerror}).")
    if training.plan.digest != digest:
        script = training.plan.script
        return Result(None, f"{script} is not on {platform.node()}, or is another there.")
    return training(job, folder, Event())


@contextmanager
def reached(address: str | None, gpus: float | None = None) -> Iterator[Cluster]:
    """The cluster at an address as Ray reads it.

    Args:
        address: None for the one that Ray finds by itself, or else one of this machine alone.
        gpus: for each training, parts of one allowed; None for one where the cluster has any.

    Raises:
        WrongArgument: Ray is not installed.
        ClusterNotUsable: the cluster cannot be reached.
    """
    # A cluster that we start tells its makers nothing, unless one wants it to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise WrongArgument(
            "Ray is not installed.", "Install it with `pip install 'reluctant[ray]'`."
        ) from None
    try:
        _knock(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # a hint about GPUs, to us
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterNotUsable.at(address, str(error).strip().partition("\n")[0]) from None
    try:
        if gpus is None:
            # Ray hides the GPUs from whoever asks for none.
            gpus = float("GPU" in ray.cluster_resources())
        yield Cluster(ray, gpus)
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """See whether anyone is there: Ray itself waits for minutes, with warnings.

    Raises:
        OSError: nobody is.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), KNOCKS).close()
