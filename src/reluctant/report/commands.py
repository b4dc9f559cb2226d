"""Command lines as one types them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Scripted(Protocol):
    """What is about a script."""

    @property
    def script(self) -> str:
        """Its path, or the name of a module."""

    @property
    def arguments(self) -> Sequence[str]:
        """What it is given."""

    @property
    def module(self) -> bool:
        """Whether it is a module."""


def script(of: Scripted) -> str:
    """The script with its arguments, as it follows `python`."""
    return shlex.join([*["-m"] * of.module, of.script, *of.arguments])


def near(path: str) -> str:
    """A path as one types it here."""
    return shlex.quote(path.removeprefix(f"{Path.cwd()}/"))


def swapped(of: Scripted, replaced: Sequence[str], new: str) -> str:
    """What runs it with another function in the place of these."""
    swaps = " ".join(f"--swap {shlex.quote(f'{old}={new}')}" for old in replaced)
    return f"reluctant run {swaps} {script(of)}"
