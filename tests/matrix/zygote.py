"""Starts scripts quickly: one process imports torch, and each script runs in a fork of it.

`python -m tests.matrix.zygote` reads commands, one JSON list a line, and answers each with the exit
code. The first words of a line say in which directory, where the files `out` and `err` are to be,
and what is other in the environment; the first word of the command says how: `python` or
`reluctant`. What does not end is killed, and where its threads were stands in `err`.
"""

import atexit
import faulthandler
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn, cast

from tests.commands import ROOT, Done

# Names in the environment the device on which scripts train.
DEVICE = "RELUCTANT_TESTS_DEVICE"
# No script takes so many seconds unless something is broken.
PATIENCE = 300.0
# What scripts import, an optimizer with its first step, and we for the verdict.
MODULES = (
    "sklearn.datasets",
    "torch",
    "torch._dynamo.backends.debugging",
    "torch._functorch.aot_autograd",
    "torch._inductor.pattern_matcher",
    "torch.distributed.fsdp",
    "click",
    "rich.console",
    "rich.table",
    "sqlite3",
)


class Zygote:
    """The process that forks, as its user sees it."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.matrix.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, *command: object, cwd: Path, **environment: str) -> Done:
        """Run a command, as `python script.py` or `reluctant run script.py`."""
        into, out = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        said = Path(self._said.name)
        line = [str(cwd), str(said), environment, *map(str, command)]
        print(json.dumps(line), file=into, flush=True)
        answer = out.readline()
        assert answer, f"the process that forks has ended at {command}"
        return Done(json.loads(answer), (said / "out").read_text(), (said / "err").read_text())


@cache
def zygote() -> Zygote:
    """The one of all tests in this process, with which it ends."""
    return Zygote()


def python(*arguments: object, cwd: Path, **environment: str) -> Done:
    """What `tests.commands.python` does, where the start of a process is not what is tested."""
    return zygote().run("python", *arguments, cwd=cwd, **environment)


def reluctant(*arguments: object, cwd: Path, **environment: str) -> Done:
    """What `tests.commands.reluctant` does, where the start of a process is not what is tested."""
    return zygote().run("reluctant", *arguments, cwd=cwd, **environment)


def serve() -> None:
    """Answer commands until there are no more."""
    for module in MODULES:
        import_module(module)
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        folder, said, environment, *command = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.update(environment)
            begin(Path(folder), command, Path(said))
        print(ended(child), flush=True)


def ended(child: int) -> int:
    """Its exit code, once it has one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGUSR2)
            time.sleep(1.0)
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def begin(folder: Path, command: list[str], said: Path) -> NoReturn:
    """In the fork: become the command."""
    atexit._clear()
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.stdin.close()
    tempfile.tempdir = None  # the environment may name another
    faulthandler.register(signal.SIGUSR2, file=2)
    if DEVICE in os.environ:
        import torch

        torch.set_default_device(os.environ[DEVICE])
    code = 0
    try:
        if command[0] == "python":
            sys.argv = command[1:]
            sys.path.insert(0, str(folder))
            runpy.run_path(command[1], run_name="__main__")
        else:
            from reluctant.cli import main

            sys.argv = command
            main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
