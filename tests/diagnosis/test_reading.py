"""What the rules read off a record: who is dead, several calls as one, whether the loss falls."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.diagnosis import test_properties
from tests.records import INPUTS, a_run, site_series

from reluctant.diagnosis import reading
from reluctant.diagnosis.reading import MISTAKE, Deaths, Reading, deaths, merge
from reluctant.record.run import SiteSeries

# -- deaths -----------------------------------------------------------------------------------


def false_deaths(
    fired: Callable[[np.random.Generator], np.ndarray], positions: int = 1, layers: int = 200
) -> int:
    """In how many of so many layers, in which every unit lives, one is called dead."""
    generator = np.random.default_rng(1)
    wrong = 0
    for _ in range(layers):
        counts = fired(generator)
        series = site_series(*counts.shape, fired=counts)
        wrong += deaths(spread_over(series, positions)).count > 0
    return wrong


def spread_over(series: SiteSeries, positions: int) -> SiteSeries:
    """The same, each input showing a unit at so many positions, as a convolution does."""
    return SiteSeries(**{**vars(series), "values": series.inputs * positions})


def check_as_rare_as_promised(wrong: int, layers: int = 200) -> None:
    # Three standard deviations above what MISTAKE allows.
    assert wrong <= layers * MISTAKE + 3 * np.sqrt(layers * MISTAKE)


@pytest.mark.parametrize("samples", [2, 5, 12, 50])
@pytest.mark.parametrize("rate", [0.5, 0.03, 0.005])
def test_the_living_are_seldom_called_dead_in_a_record_of_any_length(
    samples: int, rate: float
) -> None:
    wrong = false_deaths(lambda generator: generator.binomial(INPUTS, rate, (samples, 64)))
    check_as_rare_as_promised(wrong)


def test_a_few_rare_units_among_lively_ones_are_seldom_called_dead() -> None:
    rates = np.where(np.arange(64) < 8, 0.02, 0.5)
    wrong = false_deaths(lambda generator: generator.binomial(INPUTS, rates, (20, 64)))
    check_as_rare_as_promised(wrong)


@pytest.mark.parametrize("rate", [0.01, 0.03])
def test_channels_that_fire_on_few_images_are_seldom_called_dead(rate: float) -> None:
    """A channel fires at many places of an image at once: those are not so many proofs of life."""
    positions = 100

    def fired(generator: np.random.Generator) -> np.ndarray:
        return generator.binomial(INPUTS, rate, (20, 64)) * (positions // 4)

    check_as_rare_as_promised(false_deaths(fired, positions))


def test_one_sample_or_none_is_no_reason_to_raise() -> None:
    assert deaths(site_series(0, 3)).count == 0
    assert deaths(site_series(1, 3, fired=[[0, 1, 200]])).count in (0, 1)


def test_a_unit_that_comes_back_is_not_dead() -> None:
    fired = np.full((40, 4), INPUTS // 2)
    fired[5:38, 0] = 0
    found = deaths(site_series(40, 4, fired=fired))
    assert found.count == 0
    assert found.since.tolist() == [40] * 4


def test_since_is_the_first_sample_of_the_silence() -> None:
    fired = np.full((40, 4), INPUTS // 2)
    fired[7:, 1] = 0
    fired[:, 2] = 0
    found = deaths(site_series(40, 4, fired=fired))
    assert found.dead.tolist() == [False, True, True, False]
    assert found.born.tolist() == [False, False, True, False]
    assert found.since[1:3].tolist() == [7, 0]
    assert found.inputs[1:3].tolist() == [33 * INPUTS, 40 * INPUTS]


def never_enough(series: SiteSeries) -> Deaths:
    """A wrong twin of `deaths`: any silence will do, of however few inputs."""
    found = deaths(SiteSeries(**{**vars(series), "inputs": series.inputs * 10**6}))
    return Deaths(found.since < len(series.samples), found.since, found.inputs)


def test_a_twin_that_does_not_count_inputs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_properties, "deaths", never_enough)
    with pytest.raises(AssertionError):
        test_properties.test_few_inputs_prove_nothing()
    with pytest.raises(AssertionError):
        test_properties.test_the_living_are_seldom_called_dead(0.002)


def test_a_bound_that_is_only_nearly_right_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_properties, "firing_bound", lambda inputs: 3 / np.maximum(inputs, 3))
    with pytest.raises(AssertionError):
        test_properties.test_the_bound_is_exact()


def test_what_is_not_finite_is_not_dead() -> None:
    nan = np.zeros((20, 20))
    nan[10:] = np.nan
    fired = np.full((20, 20), INPUTS // 2)
    fired[10:] = 0
    (site, *_) = Reading(a_run(sites={0: {"mean": nan, "fired": fired}})).sites
    assert site.stuck.count == 0


# -- several calls ----------------------------------------------------------------------------


def described(values: np.ndarray, gradients: np.ndarray, samples: Sequence[int]) -> SiteSeries:
    """The series of pre-activations (T, N, U), plainly."""
    count = np.full(len(samples), values.shape[1])
    return SiteSeries(
        np.array(samples), count, count, (values > 0).sum(axis=1),
        values.mean(axis=1), values.std(axis=1), values.min(axis=1), values.max(axis=1),
        np.sqrt((gradients**2).mean(axis=1)), np.sqrt((gradients**2).mean(axis=1)) / 2,
    )  # fmt: skip


def check_alike(one: SiteSeries, two: SiteSeries) -> None:
    for name, value in vars(one).items():
        np.testing.assert_allclose(value, getattr(two, name), rtol=1e-9, atol=1e-12, err_msg=name)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 2**32))
def test_several_calls_are_read_as_one(sizes: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(0.3, 2, (3, sum(sizes), 5))
    gradients = generator.normal(0, 1, values.shape)
    cuts = np.cumsum(sizes)[:-1]
    parts = [
        described(part, gradient, range(3))
        for part, gradient in zip(
            np.split(values, cuts, axis=1), np.split(gradients, cuts, axis=1), strict=True
        )
    ]
    check_alike(merge(parts), described(values, gradients, range(3)))


def test_calls_of_different_samples_are_lined_up() -> None:
    generator = np.random.default_rng(0)
    values, gradients = generator.normal(0, 1, (2, 4, 6, 5))
    early = described(values[:3], gradients[:3], [0, 1, 4])
    late = described(values[3:], gradients[3:], [7])
    check_alike(merge([late, early]), described(values, gradients, [0, 1, 4, 7]))


# -- the loss ---------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "stalled"),
    [
        (np.linspace(2.3, 0.3, 20), False),
        ([2.3] * 20, True),
        ([2.3] * 10 + [2.2] * 10, True),
        ([2.3] * 10 + [1.9] * 10, False),
        (np.linspace(0.3, 2.3, 20), True),
        ([2.3] * 19 + [NAN], True),
        ([NAN] * 20, True),
        (np.linspace(-1, -30, 20), False),
        (np.linspace(-30, -1, 20), True),
        ([None] * 20, None),
        ([2.3, *[None] * 18, 0.3], False),
    ],
)
def test_whether_a_run_learns(losses: Sequence[float | None], stalled: bool | None) -> None:
    values = [None if loss is None else float(loss) for loss in losses]
    assert Reading(a_run(losses=values)).stalled is stalled


@pytest.mark.parametrize(("last", "stalled"), [(2.25, None), (1.0, False), (4.0, True)])
def test_a_few_steps_need_not_have_learnt_anything(last: float, stalled: bool | None) -> None:
    run = a_run(steps=range(12), losses=[2.3] * 6 + [last] * 6)
    assert Reading(run).stalled is stalled


@pytest.mark.parametrize(("last", "stalled"), [(2.3, None), (1.0, False)])
def test_in_a_few_steps_a_fall_to_a_constant_answer_teaches_nothing(
    last: float, stalled: bool | None
) -> None:
    """The loss began at twice that of the best constant answer, about 2.3."""
    run = a_run(steps=range(12), losses=np.linspace(4.6, last, 12).tolist(), head={})
    assert Reading(run).stalled is stalled


@pytest.mark.parametrize(("last", "stalled"), [(2.3, None), (5.0, None), (0.3, False)])
def test_optimizers_may_work_against_one_another(last: float, stalled: bool | None) -> None:
    run = a_run(losses=[2.3] * 10 + [last] * 10)
    samples = tuple(replace(at, optimizers=2) for at in run.samples)
    assert Reading(replace(run, samples=samples)).stalled is stalled


def test_the_bound_names_the_constant_in_use() -> None:
    """149 inputs are the fewest on which silence tells of less than `RARE`."""
    assert reading.firing_bound(np.array([148, 149])).tolist() == pytest.approx(
        [0.0200, 0.0199], abs=1e-4
    )
    bounds = reading.firing_bound(np.array([148, 149]))
    assert bounds[0] > reading.RARE >= bounds[1]


def test_a_call_without_a_gradient_does_not_hide_that_of_another() -> None:
    one = site_series(3, 2, gradient_out=np.nan, gradient_in=np.nan)
    two = site_series(3, 2, gradient_out=2.0, gradient_in=[[2.0], [np.nan], [2.0]])
    both = merge([one, two])
    np.testing.assert_array_equal(both.gradient_out, 2.0)
    np.testing.assert_array_equal(both.gradient_in[:, 0], [2.0, np.nan, 2.0])
