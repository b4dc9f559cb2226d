"""The unit map: who is where in it, what is dead in it, and what is put together to fit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import INPUTS, a_run
from tests.report.page import subjects
from tests.report.page.reading import decoded

from reluctant.cli.report import subject
from reluctant.report.page.columns import MOST_COLUMNS, Columns
from reluctant.report.page.figure import Numbers
from reluctant.report.page.profile import profiles
from reluctant.report.page.subject import Subject
from reluctant.report.page.units import MOST_CELLS, UnitMap, downsampled, room, unit_map


def maps(of: Subject, most: int = 256) -> tuple[list[UnitMap], Columns, Numbers]:
    numbers, columns = Numbers(), Columns.over(of.run)
    found = [unit_map(of, profile, series, columns, most, numbers, f"map{place}")
             for place, (profile, series) in enumerate(profiles(of))]  # fmt: skip
    return found, columns, numbers


def cells(at: UnitMap, numbers: Numbers) -> np.ndarray:
    return decoded(at.figure.data[0]["z"], numbers)


def hatched(at: UnitMap, shape: tuple[int, ...]) -> np.ndarray:
    found = np.zeros(shape, dtype=bool)
    for first, last, begin, end in at.figure.hover["spans"]:
        found[first : last + 1, begin : end + 1] = True
    return found


def test_the_dead_are_hatched_from_their_last_firing_on_and_nothing_else_is() -> None:
    found, _, numbers = maps(subjects.dying())
    at = found[subjects.DYING_LAYER]
    names = at.figure.hover["rows"]
    rate = cells(at, numbers)
    dead = hatched(at, rate.shape)
    assert (np.isnan(rate) == dead).all()
    for name, row in zip(names, dead, strict=True):
        unit = int(name.removeprefix("unit "))
        since = subjects.DIES_AT if unit in subjects.DYING_UNITS else 20
        assert row.tolist() == [False] * since + [True] * (20 - since)
    assert at.dead == len(subjects.DYING_UNITS)
    assert [other.dead for other in found if other is not at] == [0, 0]


def test_the_rates_are_the_record_s() -> None:
    found, _, numbers = maps(subjects.healthy())
    rate = cells(found[0], numbers)
    named = [int(name.removeprefix("unit ")) for name in found[0].figure.hover["rows"]]
    assert named == list(range(19, -1, -1)), "the busiest first"
    wanted = np.linspace(20, 180, 20).astype(int)[named] / INPUTS
    assert np.allclose(rate, wanted[:, None], atol=0.5 / 254)


def test_a_margin_is_told_where_a_unit_is_silent() -> None:
    found, _, numbers = maps(subjects.dying())
    at = found[subjects.DYING_LAYER]
    margin = decoded(at.figure.hover["margin"], numbers)
    dead = hatched(at, margin.shape)
    assert np.allclose(margin[dead], -2.0, atol=0.05)
    assert np.isnan(margin[~dead]).all()


def test_what_died_later_lies_above_what_died_earlier() -> None:
    fired = np.full((20, 8), INPUTS // 2)
    for unit, since in enumerate((3, 9, 6, 12, 20, 20, 20, 20)):
        fired[since:, unit] = 0
    run = a_run(depth=1, units=8, sites={0: {"fired": fired}})
    (at,), _, _ = maps(subject(run))
    assert at.figure.hover["rows"][4:] == ["unit 3", "unit 1", "unit 2", "unit 0"]
    assert at.figure.hover["spans"] == [(4, 4, 12, 19), (5, 5, 9, 19), (6, 6, 6, 19), (7, 7, 3, 19)]


def test_a_remedy_ends_a_stretch_of_death_and_is_marked() -> None:
    found, columns, _ = maps(subjects.healed())
    at = found[subjects.DYING_LAYER]
    assert at.dead == 0
    (span,) = at.figure.hover["spans"]
    assert span[2:] == (subjects.DIES_AT, subjects.HEALED_AT - 1)
    assert span[1] - span[0] + 1 == len(subjects.DYING_UNITS)
    lines = {at["x0"] for at in at.figure.layout["shapes"]}
    assert subjects.HEALED_AT - 0.5 in lines
    assert columns.count == 20
    # It was about one layer.
    assert not found[0].figure.layout["shapes"]


def test_a_squashing_function_s_units_are_called_saturated() -> None:
    run = a_run(
        depth=1, function="sigmoid", sites={0: {"fired": 0, "mean": 9.0, "low": 8.0, "high": 10.0}}
    )
    (at,), _, _ = maps(subject(run))
    assert (at.word, at.dead) == ("saturated", 20)
    assert "saturated at the end" in at.figure.text


# -- large networks ---------------------------------------------------------------------------


@given(
    units=st.integers(1, 60),
    samples=st.integers(2, 12),
    most=st.integers(1, 20),
    data=st.data(),
)
def test_rows_put_together_hold_every_unit_once_and_their_means(
    units: int, samples: int, most: int, data: Any
) -> None:
    lives = st.lists(st.integers(0, samples), min_size=units, max_size=units)
    since = np.array(data.draw(lives))
    fired = np.where(np.arange(samples)[:, None] < since, INPUTS // 4, 0)
    run = a_run(depth=1, units=units, steps=range(samples), sites={0: {"fired": fired}})
    of = subject(run)
    (at,), columns, numbers = maps(of, most)
    rate = cells(at, numbers)
    groups = 1 + len(of.diagnosis.findings)
    assert len(rate) <= max(most, 1) + groups if units > most else len(rate) == units
    dead = hatched(at, rate.shape)
    assert (np.isnan(rate) == dead).all()
    # No unit fires where it is hatched: their mean over all cells is that of the record.
    sizes = np.array([1 if name.startswith("unit ") else int(name.split()[0].replace(",", ""))
                      for name in at.figure.hover["rows"]])  # fmt: skip
    assert sizes.sum() == units
    total = (np.nan_to_num(rate) * sizes[:, None]).sum() / (units * columns.count)
    assert total == pytest.approx(fired.mean() / INPUTS, abs=0.01)


@pytest.mark.parametrize("layers", [1, 10, 100, 1000])
def test_maps_of_many_layers_stay_within_what_fits_a_page(layers: int) -> None:
    rows = room(layers, MOST_COLUMNS)
    assert rows == 6 or layers * rows * MOST_COLUMNS <= MOST_CELLS


def test_what_was_put_together_is_told() -> None:
    of = subjects.huge()
    found, columns, _ = maps(of, 100)
    told = downsampled(found, columns)
    assert told is not None
    assert "Up to 6 units share a row" in told
    assert "Up to 2 samples, one after another, share a column; the first 100 have" in told
    few, columns, _ = maps(subjects.dying())
    assert downsampled(few, columns) is None


@given(st.integers(1, 2000))
def test_columns_hold_every_sample_in_order(count: int) -> None:
    columns = Columns.over(a_run(depth=0, steps=range(count)))
    assert columns.count <= MOST_COLUMNS
    assert (np.diff(columns.of) >= 0).all()
    assert np.unique(columns.of).tolist() == list(range(columns.count))
    values = np.arange(len(columns.of), dtype=float)
    means = columns.means(np.arange(len(values)), values)
    assert (np.diff(means) > 0).all()
