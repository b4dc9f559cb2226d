"""One training of an unmodified script, in a process of its own, as an ordinary record.

The number is the smoothed training loss; whoever reads another puts another `read` here.
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Any

from reluctant.activations import FAMILIES
from reluctant.errors import ReluctantError, WrongArgument
from reluctant.record.reader import load
from reluctant.record.run import Run
from reluctant.search.job import Entry, Evaluate, Job, Result
from reluctant.search.ledger import Ledger
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import said
from reluctant.trials.runner import BUDGET

METRIC = "training loss"

# Seconds that a run is given to end when it is told to.
GRACE = 5.0
_TAIL = 12

# Where no limit is given, a run may take so many times as long as the script as it stands, and so
# many seconds at least.
TIMES, LEAST = 10, 60.0

# What a searched function stands in for, where it is met: the families of the catalogue that are
# made to be everywhere between layers. Gates and outputs are left alone.
_REPLACED = ("rectifiers", "exponential", "gated")


def plan(
    script: str,
    arguments: tuple[str, ...],
    module: bool,
    seed_argument: str | None,
    replaced: tuple[str, ...],
    limit: float | None,
) -> dict[str, Any]:
    """What a ledger is told, so that any worker runs the same script in the same way."""
    told = locals()
    return {"schema": 1, **told, "digest": _digest(script)}


def evaluator(ledger: Ledger) -> Evaluate:
    """What runs the jobs of a ledger, on this machine.

    Raises:
        WrongArgument: the script here is another than the one that is searched for.
    """
    planned = ledger.plan or {}
    if planned["digest"] != _digest(planned["script"]):
        raise WrongArgument(
            f"{planned['script']} is not here, or is another than the search is for.",
            "Start the worker where the same script is under the same name.",
        )

    def evaluate(job: Job, folder: Path, stop: Event) -> Result:
        whole = [at.result.seconds for at in _baselines(ledger)]
        usual = max(LEAST, TIMES * max(whole)) if whole else None
        training = Training(
            planned["script"],
            tuple(planned["arguments"]),
            planned["module"],
            planned["seed_argument"],
            replaced(ledger),
            planned["limit"] or usual,
        )
        return training(job, folder, stop)

    return evaluate


def replaced(ledger: Ledger) -> tuple[str, ...]:
    """The functions in whose place others are put: those asked for, or those that were met."""
    asked = (ledger.plan or {})["replaced"]
    met = [name for at in _baselines(ledger) for name in at.result.facts["functions"]]  # type: ignore[attr-defined]
    return tuple(asked or dict.fromkeys(met))


def _baselines(ledger: Ledger) -> list[Entry]:
    return [at for at in ledger.entries() if at.job.stage == "baseline" and at.state == "done"]


def _digest(script: str) -> str | None:
    with suppress(OSError):
        return hashlib.sha256(Path(script).read_bytes()).hexdigest()
    return None


@dataclass(frozen=True)
class Training:
    """How the script is run.

    `replaced` are the functions that others are put in the place of. `limit` is how many seconds
    a run may take; None for as long as it likes.
    """

    script: str
    arguments: tuple[str, ...] = ()
    module: bool = False
    seed_argument: str | None = None
    replaced: tuple[str, ...] = ()
    limit: float | None = None
    read: Callable[[Outcome], float | None] = lambda outcome: outcome.loss

    def command(self, job: Job, folder: Path) -> list[str]:
        """The command line of a job."""
        run = [sys.executable, "-m", "reluctant", "run", "--quiet", "--out", str(folder)]
        run += ["--parent", str(folder.parent), "--budget", str(BUDGET)]
        if job.function is not None:
            for name in self.replaced:
                run += ["--swap", f"{name}={job.function}"]
        own: list[str] = []
        if self.seed_argument is None:
            run += ["--seed", str(job.seed)]
        else:
            own = shlex.split(self.seed_argument.replace("{}", str(job.seed)))
        return [*run, *["-m"] * self.module, self.script, *self.arguments, *own]

    def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
        """Run it, and read what it came to."""
        began = perf_counter()
        code = self._run(job, folder, stop)
        seconds = perf_counter() - began
        why = self._failure(code, folder)
        if why is not None:
            return Result(None, why, seconds, {} if job.function else {"said": tail(folder)})
        try:
            run = load(folder)
            value = self.read(Outcome.of("", job.seed, folder))
        except ReluctantError as error:
            return Result(None, str(error), seconds)
        if run.info.failure is not None:
            return Result(None, f"It was not observed: {run.info.failure}", seconds)
        if value is None:
            return Result(None, f"It showed no {METRIC}.", seconds)
        if not isfinite(value):
            return Result(None, f"Its {METRIC} was not finite at the end.", seconds)
        facts = _facts(run) if job.function is None else {}
        return Result(value, None, seconds, facts)

    def _run(self, job: Job, folder: Path, stop: Event) -> int | None:
        """The exit code; None if the run was ended because it took too long or all is to stop."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with said(folder).open("wb") as output:
            process = subprocess.Popen(
                self.command(job, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all that it starts ends with it
            )
        deadline = None if self.limit is None else perf_counter() + self.limit
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(0.1)
                if stop.is_set() or (deadline is not None and perf_counter() > deadline):
                    return None
        finally:
            if process.poll() is None:
                _end(process)

    def _failure(self, code: int | None, folder: Path) -> str | None:
        if code == 0:
            return None
        if code is None:
            return f"It was ended after {self.limit:g} s." if self.limit else "It was ended."
        if code == -signal.SIGKILL:
            return "It was killed, as the system does when memory runs out."
        if code < 0:
            return f"It ended by signal {-code}."
        lines = said(folder).read_text("utf-8", errors="replace").strip().splitlines()
        last = next((at.strip() for at in reversed(lines) if at.strip()), "it said nothing")
        return f"It failed with exit code {code}: {last[:300]}"


def tail(folder: Path) -> str:
    """The last lines that a run said."""
    with suppress(OSError):
        lines = said(folder).read_text("utf-8", errors="replace").rstrip().splitlines()
        return "\n".join(lines[-_TAIL:])
    return ""


def _facts(run: Run) -> dict[str, list[str]]:
    """The functions that a run met, and which of them are to be replaced if none is named."""
    usual = {of.name for family in _REPLACED for of in FAMILIES[family]}
    met = sorted({run.functions[at.function].name for at in run.sites} - {"identity"})
    return {"met": met, "functions": [name for name in met if name in usual]}


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
