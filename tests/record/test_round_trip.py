"""Anything a sample may hold comes back bit for bit, and each sample is whole or is not there."""

import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.commands import ROOT
from tests.record.observations import HIDDEN, LAST, RELU, SITE, observation, writing, written

from reluctant.errors import RecordDamaged
from reluctant.record import folder
from reluctant.record.blobs import pack, pack_counts, unpack, unpack_counts
from reluctant.record.histogram import BINS
from reluctant.record.info import RunInfo
from reluctant.record.observation import (
    Ending,
    HeadRow,
    InputRow,
    LastWeights,
    LayerRow,
    Limits,
    NewParameter,
    Observation,
    SiteRow,
)
from reluctant.record.reader import load
from reluctant.record.run import (
    Head,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    Link,
    Parameter,
    Sample,
    Way,
)
from reluctant.record.writer import Writer

UNITS = 5
COLUMNS = ("mean", "std", "low", "high", "gradient_in", "gradient_out")
ROWS = ("gradient", "weight", "update", "bias")

float32 = arrays.arrays(np.float32, UNITS, elements=st.floats(width=32))
counts = arrays.arrays(np.int64, UNITS, elements=st.integers(0, 2**63 - 1))
histograms = arrays.arrays(np.int64, BINS, elements=st.integers(0, 2**40), fill=st.just(0))
# SQLite keeps no sign of a zero.
losses = st.none() | st.floats().map(lambda value: value + 0.0)
rates = st.none() | st.floats(allow_nan=False).map(lambda value: value + 0.0)


def check_same(one: Any, two: Any) -> None:
    """Bit for bit the same numbers, NaN where NaN was, of whatever kind both are."""
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two), strict=True)


# -- the codec and the round trip -------------------------------------------------------------


@given(counts)
def test_blobs_keep_every_count(values: np.ndarray) -> None:
    check_same(unpack_counts([pack_counts(values)], UNITS), values[None])


@pytest.mark.parametrize(("largest", "width"), [(255, 1), (256, 2), (1 << 16, 4), (1 << 32, 8)])
def test_counts_take_as_few_bytes_as_the_largest_needs(largest: int, width: int) -> None:
    assert len(pack_counts(np.array([0, largest]))) == 2 * width


def test_a_part_of_a_row_goes_where_it_belongs() -> None:
    row = unpack([pack(np.ones(2))], 4, [1])
    check_same(row, np.array([[np.nan, 1, 1, np.nan]], dtype=np.float32))
    with pytest.raises(ValueError, match="does not hold 4"):
        unpack([pack(np.ones(2))], 4, [3])


def test_blobs_are_little_endian_whatever_came_in() -> None:
    assert pack(np.array([1.0], dtype=">f8")) == b"\x00\x00\x80\x3f"
    assert pack_counts(np.array([258], dtype=">i4")) == b"\x02\x01"
    assert pack(np.arange(6.0).reshape(2, 3)[:, 1]) == pack(np.array([1.0, 4.0]))


def test_a_missing_blob_is_a_row_of_nan() -> None:
    values = unpack([pack(np.ones(2)), None], 2)
    check_same(values, np.array([[1, 1], [np.nan, np.nan]], dtype=np.float32))
    assert unpack([], 2).shape == (0, 2)


@st.composite
def samples(draw: st.DrawFn) -> list[Observation]:
    """One to four samples of one site and one layer, with anything that float32 holds in them."""
    found = []
    site = dataclasses.replace(SITE, units=UNITS)
    layer = dataclasses.replace(HIDDEN, units=UNITS, shape=(UNITS, 3))
    for index in range(draw(st.integers(1, 4))):
        gradients = [draw(st.none() | float32) for _ in range(2)]
        at = SiteRow(
            0, draw(st.integers(0, 2**40)), draw(st.integers(0, 2**40)), draw(counts),
            *(draw(float32) for _ in range(4)), *gradients, draw(st.none() | histograms),
        )  # fmt: skip
        row = LayerRow(0, draw(float32), draw(float32), draw(float32), draw(st.none() | float32))
        step = draw(st.integers(0, 2**40))
        facts = (0.25 * index, index + 1, draw(st.booleans()), draw(rates))
        sample = Sample(index, step, 0, draw(losses), draw(rates), *facts)
        new = ((layer, LAST), (RELU,), (site,), ((0, 1),)) if index == 0 else ((), (), (), ())
        found.append(Observation(sample, *new, (at,), (row,)))
    return found


def check_histograms(series: HistogramSeries, seen: list[Observation]) -> None:
    told = [(at.sample.index, at.site_rows[0].histogram) for at in seen]
    counted = [(index, counts) for index, counts in told if counts is not None]
    assert series.samples.tolist() == [index for index, _ in counted]
    for found, (_, expected) in zip(series.counts, counted, strict=True):
        check_same(found, expected)


@settings(max_examples=40, deadline=None)
@given(samples())
def test_what_is_written_is_read(seen: list[Observation]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        with writing(path, steps=7) as writer:
            for at in seen:
                writer.write(at)
        run = load(path)
        assert run.info == RunInfo("train.py", steps=7)
        assert run.functions == (RELU,)
        assert [(at.index, at.name, at.units, at.inputs) for at in run.layers] == [
            (0, "hidden", UNITS, ()),
            (1, "last", LAST.units, (0,)),
        ]
        assert run.layers[0].shape == (UNITS, 3)
        assert [(at.name, at.layer, at.aligned, at.inside) for at in run.sites] == [
            ("hidden:relu", 0, True, True)
        ]
        assert repr(run.samples) == repr(tuple(at.sample for at in seen)), "NaN is no None"
        series, rows = run.series.site(0), run.series.layer(0)
        check_histograms(run.series.histogram(0), seen)
        for position, at in enumerate(seen):
            (site_row,), (layer_row,) = at.site_rows, at.layer_rows
            assert series.samples[position] == rows.samples[position] == at.sample.index
            assert series.inputs[position] == site_row.inputs
            assert series.values[position] == site_row.values
            check_same(series.fired[position], site_row.fired)
            for part, row, names in ((series, site_row, COLUMNS), (rows, layer_row, ROWS)):
                for name in names:
                    value = getattr(row, name)
                    value = np.full(UNITS, np.nan, np.float32) if value is None else value
                    check_same(getattr(part, name)[position], value)


def names(of: type) -> list[str]:
    """The columns of a series."""
    return [field.name for field in dataclasses.fields(of)][1:]


def rows_of(series: type) -> st.SearchStrategy[tuple[float, ...]]:
    """One sample of it: any float64, NaN where SQLite is to have NULL."""
    number = st.floats().map(lambda value: value + 0.0)
    return st.tuples(*[number] * len(names(series)))


parameters = st.builds(
    NewParameter,
    name=st.sampled_from(["weight", "layer.bias", "größe"]),
    root=st.just("Net"),
    shape=st.lists(st.integers(0, 2**40), max_size=4).map(tuple),
    optimized=st.booleans(),
    wanted=st.booleans(),
    used=st.booleans(),
    first_gradient=st.none() | st.integers(0, 2**40),
)
heads = st.lists(
    st.tuples(st.sampled_from(["mse_loss", "cross_entropy"]), st.none() | st.just(0), st.text()),
    max_size=3,
).map(lambda found: tuple(Head(at, *facts) for at, facts in enumerate(found)))


@settings(max_examples=40, deadline=None)
@given(st.data(), heads)
def test_what_layers_and_losses_are_given_comes_back(
    data: st.DataObject, heads: tuple[Head, ...]
) -> None:
    """With gaps: a layer or a head need not be in every sample."""
    fed: dict[int, list[InputRow]] = {}
    given: dict[int, list[HeadRow]] = {}
    told: dict[str, NewParameter] = {}
    last = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as place:
        with writing(path := Path(place)) as writer:
            for index in range(3):
                inputs = [
                    InputRow(layer, data.draw(rows_of(InputSeries)))
                    for layer in data.draw(st.sets(st.sampled_from([0, 1])))
                ]
                losses = [
                    HeadRow(head.index, data.draw(rows_of(HeadSeries)))
                    for head in heads
                    if data.draw(st.booleans())
                ]
                new = data.draw(st.lists(parameters, max_size=3, unique_by=lambda at: at.name))
                told |= {at.name: at for at in new}
                fed[index], given[index] = inputs, losses
                seen = dataclasses.replace(
                    observation(index),
                    parameters=tuple(new),
                    heads=heads if index == 0 else (),
                    outputs=(0,) if last else (),
                    input_rows=tuple(inputs),
                    head_rows=tuple(losses),
                )
                writer.write(seen)
        run = load(path)
        assert run.heads == heads
        assert [at.last for at in run.sites] == [last]
        assert sorted(run.parameters, key=lambda at: at.name) == [
            Parameter(at.name, at.shape, at.optimized, at.wanted, at.used, at.first_gradient)
            for _, at in sorted(told.items())
        ]
        for layer in (0, 1):
            rows = {n: at.numbers for n, found in fed.items() for at in found if at.layer == layer}
            check_series(run.series.fed(layer), rows)
        for head in heads:
            rows = {
                n: at.numbers for n, found in given.items() for at in found if at.head == head.index
            }
            check_series(run.series.head(head.index), rows)


def check_series(series: InputSeries | HeadSeries, rows: dict[int, tuple[float, ...]]) -> None:
    """What was written of each sample, by its index, and no more."""
    assert series.samples.tolist() == list(rows)
    for column, name in enumerate(names(type(series))):
        expected = np.array([row[column] for row in rows.values()], dtype=np.float64)
        check_same(getattr(series, name), expected)


def test_what_is_read_in_part_and_left_out_comes_back(tmp_path: Path) -> None:
    """Of seven units every third; of its three rows one rank has the last two. A skipped step."""
    layer = dataclasses.replace(HIDDEN, units=7, shape=(7, 3), stride=3)
    site = dataclasses.replace(SITE, units=7, stride=3)
    three, two = np.arange(3, dtype=np.float32), np.array([5, 6], dtype=np.float32)
    with writing(tmp_path) as writer:
        writer.write(
            Observation(
                Sample(0, 0, 0, None, None, 0.5, optimizers=2, skipped=True),
                (layer, LAST),
                (RELU,),
                (site,),
                site_rows=(SiteRow(0, 2, 2, three.astype(int), *[three] * 4, None, None),),
                layer_rows=(LayerRow(0, two, two, two, two, first=1),),
            )
        )
    run = load(tmp_path)
    assert run.samples == (Sample(0, 0, 0, None, None, 0.5, optimizers=2, skipped=True),)
    assert [(at.stride, at.read) for at in (*run.layers, *run.sites)] == [(3, 3), (1, 4), (3, 3)]
    check_same(run.series.site(0).high, three[None])
    for name in ROWS:
        check_same(getattr(run.series.layer(0), name), np.array([[np.nan, 5, 6]], np.float32))


def test_the_facts_of_a_function_come_back(tmp_path: Path) -> None:
    assert load(written(tmp_path)).functions == (RELU,)


def test_what_ran_comes_back(tmp_path: Path) -> None:
    info = RunInfo("träin.py", ("--lr", "0.1 ", ""), cwd="/a b", seed=3, module=True, exit_code=-9)
    folder.write_info(tmp_path, info)
    assert load(tmp_path).info == info


def test_a_series_nobody_wrote_is_empty(tmp_path: Path) -> None:
    run = load(written(tmp_path))
    assert run.series.layer(1).gradient.shape == (0, LAST.units)
    assert run.series.layer(0).gradient.shape == (3, HIDDEN.units)


# -- one transaction a sample -----------------------------------------------------------------


@pytest.mark.parametrize("broken", ["site_rows", "layer_rows", "feeds"])
def test_of_a_sample_that_fails_nothing_stays(tmp_path: Path, broken: str) -> None:
    bad = {"site_rows": (None,), "layer_rows": (None,), "feeds": ((0, 1, 2),)}
    with writing(tmp_path) as writer:
        writer.write(observation(0))
        new = dataclasses.replace(HIDDEN, index=9, name="new")
        half = dataclasses.replace(observation(1), layers=(new,), **{broken: bad[broken]})
        with pytest.raises((AttributeError, sqlite3.Error)):
            writer.write(half)
        run = load(tmp_path)
        assert [at.index for at in run.samples] == [0]
        assert [at.name for at in run.layers] == ["hidden", "last"]
        assert len(run.series.site(0).samples) == len(run.series.layer(0).samples) == 1
        writer.write(observation(1))
    assert [at.index for at in load(tmp_path).samples] == [0, 1]


def test_a_sample_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    """A reader looks in while a sample is being written."""
    seen: list[int] = []

    class Peeking(tuple[LayerRow, ...]):
        def __iter__(self) -> Any:
            seen.append(len(load(tmp_path).samples))
            return super().__iter__()

    with writing(tmp_path) as writer:
        writer.write(observation(0))
        second = observation(1)
        writer.write(dataclasses.replace(second, layer_rows=Peeking(second.layer_rows)))
        assert seen == [1]
        assert len(load(tmp_path).samples) == 2


# -- a reader beside a writer -----------------------------------------------------------------


def test_a_reader_that_lingers_does_not_hinder_the_writer(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.write(observation(0))
        early = load(tmp_path)
        for index in range(1, 50):
            writer.write(observation(index))
        # What came after the reader had read the list of samples is there, and does no harm.
        assert len(early.samples) == 1
        assert len(early.series.site(0).samples) >= 1
        assert len(load(tmp_path).samples) == 50


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.record.observations import observation, writing

with writing(Path({path!r})) as writer:
    for index in range(10_000):
        writer.write(observation(index))
        print(index, flush=True)
"""


def killed(path: Path, after: int) -> int:
    """Kill a process that writes to `path`; how many samples it said it had written."""
    program = _KILLED.format(root=str(ROOT), path=str(path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(after):
            assert process.stdout.readline()
        process.kill()
        rest = process.stdout.read().count(b"\n")
    assert process.returncode == -signal.SIGKILL
    return after + rest


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_writer_leaves_all_that_it_had_written(tmp_path: Path) -> None:
    said = killed(tmp_path, after=25)
    assert (tmp_path / "rank-0.sqlite-wal").stat().st_size > 0, "nothing was folded in"
    run = load(tmp_path)
    # It may have died between writing a sample and saying so.
    assert len(run.samples) in (said, said + 1)
    check_same(run.series.site(0).fired[:, 0], np.arange(len(run.samples)))


def test_two_writers_of_one_rank_do_not_mix(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(sqlite3.Error):
        Writer(tmp_path)
    assert len(load(tmp_path).samples) == 3


# -- what is written once, at the end ---------------------------------------------------------


@settings(max_examples=30)
@given(st.data())
def test_what_is_written_at_the_end_is_read(data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=3, max_dims=3, max_side=4))
    numbers = arrays.arrays(np.float32, shape, elements=st.floats(width=32))
    weight = data.draw(st.none() | numbers)
    bias, low, high = (data.draw(st.none() | float32), data.draw(float32), data.draw(float32))
    ways = (
        Way(0, None, (Link("zero", 0), Link("product", 0), Link("repeat", 3))),
        Way(1, 0, (Link("product", 1),), "dropout"),
    )
    ending = Ending(ways, (LastWeights(1, weight, bias, 2.0**-24),), (Limits(0, low, high),))
    with tempfile.TemporaryDirectory() as place:
        with writing(Path(place)) as writer:
            first = observation(0)
            second = dataclasses.replace(SITE, index=1, name="last:relu", layer=1)
            writer.write(dataclasses.replace(first, sites=(SITE, second)))
            writer.end(ending)
        run = load(place)
        assert run.ways == ways
        assert run.series.weights(0) is None
        assert run.series.limits(1) is None
        found, limits = run.series.weights(1), run.series.limits(0)
        assert found is not None
        assert limits is not None
        for one, two in ((found.weight, weight), (found.bias, bias)):
            assert (one is None) == (two is None)
            if one is not None:
                check_same(one, two)
        assert found.rounding == 2.0**-24
        check_same(limits[0], low)
        check_same(limits[1], high)


def test_a_way_to_a_site_of_no_sample_is_not_there(tmp_path: Path) -> None:
    """The last sample may have begun, and not come to its end."""
    with writing(tmp_path) as writer:
        writer.write(observation(0))
        writer.end(Ending((Way(0), Way(1, 0))))
    assert load(tmp_path).ways == (Way(0),)


@pytest.mark.parametrize("way", [Way(0, 7), Way(0, None, (Link("product", 2),))])
def test_a_way_from_nowhere_is_damage(tmp_path: Path, way: Way) -> None:
    with writing(tmp_path) as writer:
        writer.write(observation(0))
        writer.end(Ending((way,)))
    with pytest.raises(RecordDamaged, match="begins nowhere"):
        load(tmp_path)


def test_a_record_from_before_there_were_histograms_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    with sqlite3.connect(tmp_path / "rank-0.sqlite") as connection:
        connection.execute("ALTER TABLE site_sample DROP COLUMN histogram")
        connection.execute("PRAGMA user_version = 5")
    connection.close()
    run = load(tmp_path)
    assert run.series.histogram(0).counts.shape == (0, BINS)
    assert run.series.site(0).samples.tolist() == [0, 1, 2]


def test_a_record_from_before_costs_were_told_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    with sqlite3.connect(tmp_path / "rank-0.sqlite") as connection:
        connection.execute("ALTER TABLE sample DROP COLUMN observing")
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    assert [at.observing for at in load(tmp_path).samples] == [None] * 3


def test_a_record_from_before_answers_were_counted_is_read(tmp_path: Path) -> None:
    head = Head(0, "cross_entropy", None)
    numbers = tuple(map(float, range(len(dataclasses.fields(HeadSeries)) - 1)))
    with writing(tmp_path) as writer:
        writer.write(
            dataclasses.replace(observation(0), heads=(head,), head_rows=(HeadRow(0, numbers),))
        )
    with sqlite3.connect(tmp_path / "rank-0.sqlite") as connection:
        for column in ("correct", "commonest"):
            connection.execute(f"ALTER TABLE head_sample DROP COLUMN {column}")
        connection.execute("ALTER TABLE sample DROP COLUMN observing")
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    found = load(tmp_path).series.head(0)
    assert found.constant.tolist() == [9.0]
    assert np.isnan([*found.correct, *found.commonest]).tolist() == [True] * 2


def test_a_record_from_before_there_were_ways_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    with sqlite3.connect(tmp_path / "rank-0.sqlite") as connection:
        for table in ("way", "last_weight", "fed_limits"):
            connection.execute(f"DROP TABLE {table}")
        ((facts,),) = connection.execute("SELECT facts FROM function")
        old = {key: at for key, at in json.loads(facts).items() if key not in ("rise", "straight")}
        connection.execute("UPDATE function SET facts = ?", (json.dumps(old),))
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    run = load(tmp_path)
    assert run.ways == ()
    assert run.series.weights(0) is None
    assert run.functions == (RELU,)
