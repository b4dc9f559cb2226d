"""A column that stays in its file is to its readers what the same numbers in memory are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.record.observations import UNITS, observation, writing, written

from reluctant.diagnosis import diagnose
from reluctant.errors import RecordDamaged
from reluctant.record import columns, rows
from reluctant.record.columns import Stored, histories, stretches
from reluctant.record.reader import load

NUMBERS = np.arange(40.0).reshape(8, 5)


def stored(numbers: np.ndarray) -> Stored:
    return Stored(numbers.shape, "one", lambda names, first, last: [numbers[first:last]])


@pytest.mark.parametrize("at", [0, -1, slice(2, 5), slice(-3, None), slice(5, 2), slice(None)])
def test_what_is_asked_for_is_read(at: int | slice) -> None:
    np.testing.assert_array_equal(stored(NUMBERS)[at], NUMBERS[at], strict=True)


def test_as_an_array_it_is_read_whole() -> None:
    np.testing.assert_array_equal(np.asarray(stored(NUMBERS)), NUMBERS, strict=True)


def test_what_is_not_there_cannot_be_read() -> None:
    with pytest.raises(IndexError):
        stored(NUMBERS)[8]
    with pytest.raises(ValueError, match="one after another"):
        stored(NUMBERS)[::2]


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 100), st.data())
def test_stretches_are_short_and_leave_nothing_out(
    samples: int, units: int, most: int, data: st.DataObject
) -> None:
    ends = st.integers(-samples - 2, samples + 2)
    within = slice(data.draw(ends), data.draw(ends))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MOST_READ", most)
        found = list(stretches(np.empty((samples, units)), within))
    assert [at for part in found for at in range(samples)[part]] == list(range(samples)[within])
    assert all((part.stop - part.start) * units <= max(most, units) for part in found)


@given(st.integers(0, 6), st.sets(st.integers(0, 29)), st.integers(1, 100))
def test_histories_are_those_of_the_units(samples: int, chosen: set[int], most: int) -> None:
    numbers = np.arange(samples * 30).reshape(samples, 30)
    units = np.array(sorted(chosen), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MOST_READ", most)
        patch.setattr(columns, "MOST_GATHERED", most)
        found = list(histories(units, numbers, -numbers))
    np.testing.assert_array_equal(np.concatenate([some for some, _ in found]), units)
    for some, (one, other) in found:
        np.testing.assert_array_equal(one, numbers[:, some], strict=True)
        np.testing.assert_array_equal(other, -one)


# -- in a record ------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every series is too large to be held."""
    monkeypatch.setattr(rows, "MOST_HELD", 0)
    monkeypatch.setattr(columns, "MOST_READ", 2 * UNITS)


def test_large_series_are_those_of_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load(written(tmp_path, samples=7))
    small = [run.series.site(0), run.series.layer(1)]
    monkeypatch.setattr(rows, "MOST_HELD", 0)
    for one, other in zip(small, [run.series.site(0), run.series.layer(1)], strict=True):
        assert vars(one).keys() == vars(other).keys()
        for name, numbers in vars(one).items():
            assert isinstance(getattr(other, name), Stored) == (numbers.ndim == 2)
            np.testing.assert_array_equal(getattr(other, name), numbers, strict=True)


def test_a_large_record_has_the_diagnosis_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = repr(diagnose(load(written(tmp_path, samples=30))))
    monkeypatch.setattr(rows, "MOST_HELD", 0)
    monkeypatch.setattr(columns, "MOST_READ", 1)
    assert repr(diagnose(load(tmp_path))) == small


@pytest.mark.parametrize("fits", [True, False])
def test_what_fits_into_the_room_is_held(tmp_path: Path, fits: bool) -> None:
    """All columns share the room alike; the diagnosis is the same."""
    whole = load(written(tmp_path, samples=30))
    columns_of_all = 7 * len(whole.sites) + 4 * len(whole.layers)
    run = load(tmp_path, room=30 * UNITS * columns_of_all - (not fits))
    for series in (run.series.site(0), run.series.layer(1)):
        large = [column for column in vars(series).values() if len(column.shape) == 2]
        assert large
        assert [isinstance(column, Stored) for column in large] == [not fits] * len(large)
    assert repr(diagnose(run)) == repr(diagnose(whole))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["site", "layer"])
def test_a_row_of_the_wrong_length_is_seen_before_it_is_read(tmp_path: Path, kind: str) -> None:
    with writing(tmp_path) as writer:
        writer.write(observation(0))
        writer.write(observation(1, units=UNITS + 1))
    run = load(tmp_path)
    with pytest.raises(RecordDamaged, match="does not hold"):
        getattr(run.series, kind)(0)
