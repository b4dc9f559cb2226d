"""Run folders: named by time and script, never shared by two runs, found again by name."""

import gc
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from tests.record.observations import observation, writing, written

from reluctant.errors import FolderNotWritable, RunNotFound
from reluctant.record import folder, schema
from reluctant.record.info import RunInfo
from reluctant.record.reader import load

NOBODY = 65534
NOW = "2026-11-23T20-00-00"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still."""
    monkeypatch.setattr(time, "strftime", lambda form: NOW)


def made(script: str = "train.py", out: Path | None = None) -> Path:
    path = folder.create(script, out)
    folder.write_info(path, RunInfo(script))
    return path


# -- naming -----------------------------------------------------------------------------------


def test_a_folder_is_named_by_the_time_and_the_script(here: Path) -> None:
    path = folder.create("some/where/train.py")
    assert path.parent == here / ".reluctant" / "runs"
    assert re.fullmatch(r"\d{4}(-\d\d){2}T\d\d(-\d\d){2}-train", path.name)
    assert path.is_absolute()


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("train.py", "train"),
        ("my train (2).py", "my-train-2-"),
        ("pkg.tool.cli", "pkg.tool"),
        ("", "run"),
        ("../../etc/passwd", "passwd"),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_a_folder_is_named_without_what_a_shell_would_mind(script: str, name: str) -> None:
    assert folder.create(script).name == f"{NOW}-{name}"


@pytest.mark.usefixtures("stopped")
def test_what_is_there_is_left_as_it_is() -> None:
    names = [made().name for _ in range(3)]
    assert names == [f"{NOW}-train", f"{NOW}-train-2", f"{NOW}-train-3"]


@pytest.mark.usefixtures("stopped")
def test_runs_that_start_at_once_do_not_share_a_folder() -> None:
    """As when a loop in a shell starts one for each seed."""
    together = Barrier(8)

    def start(_: int) -> Path:
        together.wait(60)
        return folder.create("train.py")

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            paths = list(pool.map(start, range(8)))
            assert len(set(paths)) == 8


# -- --out ------------------------------------------------------------------------------------


def test_out_is_the_very_folder(here: Path) -> None:
    assert folder.create("train.py", Path("a/b")) == here / "a" / "b"
    assert folder.create("train.py", here / "c") == here / "c"
    assert not (here / ".reluctant").exists()


def test_out_may_be_there_and_keeps_what_it_holds(here: Path) -> None:
    (here / "a").mkdir()
    (here / "a" / "notes").write_text("mine")
    folder.create("train.py", Path("a"))
    assert [at.name for at in (here / "a").iterdir()] == ["notes"]


def test_the_ranks_of_a_run_share_a_folder(here: Path) -> None:
    path = made(out=Path("a"))
    assert folder.create("train.py", Path("a"), shared=True) == path


def test_a_gitignore_that_is_there_is_kept(here: Path) -> None:
    folder.create("train.py")
    (here / ".reluctant" / ".gitignore").write_text("mine")
    folder.create("train.py")
    assert (here / ".reluctant" / ".gitignore").read_text() == "mine"


# -- where nothing can be written --------------------------------------------------------------


@pytest.mark.parametrize("out", [Path("file"), Path("file/below")])
def test_a_file_in_the_place_of_the_folder(here: Path, out: Path) -> None:
    (here / "file").write_text("mine")
    with pytest.raises(FolderNotWritable) as caught:
        folder.create("train.py", out)
    assert str(here / out) in caught.value.sentence
    assert "--out" in caught.value.way_out
    assert (here / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="has no /proc")
def test_a_file_system_that_takes_no_folders() -> None:
    with pytest.raises(FolderNotWritable):
        folder.create("train.py", Path("/proc/reluctant"))


@pytest.mark.skipif(sys.platform == "win32", reason="allows longer names")
def test_a_name_that_is_too_long() -> None:
    with pytest.raises(FolderNotWritable):
        folder.create("train.py", Path("x" * 300))
    assert folder.create("ü" * 300 + ".py").is_dir(), "a script's name is cut to what fits"


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory that is not ours to write to, even if we are root."""
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.chdir(place)
        os.chmod(place, 0o555)
        root = os.geteuid() == 0
        if root:
            os.setresuid(NOBODY, NOBODY, 0)
        yield Path(place)
        if root:
            os.setresuid(0, 0, 0)
        os.chmod(place, 0o755)
        monkeypatch.undo()


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="has no such users")
@pytest.mark.parametrize("out", [None, Path("."), Path("new")])
def test_a_folder_without_permission(locked: Path, out: Path | None) -> None:
    with pytest.raises(FolderNotWritable, match="Permission denied"):
        folder.create("train.py", out)


# -- run.json ---------------------------------------------------------------------------------


def test_a_description_is_replaced_in_one_move(here: Path) -> None:
    """A reader that had opened the old one reads it to its end; nothing else is left."""
    path = made()
    with (path / schema.INFO).open() as old:
        folder.write_info(path, RunInfo("train.py", exit_code=0))
        assert '"exit_code": null' in old.read()
    assert folder.read_info(path)["exit_code"] == 0
    assert [at.name for at in path.iterdir()] == [schema.INFO]


# -- finding ----------------------------------------------------------------------------------


def test_without_runs_there_is_no_newest(here: Path) -> None:
    with pytest.raises(RunNotFound, match="reluctant run SCRIPT"):
        folder.find(None)
    assert list(folder.runs()) == []


def test_a_folder_that_holds_no_run_is_not_listed(here: Path) -> None:
    path = made()
    (path.parent / "9999").mkdir()
    (path.parent / "file").write_text("x")
    assert list(folder.runs()) == [path]


def test_a_run_is_found_by_its_path(here: Path) -> None:
    path = made(out=Path("elsewhere"))
    assert folder.find("elsewhere") == path
    assert folder.find(str(path)) == path
    assert folder.find("./elsewhere/") == path


@pytest.mark.usefixtures("stopped")
def test_a_whole_name_is_not_the_beginning_of_another() -> None:
    first, second = made(), made()
    assert second.name.startswith(first.name)
    assert folder.find(second.name) == second
    assert folder.find(first.name) == first


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.usefixtures("stopped")
def test_reading_an_old_run_does_not_make_it_the_newest(killed: bool) -> None:
    """A reader may put files beside those of a killed run, or fold its log in."""
    live = folder.create("a.py")
    with writing(live, started="2026-11-23T20:00:00.1") as writer:
        writer.write(observation(0))
        old = folder.create("old.py")
        shutil.copytree(live, old, dirs_exist_ok=True)
    if not killed:
        load(old)
        gc.collect()
    new = written(folder.create("new.py"), started="2026-11-23T20:00:00.2")
    shutil.rmtree(live)
    assert folder.find(None) == new
    load(old)
    gc.collect()
    assert folder.find(None) == new
