"""A program that starts the processes of a run: each of them is observed, and not it."""

import contextlib
import io
import os
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from reluctant.errors import FolderNotWritable, NotObservable
from reluctant.observe import launch
from reluctant.record import folder

_RUN, _LAUNCH = "torch.distributed.run", "torch.distributed.launch"


def launches(script: str, module: bool) -> bool:
    """Whether this program starts the processes of a run rather than being one."""
    return script in (_RUN, _LAUNCH) if module else os.path.basename(script) == "torchrun"


class Launched(NamedTuple):
    """What a launcher starts: its options, then a script or module with its arguments.

    `python` is whether it is started by way of `python SCRIPT`, where we can step in between.
    """

    options: tuple[str, ...]
    module: bool
    script: str
    arguments: tuple[str, ...]
    python: bool

    @classmethod
    def of(cls, launcher: str, arguments: Sequence[str]) -> "Launched | None":
        """Read off a launcher's arguments; None if it can make nothing of them itself."""
        parser = _parser()
        if launcher == _LAUNCH:
            parser.add_argument("--use-env", "--use_env", action="store_true")
        nowhere = io.StringIO()  # the launcher says it again, and better
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                parsed = parser.parse_args(list(arguments))
        except SystemExit:
            return None
        theirs = tuple(parsed.training_script_args)
        own = arguments[: len(arguments) - len(theirs) - 1]
        options = [at for at in own if at not in ("-m", "--module", "--")]
        if launcher == _LAUNCH and not parsed.use_env:
            # It would give this to us, as the first argument of what it starts.
            options.append("--use-env")
            theirs = ("--local-rank=${local_rank}", *theirs)
        python = not (parsed.no_python or getattr(parsed, "run_path", False))
        return cls(tuple(options), bool(parsed.module), parsed.training_script, theirs, python)

    def observed(self, ours: Sequence[str]) -> tuple[str, ...]:
        """The launcher's arguments with `reluctant run`, and these options of it, in between."""
        what = ("-m", self.script) if self.module else (self.script,)
        return (*self.options, "-m", "reluctant", "run", *ours, *what, *self.arguments)


def _parser() -> ArgumentParser:
    known = _RUN in sys.modules
    from torch.distributed.run import get_args_parser

    if not known:
        # It is about to be run as the main module, which warns if it was imported before.
        del sys.modules[_RUN]
    return get_args_parser()


class Launcher:
    """Stands where a `Session` does when `torchrun` is run.

    Args:
        script: the launcher's name, a module's if `module`.
        arguments: the launcher's own.
        out: the run's folder; None for a new one under `.reluctant/runs`.
        options: those of `reluctant run` that its processes get.

    `path` is the run's folder; None if nothing is observed.
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
        self.complaint: FolderNotWritable | NotObservable | None = None
        self._pid = os.getpid()
        self._began = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        what = Launched.of(script, arguments)
        self.path: Path | None = None
        if what is not None and what.python:
            self.path = self._place(what.script, out)
            arguments = what.observed(("--quiet", "--out", str(self.path), *options))
        elif what is not None:
            self.complaint = NotObservable.started_by(os.path.basename(script), what.script)
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
        """The processes have completed their record themselves, each start of them its own."""
        if self.path is not None:
            self.path = folder.last_start(self.path, since=self._began)
