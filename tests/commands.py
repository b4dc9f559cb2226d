"""Runs `python` and `reluctant` in processes of their own, as a person would."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


class Done(NamedTuple):
    code: int
    out: str
    err: str


def python(*arguments: object, cwd: Path, **environment: str) -> Done:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        # One thread: the order of a parallel sum is not part of what is compared.
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def reluctant(*arguments: object, cwd: Path, **environment: str) -> Done:
    return python("-m", "reluctant", *arguments, cwd=cwd, **environment)
