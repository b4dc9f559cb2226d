"""`reluctant runs`: the list of records."""

import json
import shlex
from pathlib import Path
from typing import Any

import click

from reluctant.cli import options
from reluctant.errors import ReluctantError
from reluctant.record import folder


@click.command()
@options.form
def runs(form: str) -> None:
    """List the runs recorded under the current directory, oldest first."""
    found = list(folder.runs())
    if form == "json":
        click.echo(json.dumps([_entry(path) for path in found], indent=2))
        return
    if not found:
        click.echo("No run is recorded here yet; `reluctant run SCRIPT` records one.", err=True)
        return
    from reluctant.report import terminal

    terminal.show(terminal.runs(_row(_entry(path)) for path in found))


def _entry(path: Path) -> dict[str, Any]:
    try:
        return {"name": path.name, "path": str(path), **folder.read_info(path)}
    except ReluctantError as error:
        return {"name": path.name, "path": str(path), "error": error.sentence}


def _row(entry: dict[str, Any]) -> tuple[str, str, str, str, str]:
    if "error" in entry:
        return entry["name"], "", "", "", str(entry["error"])
    code = entry.get("exit_code")
    seconds, steps = entry.get("seconds"), entry.get("steps")
    return (
        entry["name"],
        shlex.join(["-m"] * bool(entry.get("module")) + [entry["script"], *entry["arguments"]]),
        "" if steps is None else f"{steps:,}",
        "" if seconds is None else f"{seconds:.1f}",
        "running, or killed" if code is None else f"exit code {code}",
    )
