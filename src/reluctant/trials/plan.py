"""What is run, how it is told its seed, and where its record goes."""

import fcntl
import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from reluctant.errors import OtherTrial

_PLAN = "trial.json"

# Plans, held open and locked for as long as this process lives: two that run in one folder would
# each remove what the other has begun.
_held: list[IO[str]] = []


@dataclass(frozen=True)
class Plan:
    """What is run: a script or module, and how it is told its seed.

    `seed_argument` is an argument of the script's own, with `{}` in the seed's place; without it
    all generators are seeded before the script begins. `every` and `until` are as a session's.
    """

    script: str
    arguments: tuple[str, ...] = ()
    module: bool = False
    seed_argument: str | None = None
    every: int | None = None
    until: int | None = None

    def command(self, path: Path, seed: int, options: Sequence[str] = ()) -> list[str]:
        """The command line of a run that is recorded at `path`, a folder in the trial's."""
        run = [sys.executable, "-m", "reluctant", "run", "--quiet", "--parent", str(path.parent)]
        run += ["--out", str(path), *options]
        for option, value in (("--every", self.every), ("--until", self.until)):
            if value is not None:
                run += [option, str(value)]
        own: list[str] = []
        if self.seed_argument is None:
            run += ["--seed", str(seed)]
        else:
            own = shlex.split(self.seed_argument.replace("{}", str(seed)))
        return [*run, *["-m"] * self.module, self.script, *self.arguments, *own]

    def claim(self, home: Path, **more: object) -> None:
        """Write it down in the trial's folder, whose runs are all to be of one script.

        `more` is what else the runs that are there already must have been planned with.

        Raises:
            OtherTrial: those that are there are of another, or are being made.
        """
        content = {**self.content, **more}
        file = (home / _PLAN).open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OtherTrial.running(home) from None
        _held.append(file)
        file.seek(0)
        known = file.read()
        if not known:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            return
        with suppress(ValueError):
            if json.loads(known) == json.loads(json.dumps(content)):
                return
        raise OtherTrial.at(home)

    @property
    def content(self) -> dict[str, object]:
        """What is written down of it."""
        return {"schema": 1, **asdict(self), "digest": self.digest}

    @property
    def digest(self) -> str | None:
        """Of the script as it is here; None if it is not, or is a module."""
        with suppress(OSError):
            return hashlib.sha256(Path(self.script).read_bytes()).hexdigest()
        return None


def place(home: Path, arm: str, seed: int) -> Path:
    """Where a run is recorded."""
    return home / f"{arm}-{seed}"


def said(path: Path) -> Path:
    """Where what it said is kept."""
    return path.with_name(f"{path.name}.txt")
