"""What subcommands that write a page have in common."""

import os
import webbrowser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reluctant.errors import FolderNotWritable


def ready(target: Path | None) -> None:
    """Find out whether a page can be made and put there, before it takes hours to fill it.

    Args:
        target: None if it goes where the records go.

    Raises:
        NotInstalled: a library that it needs is not there.
        FolderNotWritable: it cannot be put there.
    """
    from reluctant.report.page import template

    template.ready()
    if target is not None and not os.access(target.parent, os.W_OK):
        why = "Permission denied" if target.parent.is_dir() else "No such folder"
        raise _not_writable(target, why)


def write(content: str, target: Path, opened: bool) -> None:
    """Write it, and show it in the browser if it is to be `opened`.

    Raises:
        FolderNotWritable: it cannot be put there.
    """
    try:
        target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise _not_writable(target, error.strerror or str(error)) from error
    if opened:
        webbrowser.open(target.resolve().as_uri())


def curves(names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The facts that are drawn of functions, given as for `--swap`."""
    from reluctant.facts import drawn
    from reluctant.swapping import replacement

    found = {name: replacement(name) for name in names}
    return {name: {**drawn(at.of, **at.parameters), "name": name} for name, at in found.items()}


def _not_writable(target: Path, why: str) -> FolderNotWritable:
    return FolderNotWritable(
        f"The page cannot be written to {target} ({why}).", "Name another FILE for it."
    )
