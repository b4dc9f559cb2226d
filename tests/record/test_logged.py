"""`reluctant.log`: into the record of a run, and nowhere outside."""

import os
from math import inf, isnan
from pathlib import Path

import pytest
from tests.commands import python, reluctant

import reluctant as package
from reluctant import errors
from reluctant.record import logged, schema

SCRIPT = """
import os, reluctant
reluctant.log(accuracy=0.5)
if (child := os.fork()) == 0:
    reluctant.log(accuracy=9)
    os._exit(0)
os.waitpid(child, 0)
reluctant.log(3, accuracy="0.75", error=float("nan"))
print("done", [name for name in sys.modules if name in ("torch", "numpy")])
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text("import sys\n" + SCRIPT)
    return tmp_path


def test_what_a_script_logs_is_in_its_record(script: Path) -> None:
    done = reluctant("run", "-q", "--out", "run", "script.py", cwd=script)
    assert (done.code, done.out) == (0, "done []\n"), done.err
    found = package.logged(script / "run")
    assert found["accuracy"] == [(None, 0.5), (3, 0.75)], "a fork is not the run"
    assert (package.load(script / "run").info.memory or 0) > 5_000_000
    ((step, error),) = found["error"]
    assert step == 3
    assert isnan(error)


def test_outside_a_run_it_does_nothing(script: Path) -> None:
    done = python("script.py", cwd=script)
    assert (done.code, done.out) == (0, "done []\n"), done.err
    assert os.listdir(script) == ["script.py"]


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    logged.begin(tmp_path)
    try:
        with pytest.raises(errors.WrongArgument, match="accuracy is 'high'"):
            package.log(accuracy="high")
        package.log(loss=inf)
    finally:
        logged.end(tmp_path)
    package.log(loss=1.0)
    assert package.logged(tmp_path) == {"loss": [(None, inf)]}


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / schema.LOGGED).write_text('{"step": 1, "values": {"a": 2}}\n{"step": 2, "val')
    assert package.logged(tmp_path) == {"a": [(1, 2.0)]}
    assert package.logged(tmp_path / "none") == {}
