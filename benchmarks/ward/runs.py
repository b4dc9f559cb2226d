"""The runs of the ward, kept in a folder: each thing is done once, unless its script changed.

Of every case and seed: the plain run and that of the twin (truth.json, twin.json), the run under
`reluctant run` (record/, watched.json), and what `reluctant diagnose` says of it (diagnosis.json).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ward.case import Case
from benchmarks.ward.truth import ScriptFailed, Truth, measure, result_of

ROOT = Path(__file__).resolve().parents[2]
# Seconds; the scripts take a few.
LIMIT = 300.0


@dataclass(frozen=True)
class Found:
    """One finding of a diagnosis, as the JSON has it."""

    slug: str
    severity: str
    layer: str | None
    cause: str


@dataclass(frozen=True)
class Run:
    """A script run with a seed: what is true of it, and what was said of it, worst first."""

    case: Case
    seed: int
    truth: Truth
    twin: Truth | None
    watched: float
    verdict: str
    findings: tuple[Found, ...]

    def __str__(self) -> str:
        return f"{self.case.name} {self.seed}"

    @property
    def alarms(self) -> tuple[Found, ...]:
        """The findings above a note."""
        return tuple(found for found in self.findings if found.severity != "note")


@dataclass(frozen=True)
class Ward:
    """A folder of runs."""

    folder: Path

    def record(self, case: Case, seed: int) -> Path:
        """Where the record of a watched run is."""
        return self.place(case, seed) / "record"

    def examine(
        self, cases: Iterable[Case], seeds: Iterable[int], jobs: int, diagnose: bool, run: bool
    ) -> Iterator[Run | str]:
        """Every run of the cases, in order; a sentence in place of one that failed.

        `diagnose` asks for new diagnoses of what is kept; without `run`, what is not kept is left
        out.
        """
        pairs = [(case, seed) for case in cases for seed in seeds]

        def one(pair: tuple[Case, int]) -> Run | str:
            try:
                return self._examine(*pair, diagnose)
            except ScriptFailed as failed:
                return f"{pair[0].name} {pair[1]}: {failed}"

        kept = [pair for pair in pairs if run or self._is_kept(*pair)]
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, kept)

    def place(self, case: Case, seed: int) -> Path:
        return self.folder / case.name / str(seed)

    def truths(self, case: Case, seed: int) -> tuple[Truth, Truth | None]:
        """The plain run, and, of a sick case, that without the fault."""
        place = self.place(case, seed)
        place.mkdir(parents=True, exist_ok=True)
        args = ["--seed", str(seed)]

        def plain(name: str, args: list[str]) -> Truth:
            def do(path: Path) -> None:
                measure(case.script, case.forward, args, path, LIMIT)

            return Truth.read(once(place / f"{name}.json", case, do))

        truth = plain("truth", args)
        return truth, plain("twin", [*args, "--fixed"]) if case.sick else None

    def _is_kept(self, case: Case, seed: int) -> bool:
        names = ["truth", "watched", *(["twin"] if case.sick else [])]
        place = self.place(case, seed)
        return all((place / f"{name}.json").is_file() for name in names)

    def _examine(self, case: Case, seed: int, diagnose: bool) -> Run:
        truth, twin = self.truths(case, seed)
        place = self.place(case, seed)
        args = ["--seed", str(seed)]
        if diagnose:
            (place / "diagnosis.json").unlink(missing_ok=True)
        watched = once(place / "watched.json", case, lambda path: _watch(case, args, path))
        said = once(place / "diagnosis.json", case, lambda path: _diagnose(place / "record", path))
        found = tuple(
            Found(at["slug"], at["severity"], at["layer"], at["cause"]["slug"])
            for at in said["findings"]
        )
        return Run(case, seed, truth, twin, watched["result"], said["verdict"], found)


def once(path: Path, case: Case, do: Callable[[Path], None]) -> dict[str, Any]:
    """What `do` writes to a path; not done again while the script stays as it is."""
    key = hashlib.sha256(case.script.read_bytes() + case.forward.encode()).hexdigest()[:16]
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if kept["key"] == key:
            return kept
    fresh = path.with_suffix(".new")
    do(fresh)
    made: dict[str, Any] = {"key": key, **json.loads(fresh.read_text("utf-8"))}
    fresh.write_text(json.dumps(made), "utf-8")
    fresh.replace(path)
    return made


def _watch(case: Case, args: list[str], path: Path) -> None:
    record = path.parent / "record"
    shutil.rmtree(record, ignore_errors=True)
    (path.parent / "diagnosis.json").unlink(missing_ok=True)
    run = ["run", "--quiet", "--out", str(record), str(case.script), *args]
    _, result = result_of(reluctant(run, may_fail=False))
    path.write_text(json.dumps({"result": result}), "utf-8")


def _diagnose(record: Path, path: Path) -> None:
    # Its exit code says whether there is an error among the findings.
    said = reluctant(["diagnose", str(record), "--format", "json"], may_fail=True)
    path.write_text(said, "utf-8")


def reluctant(args: list[str], may_fail: bool) -> str:
    return python(["-m", "reluctant", *args], may_fail)


def python(args: list[str], may_fail: bool = False) -> str:
    """What a process of one thread prints; its exit code may be 1 if it `may_fail`.

    Raises:
        ScriptFailed: it went wrong, or took too long.
    """
    named = " ".join(args[:3])
    try:
        done = subprocess.run(
            [sys.executable, *args],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise ScriptFailed(f"{named} took longer than {LIMIT:.0f} s") from None
    if done.returncode > may_fail:
        raise ScriptFailed(f"{named}: {done.stderr[-2000:]}")
    return done.stdout
