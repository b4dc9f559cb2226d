"""The grid: what is counted where, that counts add, and what is left of them on disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.records import plain_histogram

from reluctant.record import histogram
from reluctant.record.histogram import BINS, EDGES, count, pack, unpack

ANY = arrays.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32))
# Where functions bend, and the edges themselves, with their neighbours.
NEAR = arrays.arrays(
    np.float32, st.integers(0, 50), elements=st.floats(-8, 8, width=32)
) | st.lists(st.sampled_from(EDGES[1:-1].tolist()), max_size=50).map(
    lambda edges: np.nextafter(
        np.float32(edges), np.float32([(-1) ** at for at in range(len(edges))]) * np.inf
    )
)
COUNTS = arrays.arrays(np.int64, BINS, elements=st.integers(0, 2**40), fill=st.just(0))


def test_the_grid_is_as_it_says() -> None:
    widths = np.diff(EDGES)
    assert EDGES.tolist() == (-EDGES[::-1]).tolist()
    for top, width in ((1, 1 / 16), (3, 1 / 8), (7, 1 / 4), (15, 1 / 2), (31, 1)):
        assert {top, -top} < set(EDGES)
        outside = np.abs(EDGES[1:] + EDGES[:-1]) / 2
        assert set(widths[(outside < top) & (outside > (top - 1) / 2)]) == {width}
    assert EDGES[-1] > 1e6
    assert len(widths) == BINS


@given(ANY | NEAR)
def test_numbers_are_counted_as_one_would_plainly(values: np.ndarray) -> None:
    np.testing.assert_array_equal(count([values]), plain_histogram(values))


@given(NEAR)
def test_the_edges_are_exact(values: np.ndarray) -> None:
    edges = np.float32(EDGES[1:-1])
    for numbers in (values, edges, -edges):
        np.testing.assert_array_equal(count([numbers]), plain_histogram(numbers))


def test_a_wrong_count_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "_FIRST", histogram._FIRST + 1)
    with pytest.raises(AssertionError):
        test_numbers_are_counted_as_one_would_plainly.hypothesis.inner_test(np.ones(3, np.float32))


def test_zero_is_where_a_rectifier_is_flat_and_nan_is_nowhere() -> None:
    counts = count([np.array([0.0, -0.0, np.nan, np.inf, -np.inf], np.float32)])
    assert counts.sum() == 4
    assert counts[BINS // 2 - 1] == 2
    assert counts[0] == counts[-1] == 1
    assert count([]).sum() == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions_are_counted_as_float32(dtype: type) -> None:
    values = np.array([-6e4, -2.0, 0.0625, 3.0, 1e300 if dtype is np.float64 else np.inf], dtype)
    expected = plain_histogram(np.float32([-6e4, -2, 0.0625, 3, np.inf]))
    np.testing.assert_array_equal(count([values]), expected)


@given(st.lists(ANY, max_size=4))
def test_counts_of_parts_add_up_to_those_of_all(parts: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(count(parts), sum((count([part]) for part in parts), count([])))


@given(ANY)
def test_both_sides_are_alike(values: np.ndarray) -> None:
    values = values[values != 0]
    np.testing.assert_array_equal(count([-values]), count([values])[::-1])


# -- on disk ------------------------------------------------------------------------------------


@given(st.lists(COUNTS, max_size=3))
def test_what_is_packed_comes_back(rows: list[np.ndarray]) -> None:
    found = unpack([pack(row) for row in rows])
    np.testing.assert_array_equal(found, np.reshape(rows, (-1, BINS)))


def test_a_usual_histogram_takes_few_bytes() -> None:
    """Four standard deviations on either side: 16 + 16 + 4 bins a side, of two bytes at most."""
    spread = np.random.default_rng(0).normal(size=4096)
    assert len(pack(count([np.clip(spread, -3.9, 3.9)]))) <= 1 + 2 * 36 * 2
    assert pack(count([])) == b""


@pytest.mark.parametrize(
    "blob",
    [
        b"\1",
        b"\1\0",
        b"\1\0\0\0",
        b"\0\0\0",
        b"\2\0\0\0",
        b"\3" + bytes(6),
        b"\1" + bytes(BINS + 2),
    ],
    ids=["no count", "one", "three", "of no width", "of half", "of three bytes", "too many"],
)
def test_what_is_no_histogram_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="a row "):
        unpack([blob])
