"""Numbers go into a page rounded, and come out near what they were."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.report.page.reading import decoded

from reluctant.report.page.figure import Numbers, decades, mark

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 7))
TABLES = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-1e6, 1e6)))


@given(st.lists(st.tuples(TABLES, st.booleans()), min_size=1, max_size=4))
def test_tables_come_back_to_half_a_step(tables: list[tuple[Any, bool]]) -> None:
    numbers = Numbers()
    places = [numbers.add(table, fine=fine) for table, fine in tables]
    for (table, fine), place in zip(tables, places, strict=True):
        step = max(table.max() - table.min(), 1.0) / (65_534 if fine else 254)
        assert np.abs(decoded(place, numbers) - table).max() <= 0.51 * step


@given(arrays(np.float64, (3, 4), elements=st.floats(1e-12, 1e6)))
def test_a_logarithm_keeps_what_is_small(table: Any) -> None:
    numbers = Numbers()
    assert np.allclose(decoded(numbers.add(table, log=True), numbers), table, rtol=1e-3)


@given(arrays(np.float64, (3, 4), elements=st.floats(-1e9, 1e9)))
def test_wide_numbers_keep_the_small_beside_the_large(table: Any) -> None:
    numbers = Numbers()
    back = decoded(numbers.add(table, wide=True), numbers)
    assert (np.abs(back - table) <= 1e-6 + 1e-3 * np.abs(table)).all()


def test_what_is_not_finite_is_a_gap_and_what_is_beyond_is_put_at_the_end() -> None:
    numbers = Numbers()
    place = numbers.add(np.array([[np.nan, np.inf, -np.inf, -5.0, 0.5, 7.0]]), 0, 1, fine=False)
    assert decoded(place, numbers)[0].tolist() == pytest.approx(
        [np.nan, np.nan, np.nan, 0.0, 0.5, 1.0], nan_ok=True, abs=0.002
    )


def test_nothing_positive_has_no_logarithm() -> None:
    numbers = Numbers()
    assert np.isnan(decoded(numbers.add(np.array([[0.0, -1.0]]), log=True), numbers)).all()


def test_an_axis_of_powers_of_ten_names_some_of_them() -> None:
    axis = decades(-6.4, 1.2)
    assert axis["ticktext"][0] == "10⁻⁶"
    assert axis["tickvals"][-1] == pytest.approx(10.0)
    assert len(decades(-30, 2)["tickvals"]) < 9


def test_a_word_at_the_edge_stays_within_the_figure() -> None:
    sides = [mark(x, "<b>", "red", 30)["annotation"] for x in (0, 15, 29)]
    assert [at["xanchor"] for at in sides] == ["left", "center", "right"]
    assert sides[0]["text"] == "&lt;b&gt;"
