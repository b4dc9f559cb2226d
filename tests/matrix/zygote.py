"""Starts scripts quickly: one process imports torch, and each script runs in a fork of it.

`python -m tests.matrix.zygote MODULES` imports the modules, then reads commands, one JSON list a
line, and answers each with the exit code. The first word says how: `python` or `reluctant`; output
goes to the files `out` and `err` in the current directory that the command names. What does not end
is killed, and where its threads were stands in `err`.
"""

import atexit
import faulthandler
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn, cast

from tests.commands import ROOT, Done

# No script takes so many seconds unless something is broken.
PATIENCE = 300.0


class Zygote:
    """The process that forks, as its user sees it; it imports `modules` once for all."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.matrix.zygote", *modules],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, *command: object, cwd: Path) -> Done:
        """Run a command, as `python script.py` or `reluctant run script.py`."""
        into, out = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        print(json.dumps([str(cwd), *map(str, command)]), file=into, flush=True)
        code = json.loads(out.readline())
        return Done(code, (cwd / "out").read_text(), (cwd / "err").read_text())

    def close(self) -> None:
        """End it."""
        cast(IO[str], self._process.stdin).close()
        self._process.wait()


def serve() -> None:
    """Answer commands until there are no more."""
    import sklearn.datasets  # noqa: F401
    import torch

    torch.set_num_threads(1)
    for module in sys.argv[1:]:
        import_module(module)
    for line in sys.stdin:
        folder, *command = json.loads(line)
        child = os.fork()
        if not child:
            begin(Path(folder), command)
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


def begin(folder: Path, command: list[str]) -> NoReturn:
    """In the fork: become the command."""
    atexit._clear()
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdin.close()
    faulthandler.register(signal.SIGUSR2, file=2)
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
