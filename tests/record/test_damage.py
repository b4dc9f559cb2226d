"""Records that are cut, garbled, too new or read-only: one of our errors, or what can be read."""

import gc
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.record.observations import observation, writing, written

from reluctant.errors import RecordDamaged, RecordTooNew, ReluctantError, RunNotFound
from reluctant.record import folder, schema
from reluctant.record.reader import load
from reluctant.record.run import Run
from reluctant.record.writer import Writer

PART = schema.part(0)
NOBODY = 65534
needs_permissions = pytest.mark.skipif(not hasattr(os, "setresuid"), reason="has no such users")


def read_all(path: Path) -> Run:
    """Load, and read every series too: they are read late."""
    run = load(path)
    for site in run.sites:
        run.series.site(site.index)
        run.series.histogram(site.index)
    for layer in run.layers:
        run.series.layer(layer.index)
    return run


def check_says_what_and_where(error: ReluctantError, path: Path) -> None:
    assert str(path) in error.sentence
    assert error.way_out
    assert "\n" not in error.sentence


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of some hundred kilobytes that nobody is to change."""
    path = tmp_path_factory.mktemp("sound")
    with writing(path) as writer:
        for index in range(200):
            writer.write(observation(index, rows=2))
    assert sorted(at.name for at in path.iterdir()) == [PART, schema.INFO]
    return path


def a_copy(sound: Path, path: Path) -> Path:
    return Path(shutil.copytree(sound, path))


# -- the folder and run.json ------------------------------------------------------------------


def test_without_a_folder_or_a_description_there_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "file"):
        with pytest.raises(RunNotFound) as caught:
            load(path)
        check_says_what_and_where(caught.value, path)


def test_a_description_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    whole = (written(tmp_path) / schema.INFO).read_bytes()
    for length in range(0, len(whole) - 2, 7):
        (tmp_path / schema.INFO).write_bytes(whole[:length])
        with pytest.raises(RecordDamaged):
            load(tmp_path)


def test_a_description_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    (tmp_path / schema.INFO).write_bytes(b"\xff\xfe{}")
    with pytest.raises(RecordDamaged):
        load(tmp_path)


def test_a_description_that_is_a_folder_is_damaged(tmp_path: Path) -> None:
    (tmp_path / schema.INFO).mkdir()
    with pytest.raises(RecordDamaged):
        load(tmp_path)


@pytest.mark.parametrize("version", [schema.VERSION + 1, 1000, "2.0", None])
def test_a_newer_description_is_too_new(tmp_path: Path, version: object) -> None:
    content = json.loads((written(tmp_path) / schema.INFO).read_text())
    (tmp_path / schema.INFO).write_text(json.dumps({**content, "schema": version}))
    with pytest.raises(RecordTooNew) as caught:
        load(tmp_path)
    check_says_what_and_where(caught.value, tmp_path)


# -- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
def test_a_cut_file_is_damaged(sound: Path, tmp_path: Path, share: float) -> None:
    path = a_copy(sound, tmp_path / "cut")
    size = (path / PART).stat().st_size
    os.truncate(path / PART, int(size * share))
    with pytest.raises(RecordDamaged) as caught:
        read_all(path)
    check_says_what_and_where(caught.value, path)


@pytest.mark.parametrize("content", [b"x", b"x" * 5000, bytes(5000), b"SQLite format 3\0"])
def test_a_file_of_something_else_is_damaged(tmp_path: Path, content: bytes) -> None:
    (written(tmp_path) / PART).write_bytes(content)
    with pytest.raises(RecordDamaged):
        read_all(tmp_path)


def test_a_folder_in_the_place_of_the_file_is_damaged(tmp_path: Path) -> None:
    (written(tmp_path) / PART).unlink()
    (tmp_path / PART).mkdir()
    with pytest.raises(RecordDamaged):
        read_all(tmp_path)


def test_a_database_of_something_else_is_damaged(tmp_path: Path) -> None:
    (written(tmp_path) / PART).unlink()
    with sqlite3.connect(tmp_path / PART) as connection:
        connection.execute("CREATE TABLE sample (id INTEGER)")
    connection.close()
    with pytest.raises(RecordDamaged):
        read_all(tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_garbled_file_is_read_or_damaged(sound: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = a_copy(sound, Path(place) / "garbled")
        content = bytearray((path / PART).read_bytes())
        start = data.draw(st.integers(100, len(content) - 1))
        junk = data.draw(st.binary(min_size=1, max_size=64))
        content[start : start + len(junk)] = junk
        (path / PART).write_bytes(content)
        with suppress(RecordDamaged, RecordTooNew):
            read_all(path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE site_sample SET mean = x'00' WHERE sample = 2",
        "UPDATE site_sample SET fired = x'00000000000000' WHERE sample = 2",
        "UPDATE site_sample SET histogram = x'0301' WHERE sample = 2",
        "UPDATE site_sample SET histogram = 7 WHERE sample = 2",
        "UPDATE layer_sample SET weight = x'000102030405' WHERE sample = 2",
        "UPDATE layer SET shape = '[3'",
        "UPDATE function SET facts = '{}'",
        "UPDATE function SET facts = 'x'",
        "UPDATE sample SET loss = 'x' WHERE id = 2",
    ],
)
def test_content_that_makes_no_sense_is_damaged(tmp_path: Path, change: str) -> None:
    with sqlite3.connect(written(tmp_path) / PART) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(RecordDamaged):
        read_all(tmp_path)


# -- read-only, and left behind ---------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that any user may look into, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place)


@contextmanager
def unable_to_write(path: Path) -> Iterator[None]:
    """Neither the folder `path` nor a file in it can be written."""
    for at in path.iterdir():
        at.chmod(0o444)
    path.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:  # whom permissions do not bind
            os.setresuid(NOBODY, NOBODY, 0)
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        path.chmod(0o755)


@needs_permissions
def test_a_read_only_record_is_read(elsewhere: Path) -> None:
    path = written(elsewhere / "run")
    with unable_to_write(path):
        assert len(read_all(path).samples) == 3
    assert sorted(at.name for at in path.iterdir()) == [PART, schema.INFO]


@needs_permissions
@pytest.mark.parametrize("left", ["-wal", "-wal and -shm"])
def test_a_read_only_copy_of_a_killed_run_is_read(elsewhere: Path, left: str) -> None:
    """Killed, a writer leaves its samples in the log beside the file."""
    path = elsewhere / "run"
    with writing(elsewhere / "live") as writer:
        for index in range(3):
            writer.write(observation(index))
        path.mkdir()
        for name in (schema.INFO, PART, *(PART + at for at in left.split(" and "))):
            shutil.copyfile(elsewhere / "live" / name, path / name)
    with unable_to_write(path):
        assert len(read_all(path).samples) == 3


def test_a_copy_of_a_killed_run_loses_nothing(tmp_path: Path) -> None:
    with writing(tmp_path / "live") as writer:
        for index in range(3):
            writer.write(observation(index))
        path = a_copy(tmp_path / "live", tmp_path / "copy")
    assert len(read_all(path).samples) == 3


def test_a_log_cut_short_costs_the_last_samples_only(tmp_path: Path) -> None:
    """As after a crash of the machine: the log is read up to where it is whole."""
    with writing(tmp_path / "live") as writer:
        for index in range(20):
            writer.write(observation(index))
        path = a_copy(tmp_path / "live", tmp_path / "copy")
    log = path / f"{PART}-wal"
    (path / f"{PART}-shm").unlink()
    os.truncate(log, log.stat().st_size - 3000)
    run = read_all(path)
    assert 0 < len(run.samples) < 20
    np.testing.assert_array_equal(run.series.site(0).fired[:, 0], np.arange(len(run.samples)))


def test_reading_leaves_a_finished_record_as_it_was(sound: Path, tmp_path: Path) -> None:
    path = a_copy(sound, tmp_path / "copy")
    before = {at.name: at.read_bytes() for at in path.iterdir()}
    run = read_all(path)
    del run
    gc.collect()
    assert {at.name: at.read_bytes() for at in path.iterdir()} == before


def test_a_writer_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Writer(tmp_path / "missing")
    assert list(folder.runs(tmp_path)) == []


@pytest.mark.parametrize("layer", [2, -1, 10**6])
def test_a_site_behind_no_layer_is_damage(sound: Path, tmp_path: Path, layer: int) -> None:
    path = a_copy(sound, tmp_path / "copy")
    with sqlite3.connect(path / PART) as connection:
        connection.execute("UPDATE site SET layer = ?", (layer,))
    with pytest.raises(RecordDamaged):
        load(path)


@pytest.mark.parametrize("arguments", ["null", '"x"', "3", "{}"])
def test_arguments_that_are_no_list_are_damage(sound: Path, tmp_path: Path, arguments: str) -> None:
    path = a_copy(sound, tmp_path / "copy")
    (path / schema.INFO).write_text(f'{{"schema": 1, "script": "x", "arguments": {arguments}}}')
    with pytest.raises(RecordDamaged):
        load(path)
