"""Run folders: where they lie, how they are named, found and listed. Needs no numpy."""

import dataclasses
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from reluctant.errors import (
    FolderNotWritable,
    RecordDamaged,
    RecordTooNew,
    ReluctantError,
    RunNotFound,
)
from reluctant.record import schema
from reluctant.record.info import RunInfo

HOME = Path(".reluctant")
_TIME = "2026-01-31T12-00-00"


def create(script: str, out: Path | None = None, shared: bool = False) -> Path:
    """Make the folder of a new run and return its absolute path.

    Without `out` it is `.reluctant/runs/<time>-<name>` under the current directory. `shared`
    lets it be there already: another rank of the same run made it.

    Raises:
        FolderNotWritable: the folder cannot be made, or already holds a run.
    """
    home = Path.cwd() / HOME
    try:
        if out is None:
            target = _new(home / "runs", _name(script))
            _ignore(home)
        else:
            target = Path.cwd() / out
            target.mkdir(parents=True, exist_ok=True)
        # Found out now, and not when the first sample is written.
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise FolderNotWritable.at(Path.cwd() / (out or HOME), error) from error
    if not shared and (target / schema.INFO).exists():
        raise FolderNotWritable.taken(target)
    return target


def create_trial(script: str, out: Path | None = None, kind: str = "trials") -> Path:
    """Make the folder of a trial, which holds runs; an `out` that is there already is gone on with.

    Without `out` it is under `.reluctant`, in the folder for its `kind`.

    Raises:
        FolderNotWritable: the folder cannot be made.
    """
    home = Path.cwd() / HOME
    try:
        if out is None:
            target = _new(home / kind, _name(script))
            _ignore(home)
        else:
            target = Path.cwd() / out
            target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderNotWritable.at(Path.cwd() / (out or HOME), error) from error
    if (target / schema.INFO).exists():
        raise FolderNotWritable.taken(target)
    return target


def _ignore(home: Path) -> None:
    """Have git look past all that is ours."""
    if not (home / ".gitignore").exists():
        (home / ".gitignore").write_text("*\n")


def discard(folder: Path, rank: int = 0) -> None:
    """Remove a rank's part of a run, and the folder unless that holds anything else."""
    parts = [*folder.glob(f"rank-{rank}.*"), *folder.glob(f".rank-{rank}")]
    for path in parts + [folder / schema.INFO, folder / schema.LOGGED] * (rank == 0):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _new(parent: Path, name: str) -> Path:
    """A folder that was not there before, also when two runs start in the same second."""
    parent.mkdir(parents=True, exist_ok=True)
    for count in itertools.count(1):
        target = parent / (name if count == 1 else f"{name}-{count}")
        try:
            target.mkdir()
        except FileExistsError:
            continue
        return target
    raise AssertionError("unreachable")


def _name(script: str) -> str:
    stem = re.sub(r"[^\w.-]+", "-", Path(script).stem or "run")
    # File systems take 255 bytes, and a letter may need four.
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{stem[:50]}"


def started_again(folder: Path, times: int) -> Path:
    """Where a run is recorded whose launcher has started its processes so many times again."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}-restart-{times}") if times else folder


def last_start(folder: Path, since: str) -> Path:
    """The record of a run's last start, none that began before `since`; as `started_again`."""
    last = folder
    for times in itertools.count(1):
        again = started_again(folder, times)
        try:
            if str(read_info(again).get("started", "")) < since:
                break
        except ReluctantError:
            break
        last = again
    return last


def described(folder: Path) -> bool:
    """Whether the folder holds a run's `run.json` already."""
    return (folder / schema.INFO).is_file()


def write_info(folder: Path, info: RunInfo) -> None:
    """Write `run.json` in one move, so that a reader sees the old one or the new one."""
    content = {"schema": schema.VERSION, **dataclasses.asdict(info)}
    scratch = folder / f".{schema.INFO}.{os.getpid()}"
    try:
        scratch.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        scratch.replace(folder / schema.INFO)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def read_info(folder: Path) -> dict[str, Any]:
    """The content of a run's `run.json`, its schema checked.

    Raises:
        RunNotFound, RecordDamaged, RecordTooNew: as their names say.
    """
    path = folder / schema.INFO
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunNotFound.at(folder) from None
    except (OSError, ValueError) as error:
        raise RecordDamaged.at(folder, f"{schema.INFO} cannot be read ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("script"), str):
        raise RecordDamaged.at(folder, f"{schema.INFO} does not describe a run")
    for key in ("arguments", "swaps", "beginnings"):
        if not isinstance(content.setdefault(key, []), list):
            raise RecordDamaged.at(folder, f"{schema.INFO} does not describe a run")
        content[key] = tuple(map(str, content[key]))
    version = content.pop("schema", None)
    if not isinstance(version, int) or version > schema.VERSION:
        raise RecordTooNew.at(folder, version, schema.VERSION)
    return content


def runs(root: Path | None = None) -> Iterator[Path]:
    """The run folders under `root` (default: the current directory's), oldest first."""
    home = (root or Path.cwd() / HOME) / "runs"
    if home.is_dir():
        found = (path for path in home.iterdir() if (path / schema.INFO).is_file())
        yield from sorted(found, key=_age)


def _age(path: Path) -> tuple[str, str, int, str]:
    """By when the run started, which its name tells to the second and `run.json` beyond."""
    try:
        started = str(read_info(path).get("started", ""))
    except ReluctantError:
        started = ""
    return path.name[: len(_TIME)], started, len(path.name), path.name


def find(name: str | None) -> Path:
    """The folder meant by `name`: a path, a run's name or the start of one; None is the newest.

    Raises:
        RunNotFound: there is none, or the name fits several.
    """
    if name is None:
        newest = list(runs())[-1:]
        if not newest:
            raise RunNotFound(
                f"No run is recorded under {Path.cwd() / HOME}.",
                "`reluctant run SCRIPT` records one; a run elsewhere is named by its folder.",
            )
        return newest[0]
    if os.path.exists(name):
        return Path(name).resolve()
    exact = [run for run in runs() if run.name == name]
    if exact:
        return exact[0]
    fitting = [run for run in runs() if run.name.startswith(name)]
    if len(fitting) > 1:
        raise RunNotFound(
            f"{len(fitting)} runs begin with {name!r}.", "`reluctant runs` lists them; say more."
        )
    if not fitting:
        raise RunNotFound.at(Path(name))
    return fitting[0]
