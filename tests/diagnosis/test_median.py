"""A median that is found without sorting is the median."""

import numpy as np
import pytest

from reluctant.diagnosis import median as module
from reluctant.diagnosis.median import _MANY, _SAMPLE, median


def drawn(kind: str, count: int, dtype: type) -> np.ndarray:
    generator = np.random.default_rng(count)
    values = {
        "normal": generator.standard_normal(count),
        "equal": np.ones(count),
        "few": generator.integers(0, 3, count),
        "sorted": np.arange(count),
        "infinite": np.where(generator.random(count) < 0.6, np.inf, generator.random(count)),
        # What the sample sees says nothing of the rest.
        "misleading": np.where(np.arange(count) % max(count // _SAMPLE, 1), np.arange(count), 1e6),
    }[kind]
    return np.asarray(values, dtype=dtype)


KINDS = ["normal", "equal", "few", "sorted", "infinite", "misleading"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 3, _MANY, _MANY + 1, _MANY + 2, 3 * _MANY])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_sorting_gives(kind: str, count: int, dtype: type) -> None:
    values = drawn(kind, count, dtype)
    assert median(values) == np.median(values)
    assert median(values, np.float64) == np.median(values.astype(np.float64))


def test_one_that_trusts_the_sample_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_middle", lambda values: np.sort(values[:: _SAMPLE // 8])[4:5])
    with pytest.raises(AssertionError):
        test_it_is_what_sorting_gives("misleading", 3 * _MANY, np.float32)
