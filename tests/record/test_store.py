"""The store: what goes in comes out, all of a sample or nothing, whatever happens to the file."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reluctant.errors import (
    FolderNotWritable,
    RecordDamaged,
    RecordTooNew,
    RunNotFound,
)
from reluctant.record import folder, schema
from reluctant.record.blobs import pack, unpack
from reluctant.record.info import RunInfo
from reluctant.record.observation import LayerRow, NewLayer, NewSite, Observation, SiteRow
from reluctant.record.reader import load
from reluctant.record.run import Function, Sample
from reluctant.record.writer import Writer

UNITS = 3


def observation(index: int, loss: float | None = 0.5) -> Observation:
    values = np.arange(UNITS, dtype=np.float32) + index
    first = index == 0
    return Observation(
        Sample(index, 10 * index, 0, loss, 0.1, float(index)),
        layers=(NewLayer(0, "fc", "Net", "Linear", (UNITS, 4), UNITS, 1),) if first else (),
        functions=(Function(0, "leaky_relu", {"negative_slope": 0.1}),) if first else (),
        sites=(NewSite(0, "act:leaky_relu", "Net", 0, 0, UNITS, True, True),) if first else (),
        site_rows=(
            SiteRow(0, 5, 50, np.arange(UNITS), values, values, -values, values, None, values),
        ),
        layer_rows=(LayerRow(0, values, values, values / 10, None),),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    folder.write_info(path, RunInfo("train.py", arguments=("--lr", "1"), started="now"))
    return path


@pytest.fixture
def written(place: Path) -> Path:
    writer = Writer(place)
    for index in range(4):
        writer.write(observation(index))
    writer.close()
    return place


def test_what_goes_in_comes_out(written: Path) -> None:
    run = load(written)
    assert (run.info.script, run.info.arguments) == ("train.py", ("--lr", "1"))
    assert run.steps.tolist() == [0, 10, 20, 30]
    assert (run.layers[0].name, run.sites[0].name) == ("fc", "act:leaky_relu")
    assert run.functions[0].label == "leaky_relu(0.1)"
    site, layer = run.series.site(0), run.series.layer(0)
    assert site.samples.tolist() == [0, 1, 2, 3]
    assert site.inputs.tolist() == [5] * 4
    assert site.high[2].tolist() == [2, 3, 4]
    assert np.isnan(site.gradient_in).all()
    assert np.isnan(layer.bias).all()
    assert layer.update[1] == pytest.approx([0.1, 0.2, 0.3])


@given(arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(4))))
def test_arrays_survive_packing(values: np.ndarray) -> None:
    np.testing.assert_array_equal(unpack([pack(row) for row in values], 4), values)


def test_a_loss_that_is_nan_is_not_a_loss_that_is_unknown(place: Path) -> None:
    writer = Writer(place)
    for index, loss in enumerate((None, float("nan"), float("inf"), 1.5)):
        writer.write(observation(index, loss))
    writer.close()
    unknown, nan, infinite, known = (sample.loss for sample in load(place).samples)
    assert unknown is None
    assert nan is not None
    assert nan != nan
    assert (infinite, known) == (float("inf"), 1.5)


def test_a_sample_is_written_whole_or_not_at_all(place: Path) -> None:
    writer = Writer(place)
    writer.write(observation(0))
    broken = observation(1)
    broken = Observation(broken.sample, site_rows=(broken.site_rows[0], "no row"))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        writer.write(broken)
    writer.write(observation(2))
    writer.close()
    assert load(place).steps.tolist() == [0, 20]


def test_samples_of_one_call_are_written_all_or_none(place: Path) -> None:
    writer = Writer(place)
    writer.write(observation(0), observation(1))
    broken = Observation(observation(3).sample, site_rows=("no row",))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        writer.write(observation(2), broken)
    writer.write(observation(4))
    writer.close()
    assert load(place).steps.tolist() == [0, 10, 40]


def test_it_can_be_read_while_it_is_written(place: Path) -> None:
    writer = Writer(place)
    for index in range(3):
        writer.write(observation(index))
        assert len(load(place).samples) == index + 1
    writer.close()


def test_what_is_written_later_is_not_read(place: Path) -> None:
    """The series are read after all else, when there may be more of them."""
    writer = Writer(place)
    writer.write(observation(0))
    run = load(place)
    writer.write(observation(1))
    assert len(run.samples) == len(run.series.site(0).samples) == 1
    assert len(run.series.layer(0).samples) == 1
    assert len(load(place).samples) == 2
    writer.close()


def test_a_killed_writer_leaves_what_it_committed(place: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from reluctant.record.writer import Writer
from tests.record.test_store import observation
writer = Writer(Path({str(place)!r}))
for index in range(7):
    writer.write(observation(index))
writer._connection.execute("BEGIN")
writer._connection.execute("INSERT INTO sample VALUES (99, 99, 0, 0, 0, 0, 1, 0, 0)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], timeout=300
    )
    assert done.returncode == -9
    assert len(load(place).samples) == 7


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_cut_file_is_called_damaged(written: Path, share: float) -> None:
    part = written / schema.part(0)
    content = part.read_bytes()
    part.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RecordDamaged, match="damaged"):
        read_all(written)


def test_rubbish_is_called_damaged(written: Path) -> None:
    (written / schema.part(0)).write_bytes(b"no database" * 1000)
    with pytest.raises(RecordDamaged):
        read_all(written)


def read_all(path: Path) -> None:
    run = load(path)
    for site in run.sites:
        run.series.site(site.index)
    for layer in run.layers:
        run.series.layer(layer.index)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 1}', "null"])
def test_a_broken_run_json_is_called_damaged(written: Path, content: str) -> None:
    (written / schema.INFO).write_text(content)
    with pytest.raises(RecordDamaged):
        load(written)


def test_what_is_newer_is_refused(written: Path) -> None:
    with sqlite3.connect(written / schema.part(0)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(RecordTooNew, match="pip install --upgrade"):
        load(written)
    info = json.loads((written / schema.INFO).read_text())
    (written / schema.INFO).write_text(json.dumps({**info, "schema": schema.VERSION + 1}))
    with pytest.raises(RecordTooNew):
        load(written)


def test_fields_that_a_later_version_adds_are_passed_over(written: Path) -> None:
    info = json.loads((written / schema.INFO).read_text())
    (written / schema.INFO).write_text(json.dumps({**info, "colour": "green"}))
    assert load(written).info.script == "train.py"


def test_a_run_without_observations_loads(place: Path) -> None:
    assert load(place).samples == ()
    Writer(place).close()
    assert load(place).samples == ()


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunNotFound):
            load(path)


# -- folders ----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(script: str = "train.py", out: Path | None = None) -> Path:
    path = folder.create(script, out)
    folder.write_info(path, RunInfo(script))
    return path


def test_runs_in_the_same_second_have_folders_of_their_own(here: Path) -> None:
    paths = [made() for _ in range(3)]
    assert len(set(paths)) == 3
    assert list(folder.runs()) == paths
    assert folder.find(None) == paths[-1]
    assert (here / ".reluctant" / ".gitignore").read_text() == "*\n"


def test_odd_names(here: Path) -> None:
    assert made("dir with blanks/trainé & co.py").name.endswith("-trainé-co")
    assert made(".").is_dir()


def test_runs_are_found_by_their_beginning(here: Path) -> None:
    one = made("one.py")
    made("two.py")
    assert folder.find(one.name) == one
    with pytest.raises(RunNotFound, match="2 runs begin with"):
        folder.find(one.name[:4])
    with pytest.raises(RunNotFound, match="There is no run"):
        folder.find("zzz")


def test_a_folder_is_not_used_twice(here: Path) -> None:
    assert made(out=Path("sub/out")) == here / "sub" / "out"
    with pytest.raises(FolderNotWritable, match="already holds a run"):
        folder.create("train.py", Path("sub/out"))


def test_a_file_in_the_way(here: Path) -> None:
    (here / ".reluctant").write_text("")
    with pytest.raises(FolderNotWritable, match="--out DIR"):
        folder.create("train.py")
