"""The processes of a launch find one folder, and none that is another launch's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reluctant.errors import FolderNotWritable
from reluctant.observe import ranks
from reluctant.record import folder, schema
from reluctant.record.info import RunInfo
from tests.commands import Done

SCRIPT = "import os, sys\nprint(os.environ['RANK'], sys.argv[1:])\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A current directory with a script, and another for what is temporary."""
    place = tmp_path / "here"
    place.mkdir()
    (tmp_path / "temporary").mkdir()
    (place / "script.py").write_text(SCRIPT)
    return place


def launch(here: Path, *options: object, size: int = 2, port: int = 29500) -> list[Done]:
    """Start the ranks at once, all of them children of this process."""
    command = [sys.executable, "-m", "reluctant", "run", *map(str, options), "script.py", "-x"]
    temporary = str(here.parent / "temporary")
    started = [
        subprocess.Popen(
            command,
            cwd=here,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "TMPDIR": temporary,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(size),
                "MASTER_PORT": str(port),
            },
        )
        for rank in range(size)
    ]
    ended = [(*at.communicate(timeout=120), at.returncode) for at in started]
    done = [Done(code, out, err) for out, err, code in ended]
    for rank, at in enumerate(done):
        assert (at.code, at.out) == (0, f"{rank} ['-x']\n"), at.err
    return done


def check_shared(path: Path, size: int = 2) -> None:
    claims = sorted(at.name for at in path.glob(".rank-*"))
    assert claims == [f".rank-{rank}" for rank in range(size)]
    assert folder.read_info(path)["exit_code"] == 0


def test_a_launch_has_one_new_folder_and_the_next_another(here: Path) -> None:
    for count in (1, 2):
        launch(here, size=4)
        paths = list(folder.runs(here / folder.HOME))
        assert len(paths) == count
        for path in paths:
            check_shared(path, 4)


def test_two_launches_at_once_do_not_meet(here: Path) -> None:
    launch(here, port=1)
    launch(here, port=2)
    assert len(list(folder.runs(here / folder.HOME))) == 2


def test_all_ranks_record_where_they_are_told(here: Path) -> None:
    first, second = launch(here, "--out", "a b/ü")
    check_shared(here / "a b" / "ü")
    assert not (here / ".reluctant").exists()
    assert first.err.count("reluctant  ") == 1
    assert second.err == ""


def test_a_folder_that_holds_a_run_is_left_alone(here: Path) -> None:
    """It may be one of fewer ranks, of which the second is none."""
    old = here / "old"
    old.mkdir()
    folder.write_info(old, RunInfo("old.py"))
    before = (old / schema.INFO).read_bytes()
    first, second = launch(here, "--out", "old")
    assert (old / schema.INFO).read_bytes() == before
    assert {at.name for at in old.iterdir() if "rank" in at.name} == set()
    assert first.err.count("already holds a run") == 1
    assert second.err == ""
    (instead,) = (here.parent / "temporary").glob("reluctant-*")
    assert str(instead) in first.err
    check_shared(instead)


def test_a_folder_that_cannot_be_made(here: Path) -> None:
    (here / "file").write_text("mine")
    first, second = launch(here, "--out", "file")
    assert (here / "file").read_text() == "mine"
    assert first.err.count("No run can be recorded in") == 1
    assert second.err == ""
    (instead,) = (here.parent / "temporary").glob("reluctant-*")
    check_shared(instead)


# -- how they find it --------------------------------------------------------------------------


@pytest.fixture
def one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(ranks, "_WAIT_SECONDS", 0.05)


def made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.usefixtures("one_of_two")
def test_whoever_began_to_make_it_may_have_died(tmp_path: Path) -> None:
    assert ranks.together(tmp_path, lambda: made(tmp_path / "a")) == tmp_path / "a"
    (pointer,) = tmp_path.glob(".reluctant-launch-*")
    pointer.write_bytes(b"")
    assert ranks.together(tmp_path, lambda: made(tmp_path / "b")) == tmp_path / "b"


@pytest.mark.usefixtures("one_of_two")
def test_whoever_could_not_make_it_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Path:
        raise FolderNotWritable.taken(tmp_path)

    with pytest.raises(FolderNotWritable):
        ranks.together(tmp_path, fails)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("one_of_two")
def test_what_launches_of_long_ago_left_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".reluctant-launch-1", tmp_path / ".reluctant-launch-2"
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))
    ranks.together(tmp_path, lambda: made(tmp_path / "a"))
    assert new.exists()
    assert not old.exists()


def test_the_record_of_the_last_start(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for times, started in enumerate(("2026-01-02", "2026-01-03", "2026-01-04", "2026-01-01")):
        at = made(folder.started_again(path, times))
        folder.write_info(at, RunInfo("train.py", started=started))
    assert folder.last_start(path, since="2026-01-02").name == "run-restart-2"
    assert folder.last_start(path, since="2026-01-05") == path
