"""A part of a run is what it would have been if the run had begun and ended there."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnosis.test_properties import runs
from tests.record.observations import UNITS, observation, writing, written
from tests.records import a_run

from reluctant.diagnosis import diagnose
from reluctant.record import columns, rows
from reluctant.record.columns import Stored, histories, together
from reluctant.record.reader import load
from reluctant.record.run import Intervention, Run
from reluctant.record.window import window

COUNT = 9
ENDS = [(0, None), (0, COUNT), (3, None), (3, 7), (8, None), (4, 4), (COUNT, None), (20, 30)]


@pytest.fixture(params=["memory", "small", "large"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """In memory, stored and held, or stored and read in short stretches."""
    if request.param == "memory":
        numbers = np.arange(COUNT * UNITS, dtype=float).reshape(COUNT, UNITS)
        return a_run(
            depth=2, units=UNITS, steps=range(7, 7 + 10 * COUNT, 10), fed={"mean": range(COUNT)},
            head={}, sites={0: {"mean": numbers}}, rows={0: {"gradient": numbers}},
        )  # fmt: skip
    if request.param == "large":
        monkeypatch.setattr(rows, "MOST_HELD", 0)
        monkeypatch.setattr(columns, "MOST_READ", 2 * UNITS)
    return load(written(tmp_path, samples=COUNT))


def check_cut(part: Any, whole: Any, first: int, last: int | None) -> None:
    """A series is that of the whole run, without what is outside."""
    end = COUNT if last is None else last
    within = [at for at, sample in enumerate(whole.samples) if first <= sample < end]
    np.testing.assert_array_equal(part.samples, whole.samples[within] - first)
    for name in (at.name for at in fields(whole) if at.name != "samples"):
        found, expected = getattr(part, name), getattr(whole, name)
        assert isinstance(found, Stored) == isinstance(expected, Stored)
        assert found.shape == (len(within), *expected.shape[1:])
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected)[within], strict=True)
        for at in range(-len(within), len(within)):
            np.testing.assert_array_equal(found[at], np.asarray(expected)[within][at])
        for at in (slice(1, 3), slice(-2, None), slice(2, 1)):
            np.testing.assert_array_equal(found[at], np.asarray(expected)[within][at])


@pytest.mark.parametrize(("first", "last"), ENDS)
def test_a_window_is_a_slice(run: Run, first: int, last: int | None) -> None:
    part = window(run, first, last)
    expected = run.samples[first:last]
    assert [at.index for at in part.samples] == list(range(len(expected)))
    assert part.steps.tolist() == [at.step - expected[0].step for at in expected]
    np.testing.assert_array_equal(part.losses, run.losses[first:last])
    check_cut(part.series.site(0), run.series.site(0), first, last)
    check_cut(part.series.histogram(0), run.series.histogram(0), first, last)
    for layer in (0, 1):
        check_cut(part.series.layer(layer), run.series.layer(layer), first, last)
        check_cut(part.series.fed(layer), run.series.fed(layer), first, last)
    for head in run.heads:
        check_cut(part.series.head(head.index), run.series.head(head.index), first, last)


def test_what_the_run_met_stays(run: Run) -> None:
    part = window(run, 2, 5)
    for name in ("info", "layers", "sites", "functions", "path", "parameters", "heads", "ways"):
        assert getattr(part, name) is getattr(run, name)
    assert part.series.weights(0) is run.series.weights(0)
    assert part.series.limits(0) is run.series.limits(0)


def test_of_what_was_done_there_is_what_was_done_within(run: Run) -> None:
    steps = [at.step for at in run.samples]
    did = [
        Intervention(at, step, *("",) * 3, None, None, "", 0, 0) for at, step in enumerate(steps)
    ]
    part = window(replace(run, interventions=tuple(did)), 2, 5)
    assert [(at.index, at.step) for at in part.interventions] == [(2, 0), (3, 10), (4, 20)]


def test_a_window_of_a_window_is_a_window(run: Run) -> None:
    one, other = window(window(run, 2, 8), 1, 4), window(run, 3, 6)
    assert one.samples == other.samples
    check_cut(one.series.site(0), run.series.site(0), 3, 6)
    check_cut(one.series.layer(0), run.series.layer(0), 3, 6)


def test_series_with_gaps_keep_them(tmp_path: Path) -> None:
    """The second layer is in every other sample."""
    with writing(tmp_path) as writer:
        for index in range(COUNT):
            writer.write(observation(index, rows=1 + index % 2))
    run = load(tmp_path)
    part = window(run, 2, 7).series.layer(1)
    assert part.samples.tolist() == [1, 3]
    check_cut(part, run.series.layer(1), 2, 7)


def test_columns_of_the_same_rows_are_still_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_HELD", 0)
    monkeypatch.setattr(columns, "MOST_READ", UNITS)
    run = load(written(tmp_path, samples=COUNT))
    whole, part = run.series.site(0), window(run, 3, 8).series.site(0)
    assert isinstance(part.mean, Stored)
    assert isinstance(part.std, Stored)
    assert part.mean.read is part.std.read
    for found in together(slice(1, 4), part.mean, part.std):
        np.testing.assert_array_equal(found, np.asarray(whole.mean)[4:7])
    for units, (mean, fired) in histories(np.array([0, 2]), part.mean, part.fired):
        np.testing.assert_array_equal(mean, np.asarray(whole.mean)[3:8, units])
        np.testing.assert_array_equal(fired, np.asarray(whole.fired)[3:8, units])


# -- what is said of it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("run"), samples=30)


@given(runs())
def test_a_window_of_all_has_the_diagnosis_of_all(run: Run) -> None:
    """Once steps are counted from its first sample."""
    origin = run.samples[0].step
    run = replace(run, samples=tuple(replace(at, step=at.step - origin) for at in run.samples))
    assert repr(diagnose(window(run, 0))) == repr(diagnose(run))


@given(runs(), st.integers(0, 13), st.none() | st.integers(0, 13))
def test_any_window_has_a_diagnosis(run: Run, first: int, last: int | None) -> None:
    diagnose(window(run, first, last))


@given(st.integers(0, 31), st.none() | st.integers(0, 31), st.booleans())
def test_any_window_of_a_record_has_a_diagnosis(
    record: Path, first: int, last: int | None, large: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if large:
            patch.setattr(rows, "MOST_HELD", 0)
            patch.setattr(columns, "MOST_READ", 1)
        run = load(record)
        diagnose(window(run, first, last))


def test_a_window_has_the_diagnosis_of_a_run_of_its_own() -> None:
    """What happened before it is as if it had not been: units that died are dead from the start."""
    fired = np.full((40, 20), 100)
    fired[10:, :6] = 0
    run = a_run(steps=range(0, 400, 10), sites={1: {"fired": fired}})
    alone = a_run(
        steps=range(0, 200, 10),
        losses=run.losses[20:].tolist(),
        sites={1: {"fired": fired[20:]}},
    )
    found, expected = diagnose(window(run, 20)), diagnose(alone)
    assert [(at.slug, at.layer, at.first_step, at.cause.slug) for at in found.findings] == [
        (at.slug, at.layer, at.first_step, at.cause.slug) for at in expected.findings
    ]
    assert any(at.slug == "dead-units" and at.cause.slug == "born-dead" for at in found.findings)
    assert not any(at.cause.slug == "born-dead" for at in diagnose(run).findings)
