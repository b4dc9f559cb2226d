"""Fresh weights are orthogonal, and mirrored ones pass through rectifiers what a matrix would."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reluctant.initialization import fresh as module
from reluctant.initialization.fresh import fresh, orthogonal

EXACT = 1e-12
sizes, seeds = st.integers(1, 40), st.integers(0, 2**32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_orthonormal(matrix: Tensor) -> None:
    """Of its rows, or of its columns where there are fewer."""
    small = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(
        small @ small.T, torch.eye(len(small), dtype=torch.float64), rtol=0, atol=EXACT
    )


@given(sizes, sizes, seeds)
def test_a_matrix_is_orthogonal(rows: int, columns: int, seed: int) -> None:
    made = orthogonal(rows, columns, generator(seed))
    assert made.shape == (rows, columns)
    assert made.dtype == torch.float64
    check_orthonormal(made)
    assert torch.equal(made, orthogonal(rows, columns, generator(seed)))


def test_a_matrix_that_is_not_orthogonal_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_orthonormal(orthogonal(5, 7, generator()) * (1 + 1e-9))


def test_a_very_large_matrix_is_nearly_orthogonal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ORTHOGONAL", 8)
    made = orthogonal(10, 4000, generator())
    torch.testing.assert_close(made @ made.T, torch.eye(10, dtype=torch.float64), rtol=0, atol=0.1)


def test_no_direction_is_preferred() -> None:
    """Without the signs of the factorisation the diagonal would be."""
    corners = torch.stack([orthogonal(4, 4, generator(seed)).diagonal() for seed in range(400)])
    assert (corners.mean(dim=0).abs() < 4 * 0.5 / 400**0.5).all()


@given(sizes, sizes, st.integers(1, 9), seeds)
def test_a_plain_layer_is_orthogonal_over_all_that_it_reads(
    units: int, inputs: int, taps: int, seed: int
) -> None:
    made = fresh(units, inputs, taps, generator(seed))
    assert made.shape == (units, inputs, taps)
    check_orthonormal(made.flatten(1))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.booleans(), seeds)
def test_mirrored_rectifiers_are_a_linear_map(
    inputs: int, pairs: int, outputs: int, last: bool, seed: int
) -> None:
    """[W; -W], then [[V, -V], [-V, V]], then [U, -U]: what comes out is U V W x."""
    draws, units = generator(seed), 2 * pairs
    one = fresh(units, inputs, 1, draws, pairs=True)[..., 0]
    two = fresh(units, units, 1, draws, pairs=True, paired=True)[..., 0]
    out = fresh(outputs, units, 1, draws, pairs=not last, paired=True)[..., 0]
    x = torch.randn(inputs, 30, generator=draws, dtype=torch.float64)
    w, v, u = one[:pairs], two[:pairs, :pairs], out[:, :pairs]
    read = torch.relu(two @ torch.relu(one @ x))
    rows = slice(None) if last or outputs % 2 == 0 else slice(0, outputs - 1)
    torch.testing.assert_close((out @ read)[rows], (u @ v @ w @ x)[rows], rtol=0, atol=1e-10)
    for part in (w, v, u) if last else (w, v):
        check_orthonormal(part)


def test_without_the_mirror_it_is_no_linear_map() -> None:
    draws = generator()
    one, two = (fresh(8, 8, 1, draws)[..., 0] for _ in range(2))
    x = torch.randn(8, 30, generator=draws, dtype=torch.float64)
    assert not torch.allclose(two @ torch.relu(one @ x), two @ one @ x, atol=0.1)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.booleans(), seeds)
def test_odd_widths(half_units: int, half_inputs: int, taps: int, paired: bool, seed: int) -> None:
    """The last unit stands alone, and of inputs in pairs the last is not read but by it."""
    units, inputs = 2 * half_units + 1, 2 * half_inputs + 1
    made = fresh(units, inputs, taps, generator(seed), pairs=True, paired=paired)
    assert made.shape == (units, inputs, taps)
    assert made.isfinite().all()
    first, second, alone = made[:half_units], made[half_units:-1], made[-1]
    assert torch.equal(second, -first)
    if paired:
        assert torch.equal(first[:, half_inputs:-1], -first[:, :half_inputs])
        assert not first[:, -1].any()
    torch.testing.assert_close(alone.norm(), first[0].norm(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("paired", [False, True])
def test_the_smallest_layer(pairs: bool, paired: bool) -> None:
    made = fresh(1, 1, 1, generator(), pairs=pairs, paired=paired)
    assert made.abs().item() == pytest.approx(1)
