"""A program that starts the processes of a run: each of them is observed, and not it."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from reluctant.errors import FolderNotWritable
from reluctant.observe import launch, ranks
from reluctant.record import folder


class Launcher:
    """Stands where a `Session` does when `torchrun` is run.

    Args:
        script: the launcher's name, a module's if `module`.
        arguments: the launcher's own.
        out: the run's folder; None for a new one under `.reluctant/runs`.
        options: those of `reluctant run` that its processes get.
    """

    rank = 0
    refused = False
    info = None  # its processes know

    def __init__(
        self,
        script: str,
        module: bool,
        arguments: Sequence[str],
        out: Path | None,
        options: Sequence[str],
    ) -> None:
        self.complaint: FolderNotWritable | None = None
        self._pid = os.getpid()
        what = ranks.Launched.of(arguments)
        self.path: Path | None = None
        if what is not None:
            self.path = self._place(what.script, out)
            arguments = what.observed(("--quiet", "--out", str(self.path), *options))
        self.program = (launch.module if module else launch.script)(script, arguments)

    def _place(self, script: str, out: Path | None) -> Path:
        try:
            return folder.create(script, out)
        except FolderNotWritable as error:
            self.complaint = error
            return Path(tempfile.mkdtemp(prefix="reluctant-"))

    @property
    def here(self) -> bool:
        """Whether this is the process that was started, and not a fork of it."""
        return os.getpid() == self._pid

    def finish(self, exit_code: int) -> None:
        """The processes have completed their record themselves."""
