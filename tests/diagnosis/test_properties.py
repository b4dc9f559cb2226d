"""What holds of any record at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import INPUTS, a_run, layer_series, permuted, site_series

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.reading import GROWN, MISTAKE, deaths, firing_bound, update_ratios
from reluctant.diagnosis.symmetric import _sorted
from reluctant.record import columns
from reluctant.record.run import Run

UNITS = 6


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Records with anything in them: NaN, infinities, zeros, one sample, sudden deaths."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 12))
    depth = draw(st.integers(1, 4))
    strange = draw(st.sampled_from([0.0, 0.05, 0.5]))

    def numbers(scale: float) -> np.ndarray:
        values = scale * generator.standard_normal((count, UNITS))
        odd = generator.random((count, UNITS)) < strange
        return np.where(odd, generator.choice([np.nan, np.inf, -np.inf, 0.0], odd.shape), values)

    def fired() -> np.ndarray:
        dead_from = generator.integers(0, count + 2, UNITS)
        rate = generator.choice([1, INPUTS // 2, INPUTS], UNITS)
        return np.where(np.arange(count)[:, None] < dead_from, rate, 0)

    sites = {
        index: {
            "fired": fired(), "mean": numbers(1), "std": np.abs(numbers(1)), "low": numbers(3),
            "high": numbers(3), "gradient_in": np.abs(numbers(1e-3)),
            "gradient_out": np.abs(numbers(10.0 ** -(3 * index))),
        }
        for index in range(depth)
    }  # fmt: skip
    rows = {
        index: {
            "update": np.abs(numbers(0.3)), "weight": np.abs(numbers(1)), "bias": numbers(1),
            "gradient": np.abs(numbers(1)),
        }
        for index in range(depth + 1)
    }  # fmt: skip
    unknown = generator.random(count) < strange / 2
    losses = [
        None if odd else float(value) for odd, value in zip(unknown, numbers(2)[:, 0], strict=True)
    ]
    return a_run(
        depth=depth,
        units=UNITS,
        function=draw(st.sampled_from(["relu", "sigmoid", "tanh"])),
        steps=np.cumsum(generator.integers(1, 30, count)).tolist(),
        losses=losses,
        sites=sites,
        rows=rows,
    )


@settings(max_examples=200, deadline=None)
@given(runs(), st.permutations(range(UNITS)))
def test_any_record_has_one_diagnosis_whatever_the_order_of_units(
    run: Run, order: list[int]
) -> None:
    first = diagnose(run)
    assert repr(diagnose(run)) == repr(first)
    other = diagnose(permuted(run, order))
    for one, two in zip(first.findings, other.findings, strict=True):
        assert (one.slug, one.severity, one.layer, one.first_step, one.cause.slug) == (
            two.slug,
            two.severity,
            two.layer,
            two.first_step,
            two.cause.slug,
        )
        if one.units is not None and two.units is not None:
            assert sorted(order[unit] for unit in two.units.indices) == list(one.units.indices)


@settings(max_examples=50, deadline=None)
@given(runs())
def test_a_diagnosis_is_the_same_however_little_is_read_at_once(run: Run) -> None:
    whole = repr(diagnose(run))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MOST_READ", 2 * UNITS)
        assert repr(diagnose(run)) == whole


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 40), st.integers(1, 3))
def test_the_order_of_columns_is_that_of_all_their_rows(
    seed: int, rows: int, units: int, different: int
) -> None:
    keys = np.random.default_rng(seed).integers(0, different, (rows, units)).astype(np.float32)
    np.testing.assert_array_equal(_sorted(keys), np.lexsort(keys[::-1]))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.9]))
def test_update_ratios_are_the_medians_of_the_rows_that_have_grown(seed: int, odd: float) -> None:
    generator = np.random.default_rng(seed)
    shape = (7, UNITS)
    update = generator.random(shape).astype(np.float32)
    update[generator.random(shape) < odd] = np.nan
    series = layer_series(*shape, update=update, weight=2 * GROWN * generator.random(shape))
    known, ratios = update_ratios(series)
    grown = np.where(series.weight >= GROWN, update.astype(np.float64), np.nan)
    np.testing.assert_array_equal(known, np.isfinite(grown).any(axis=1))
    np.testing.assert_array_equal(ratios, [np.nanmedian(row) for row in grown[known]])


def test_the_bound_is_exact() -> None:
    inputs = np.arange(1, 1000)
    np.testing.assert_allclose((1 - firing_bound(inputs)) ** inputs, 0.05, rtol=1e-9)
    assert firing_bound(np.array(0)) == 1


@pytest.mark.parametrize("rate", [0.5, 0.05, 0.01, 0.002])
def test_the_living_are_seldom_called_dead(rate: float) -> None:
    """Over layers of 100 units that all fire at `rate`, false deaths are as rare as promised."""
    generator = np.random.default_rng(0)
    layers = 400
    wrong = 0
    for _ in range(layers):
        fired = generator.binomial(INPUTS, rate, (30, 100))
        wrong += deaths(site_series(30, 100, fired=fired)).count > 0
    # Three standard deviations above what MISTAKE allows.
    assert wrong <= layers * MISTAKE + 3 * np.sqrt(layers * MISTAKE)


def test_the_dead_are_found_among_the_sparse() -> None:
    fired = np.random.default_rng(0).binomial(INPUTS, 0.02, (60, 50))
    fired[20:, :7] = 0
    found = deaths(site_series(60, 50, fired=fired))
    assert np.flatnonzero(found.dead).tolist() == list(range(7))
    assert (found.since[:7] <= 20).all()


def test_few_inputs_prove_nothing() -> None:
    series = site_series(3, 5, fired=[[0, 0, 100, 100, 100]] * 3)
    few = type(series)(**{**vars(series), "inputs": np.full(3, 20)})
    assert deaths(series).count == 2
    assert deaths(few).count == 0
