"""A folder holds the runs of one plan, and one process at a time makes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from reluctant.errors import OtherTrial
from reluctant.trials.plan import Plan

CLAIMS = """
import sys
from pathlib import Path
from reluctant.trials.plan import Plan
try:
    Plan("train.py", ("--lr", sys.argv[2])).claim(Path(sys.argv[1]), seeds=(0, 2))
except Exception as error:
    print(error.sentence)
"""


def claims(home: Path, rate: str = "1") -> str:
    command = [sys.executable, "-c", CLAIMS, str(home), rate]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def test_a_folder_is_of_one_plan_and_one_process(tmp_path: Path) -> None:
    assert claims(tmp_path) == ""
    assert claims(tmp_path) == "", "the first is over"
    assert "holds a trial of another script, of other arguments" in claims(tmp_path, "2")
    Plan("train.py", ("--lr", "1")).claim(tmp_path, seeds=[0, 2])
    assert "Another process runs a trial in" in claims(tmp_path)


def test_a_plan_that_was_cut_off_is_another(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text('{"schema": 1, ')
    with pytest.raises(OtherTrial, match="holds a trial of another"):
        Plan("train.py").claim(tmp_path)
