"""Where the record goes there is no room any more, or nothing at all, or somebody else."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reluctant.observe.ranks import Announced
from reluctant.record.writer import Writer
from tests.faults.conftest import Survived, Survives
from tests.matrix.zygote import Zygote

WAYS = pytest.mark.parametrize("way", ["run", "watch"])
LOST = "could not be written any more"


def check_told(survived: Survived, *words: str) -> None:
    """One sentence says that the record stopped, and why."""
    # The verdict is broken into lines.
    err = " ".join(survived.done.err.split())
    assert err.count(LOST) == 1, survived.done.err
    assert "Please report" not in err
    for word in words:
        assert word in err, survived.done.err


def check_kept(survived: Survived, least: int) -> None:
    """What was sampled until then can be read."""
    steps = survived.run.steps.tolist()
    assert steps == list(range(len(steps)))
    assert len(steps) >= least


# -- no room -----------------------------------------------------------------------------------

NO_LARGER = """
import resource
def fault():
    size = os.path.getsize(run + "/rank-0.sqlite-wal") if os.path.exists(run) else 0
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, 8192), hard))
"""


@WAYS
def test_a_file_that_may_grow_no_more(survives: Survives, way: str) -> None:
    survived = survives(NO_LARGER, way)
    check_told(survived, "disk")
    check_kept(survived, 5)


ASKS = """
    if watching:
        watching.run()
"""


def test_asking_for_a_record_that_cannot_be_written_does_no_harm(survives: Survives) -> None:
    loop = "\nfor step in range(12):\n    if step == 5: fault()\n    print(train())\n" + ASKS
    survived = survives(NO_LARGER, "watch", loop=loop)
    check_told(survived, "disk")
    check_kept(survived, 4)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 340 kB where the record is to go."""
    place = tmp_path / "watched" / "run"
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=340k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


FILLS = """
def fault():
    if os.path.ismount(run):
        with open(run + "/fill", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
"""


@WAYS
def test_a_disk_that_is_full(survives: Survives, small_disk: Path, way: str) -> None:
    survived = survives(FILLS, way)
    check_told(survived, "disk")
    check_kept(survived, 5)
    assert not list(small_disk.glob(".run.json*")), "nothing half-written stays"


def test_the_board_of_a_launch_has_its_place_on_the_disk(small_disk: Path) -> None:
    """A write to memory for which there is no room left would end the process."""
    with pytest.raises(OSError, match="No space"), (small_disk / "fill").open("wb") as file:
        file.write(bytes(400_000))
    with pytest.raises(OSError, match="No space"):
        Announced(small_disk / "board", True, 0.01, None)


# -- no folder ---------------------------------------------------------------------------------

DELETES = """
import shutil
def fault():
    shutil.rmtree(run, ignore_errors=True)
"""


@WAYS
def test_a_folder_that_is_deleted(survives: Survives, way: str) -> None:
    survived = survives(DELETES, way)
    check_told(survived, "deleted", "--out")
    assert not (survived.folder / "run").exists(), "it was deleted for a reason"


@WAYS
def test_a_file_that_is_deleted(survives: Survives, way: str) -> None:
    fault = """
import glob
def fault():
    for file in glob.glob(run + "/*.sqlite*"):
        os.remove(file)
"""
    survived = survives(fault, way)
    check_told(survived, "deleted or replaced")
    assert not survived.run.samples


@WAYS
def test_a_folder_that_is_deleted_after_the_last_step(survives: Survives, way: str) -> None:
    loop = "\nfor step in range(12):\n    print(train())\nsave()\nfault()\n"
    check_told(survives(DELETES, way, loop=loop), "deleted")


@WAYS
def test_a_folder_that_is_made_anew(survives: Survives, way: str) -> None:
    survived = survives(DELETES + "    os.mkdir(run)\n    open(run + '/mine', 'w').close()\n", way)
    check_told(survived, "deleted or replaced")
    assert [path.name for path in (survived.folder / "run").iterdir()] == ["mine"]


def test_a_folder_that_another_run_has_taken(survives: Survives) -> None:
    """What it holds by then is the other's."""
    other = """
    from pathlib import Path
    from reluctant.record.folder import write_info
    from reluctant.record.info import RunInfo
    from reluctant.record.writer import Writer
    os.mkdir(run)
    write_info(Path(run), RunInfo("other.py"))
    Writer(Path(run)).close()
"""
    survived = survives(DELETES + other)
    check_told(survived, "deleted")
    assert survived.run.info.script == "other.py"
    assert not survived.run.samples


# -- somebody else -----------------------------------------------------------------------------

LOCKS = """
import sqlite3
HOLD = '''
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
'''
def fault():
    global holder
    file = run + "/rank-0.sqlite"
    if os.path.exists(file):
        command = [sys.executable, "-c", HOLD, file]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
def release():
    if os.path.exists(run):
        holder.stdin.close()
        holder.wait()
"""


@WAYS
def test_a_database_that_is_locked_for_a_while(survives: Survives, way: str) -> None:
    loop = """
for step in range(30):
    if step == 5: fault()
    if step == 20: release()
    print(train())
"""
    survived = survives(LOCKS, way, loop=loop)
    check_kept(survived, 30)
    assert survived.run.info.failure is None


@WAYS
def test_a_database_that_is_locked_to_the_end(survives: Survives, way: str) -> None:
    loop = "\nfor step in range(12):\n    if step == 5: fault()\n    print(train())\n"
    survived = survives(LOCKS, way, loop=loop)
    check_told(survived, "locked")
    check_kept(survived, 4)


@WAYS
def test_a_database_that_is_locked_for_long(survives: Survives, way: str) -> None:
    """Only so many samples are kept in memory."""
    loop = "\nfor step in range(90):\n    if step == 5: fault()\n    print(train())\nrelease()\n"
    survived = survives(LOCKS, way, loop=loop)
    check_told(survived, "locked")
    check_kept(survived, 4)


def test_a_training_waits_for_no_lock(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    assert writer._connection.execute("PRAGMA busy_timeout").fetchone() == (0,)
    writer.close()


# -- no files, no home -------------------------------------------------------------------------

NO_FILES = """
import resource
def fault():
    global opened
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    opened = []
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
"""


@WAYS
def test_no_more_files(survives: Survives, way: str) -> None:
    """Ours are open by then; the last of them is closed before `run.json` is written."""
    loop = """
for step in range(150):
    if step == 5: fault()
    print(train())
"""
    survived = survives(NO_FILES, way, loop=loop)
    check_kept(survived, 150)
    assert survived.run.info.exit_code == 0
    assert survived.run.info.failure is None


def test_a_home_that_cannot_be_written(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import torch\nprint(torch.ones(1).item())\n")
    (tmp_path / "begin.py").write_text(
        "import os, sys\nos.environ['HOME'] = '/proc/nobody'\nfrom reluctant.cli import main\n"
        "sys.argv = ['reluctant', 'run', 'script.py']\nmain()\n"
    )
    done = zygote.run("python", "begin.py", cwd=tmp_path)
    assert (done.code, done.out) == (0, "1.0\n"), done.err
    assert not done.err.startswith("reluctant: "), done.err
    assert len(list((tmp_path / ".reluctant" / "runs").iterdir())) == 1
