"""Bars: their areas are shares of what was counted, whatever their widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import plain_histogram

from reluctant.record.histogram import EDGES
from reluctant.report.histogram import MOST_BARS, bars, ends, shares

SCALES = st.sampled_from([1e-3, 0.1, 1.0, 5.0, 40.0, 3000.0])
MEANS = st.sampled_from([0.0, 1.0, -4.0, 60.0, -1e4])


def fed(mean: float, std: float, size: int = 4096) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, std, size)


@given(MEANS, SCALES, st.sampled_from([1, 60, 500, 4096]))
def test_bars_are_the_share_of_numbers_between_their_ends(
    mean: float, std: float, size: int
) -> None:
    values = fed(mean, std, size)
    share = shares(plain_histogram(values)[None])
    left, right = ends(share[0])
    drawn = bars(share, size, left, right)
    assert (drawn.edges[0], drawn.edges[-1]) == (left, right)
    assert len(drawn.widths) <= 2 * MOST_BARS
    assert drawn.beyond[0] <= 0.04 + 1e-9
    expected = [((low < values) & (values < high)).mean() for low, high in zip(
        drawn.edges[:-1], drawn.edges[1:], strict=True)]  # fmt: skip
    np.testing.assert_allclose(drawn.shares[0], expected, atol=1e-9)
    area = float((drawn.heights[0] * drawn.widths).sum())
    assert area + float(drawn.beyond[0]) == pytest.approx(1)


def test_a_picture_goes_as_far_as_there_is_something_to_see() -> None:
    for values, expected in (
        (fed(0, 1), (-6, 6)),
        (fed(0, 1e-3), (-6, 6)),
        (fed(-20, 3), (-31, 6)),
        (fed(8, 0.2), (-6, 9)),
        (np.full(9, 1e12), (-6, EDGES[-1])),
        (np.empty(0), (-6, 6)),
    ):
        assert ends(shares(plain_histogram(values)[None])[0]) == expected


def test_the_fewer_were_counted_the_wider_the_bars() -> None:
    share = shares(plain_histogram(fed(0, 1))[None])
    widths = [bars(share, size, -6, 6).widths.min() for size in (10, 300, 600, 4096)]
    assert widths == [0.5, 0.5, 0.25, 0.125]


def test_several_share_their_bars() -> None:
    counts = np.array([plain_histogram(fed(0, 1)), plain_histogram(np.full(5, 0.3)), 0 * EDGES[1:]])
    drawn = bars(shares(counts), 5, -6, 6)
    assert drawn.shares.shape == (3, len(drawn.widths))
    assert drawn.shares[1].max() == 1
    assert not drawn.shares[2].any()
    assert drawn.beyond.tolist() == pytest.approx([0, 0, 0])
    assert dict(zip(drawn.names(), drawn.shares[1].tolist(), strict=True))["0 to 0.5"] == 1


def test_bars_are_named_by_their_ends() -> None:
    share = shares(plain_histogram(fed(0, 1))[None])
    names = list(bars(share, 4096, -31, 6).names())
    assert names[0] == "−31 to −30"
    assert "−0.25 to 0" in names
    assert names[-1] == "5.75 to 6"
    assert next(bars(share, 9, -1023, 6).names()) == "−1,023 to −991"
