"""One run of a script as a trial asks for it: what is on disk of it, or else a new process."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock

from reluctant.errors import ReluctantError
from reluctant.trials import events
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import Plan, place, said
from reluctant.trials.processes import Ending, Processes

_TAIL = 12

# Where nobody says how long a run may take: so many seconds at least.
LEAST = 60.0

# One at a time: what a diagnosis does to warnings is for all threads.
_reading = Lock()

# What torch, CUDA and python say where memory is short.
_NO_MEMORY = ("out of memory", "MemoryError", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Attempt:
    """A run that has ended, however; its record is in `path`.

    `scalars` are the last values of what it wrote to TensorBoard, by tag.
    """

    arm: str
    seed: int
    path: Path
    ending: Ending
    scalars: Mapping[str, float] = field(default_factory=dict)

    @property
    def failure(self) -> str | None:
        """What went wrong, a phrase; None if it came to its end."""
        if self.ending.late:
            return f"was ended after {self.ending.seconds:.0f} s, which is too long"
        if self.ending.code == 0:
            if self.outcome is None:
                return "left a record that cannot be read"
            return None if self.outcome.swapped else "met no place where it could stand in"
        if any(words in self.said for words in _NO_MEMORY):
            return "ran out of memory"
        if self.ending.code == -9:
            return "was killed, probably for want of memory"
        if self.ending.code < 0:
            return f"was ended by signal {-self.ending.code}"
        return f"ended with exit code {self.ending.code}"

    @cached_property
    def outcome(self) -> Outcome | None:
        """What its record tells; None if that cannot be read."""
        with suppress(ReluctantError), _reading:
            return Outcome.of(self.arm, self.seed, self.path)
        return None

    @cached_property
    def said(self) -> str:
        """What it printed."""
        with suppress(OSError):
            return said(self.path).read_text("utf-8", errors="replace")
        return ""

    @property
    def last_line(self) -> str:
        """The last line of that with anything in it."""
        lines = (at.strip() for at in reversed(self.said.splitlines()))
        return next((at for at in lines if at), "")

    @property
    def tail(self) -> str:
        """The last lines of that; from its traceback on, if there is one."""
        text = self.said.rstrip()
        traceback = text.rfind("Traceback (most recent call last)")
        return text[traceback:] if traceback >= 0 else "\n".join(text.splitlines()[-_TAIL:])


@dataclass(frozen=True)
class Attempts:
    """Runs of one plan in one folder, where each is kept however it ended."""

    plan: Plan
    home: Path
    processes: Processes

    def make(
        self, arm: str, seed: int, options: Sequence[str] = (), limit: float | None = None
    ) -> Attempt | None:
        """The run of this arm with this seed, of now or of before; None if all was stopped.

        Args:
            arm: a name for the options.
            seed: the script's.
            options: of `reluctant run`.
            limit: seconds after which it is ended.
        """
        known = self.known(arm, seed)
        if known is not None:
            return known
        path = place(self.home, arm, seed)
        shutil.rmtree(path, ignore_errors=True)
        command = self.plan.command(path, seed, options)
        ending = self.processes.run(command, said(path), limit)
        if ending is None:
            shutil.rmtree(path, ignore_errors=True)
            said(path).unlink(missing_ok=True)
            return None
        attempt = Attempt(arm, seed, path, ending, _scalars(ending))
        scratch = _note(path).with_suffix(".part")
        content = {**asdict(ending), "scalars": dict(attempt.scalars)}
        scratch.write_text(json.dumps(content), "utf-8")
        scratch.replace(_note(path))
        return attempt

    def known(self, arm: str, seed: int) -> Attempt | None:
        """The run if it has ended before, however."""
        path = place(self.home, arm, seed)
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(_note(path).read_text("utf-8"))
            scalars = content.pop("scalars")
            return Attempt(arm, seed, path, Ending(**content), scalars)
        return None

    def forget(self, attempt: Attempt) -> None:
        """Have it made anew when it is asked for again."""
        _note(attempt.path).unlink(missing_ok=True)


def patience(took: Sequence[float], times: float) -> float | None:
    """How many seconds a run may take: so many times the longest of those that ended well."""
    return max(LEAST, times * max(took)) if took else None


def _note(path: Path) -> Path:
    """Where it is kept how a run ended: what has no such note has not."""
    return path.with_name(f"{path.name}.json")


def _scalars(ending: Ending) -> dict[str, float]:
    """The last value of each tag in the event files that a run left in the current directory."""
    found: dict[str, tuple[int, float]] = {}
    # File systems keep time less finely than we do.
    for file in events.files(Path.cwd(), ending.began - 2, ending.process):
        with suppress(OSError):
            for at in events.scalars(file):
                if at.step >= found.get(at.tag, (at.step, 0.0))[0]:
                    found[at.tag] = (at.step, at.value)
    return {tag: value for tag, (_, value) in found.items()}
