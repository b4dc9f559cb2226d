"""Run folders: where they lie, how they are named, found and listed. Needs no numpy."""

import dataclasses
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reluctant.errors import FolderNotWritable, RecordDamaged, RecordTooNew, RunNotFound
from reluctant.record import schema
from reluctant.record.info import RunInfo

HOME = Path(".reluctant")


def create(script: str, out: Path | None = None, shared: bool = False) -> Path:
    """Make the folder of a new run and return its absolute path.

    Without `out` it is `.reluctant/runs/<time>-<name>` under the current directory. `shared`
    lets it be there already: another rank of the same run made it.

    Raises:
        FolderNotWritable: the folder cannot be made, or already holds a run.
    """
    home = Path.cwd() / HOME
    target = _unused(home / "runs" / _name(script)) if out is None else Path.cwd() / out
    if not shared and (target / schema.INFO).exists():
        raise FolderNotWritable(
            f"{target} already holds a run.", "Choose another folder with --out DIR."
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
        if out is None and not (home / ".gitignore").exists():
            (home / ".gitignore").write_text("*\n")
        # Found out now, and not when the first sample is written.
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise FolderNotWritable.at(target, error) from error
    return target


def _name(script: str) -> str:
    stem = re.sub(r"[^\w.-]+", "-", Path(script).stem or "run")
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{stem}"


def _unused(target: Path) -> Path:
    candidate, count = target, 1
    while candidate.exists():
        count += 1
        candidate = target.with_name(f"{target.name}-{count}")
    return candidate


def write_info(folder: Path, info: RunInfo) -> None:
    """Write `run.json` in one move, so that a reader sees the old one or the new one."""
    content = {"schema": schema.VERSION, **dataclasses.asdict(info)}
    scratch = folder / f".{schema.INFO}.{os.getpid()}"
    scratch.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    scratch.replace(folder / schema.INFO)


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
    version = content.pop("schema", None)
    if not isinstance(version, int) or version > schema.VERSION:
        raise RecordTooNew.at(folder, version, schema.VERSION)
    return content


def runs(root: Path | None = None) -> Iterator[Path]:
    """The run folders under `root` (default: the current directory's), oldest first."""
    home = (root or Path.cwd() / HOME) / "runs"
    if home.is_dir():
        found = (path for path in home.iterdir() if (path / schema.INFO).is_file())
        yield from sorted(found, key=lambda path: (path.stat().st_ctime_ns, path.name))


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
    path = Path(name)
    if path.exists():
        return path.resolve()
    fitting = [run for run in runs() if run.name.startswith(name)]
    if len(fitting) > 1:
        raise RunNotFound(
            f"{len(fitting)} runs begin with {name!r}.", "`reluctant runs` lists them; say more."
        )
    if not fitting:
        raise RunNotFound.at(path)
    return fitting[0]
