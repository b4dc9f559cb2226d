"""The unit of work: the script once, with one function and one seed, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Literal, Protocol

# The script as it stands; to look for functions; to give the few best their own learning rates,
# and to judge them, on fresh seeds.
Stage = Literal["baseline", "search", "tune", "confirm"]
State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Job:
    """The script with `function` in its rectifiers' place; none is the script as it stands.

    `factor` is what its learning rates are multiplied by.
    """

    stage: Stage
    function: str | None
    seed: int
    factor: float = 1.0


@dataclass(frozen=True)
class Result:
    """What a job came to: a number, or why there is none; `facts` are for who plans the next."""

    value: float | None
    why: str | None = None
    seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A job as the ledger has it; `again` is the number of the one that it stands in for."""

    number: int
    job: Job
    state: State
    result: Result
    again: int | None = None


class Lost(Exception):
    """Whoever ran a job is gone, and nobody knows what it would have come to."""


class Evaluate(Protocol):
    """Runs the script as a job says."""

    def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
        """What came of it; `folder` is for its record, and `stop` is set to have it end now.

        Whatever goes wrong in the script is a result too, and no exception.

        Raises:
            Lost: it has to be run again.
        """
