"""`reluctant report`: a page on disk, or served."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from threading import Timer

import pytest
from tests.commands import python, reluctant
from tests.record.observations import written


def test_a_page_is_written_into_the_run_s_folder(tmp_path: Path) -> None:
    run = written(tmp_path / ".reluctant" / "runs" / "2026-01-31T12-00-00-train", exit_code=0)
    done = reluctant("report", cwd=tmp_path)
    assert done.code == 0, done.err
    page = run / "report.html"
    assert done.out.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "train.py" in text


def test_a_page_of_two_runs_is_written_where_one_wants_it(tmp_path: Path) -> None:
    written(tmp_path / "one")
    written(tmp_path / "two")
    done = reluctant("report", "one", "two", "--out", "both.html", cwd=tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert text.count('class="run head') == 2


def test_neither_torch_nor_plotly_is_imported(tmp_path: Path) -> None:
    written(tmp_path / "run")
    code = (
        "import sys\nfrom reluctant.cli import main\n"
        "sys.argv = ['reluctant', 'report', 'run', '--out', 'page.html']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print([at for at in ('torch', 'plotly', 'rich', 'matplotlib') if at in sys.modules])"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.out.splitlines() == ["page.html", "[]"], done.err


def test_asking_for_help_reads_no_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom reluctant.cli import main\nsys.argv = ['reluctant', 'report', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([at for at in ('numpy', 'jinja2', 'http.server') if at in sys.modules])"
    )
    assert python("-c", code, cwd=tmp_path).out.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere"),
        (["run", "--port", "80"], "--port goes with --live"),
        (["run", "--live", "--out", "page.html"], "leave --out away"),
        (["run", "--out", "no/such/folder/page.html"], "Name another FILE for it."),
        (["run", "--live", "--port", "70000"], "70000 is not in the range"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    written(tmp_path / "run")
    done = reluctant("report", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_live_page_is_served_until_it_is_interrupted(tmp_path: Path) -> None:
    written(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-m", "reluctant", "report", "run", "--live", "--port", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    # It says where it is, or is ended and says nothing.
    patience = Timer(60, process.kill)
    patience.start()
    address = process.stdout.readline()
    patience.cancel()
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address.split()[0], timeout=60) as answer:
        page = answer.read().decode()
        assert f'data-state="{answer.headers["ETag"]}"' in page
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
