"""How little is kept: in bits, in tiles, and as a seed."""

import pytest
import torch
from tests.functional.cases import Case, gradient, over
from torch import Tensor

from reluctant import functional
from reluctant.activations.lean import pack, unpack


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_bits_are_packed_and_unpacked(count: int) -> None:
    flags = torch.rand(count) > 0.5
    packed = pack(flags)
    assert packed.numel() == -(-count // 8)
    assert torch.equal(unpack(packed, count), flags)


@over([Case("mish"), Case("squared_relu")])
def test_large_tensors_take_the_same_values_in_tiles(case: Case) -> None:
    z = case.inputs(torch.float32).repeat(12_500, 1, 1, 1)
    whole, part = case.call(True)(z), case.call(True)(z[:2])
    assert torch.equal(whole, part.repeat(12_500, 1, 1, 1))
    slope = gradient(case.call(True), z)
    assert torch.equal(slope, gradient(case.call(True), z[:2]).repeat(12_500, 1, 1, 1))


def test_a_drawn_slope_is_the_same_in_both_passes_and_follows_the_seed() -> None:
    z = Case("rrelu").inputs().repeat(40, 1, 1, 1)

    def drawn(z: Tensor) -> Tensor:
        torch.manual_seed(3)
        return functional.rrelu(z, training=True, lean=True)

    y, slope = drawn(z), gradient(drawn, z)
    assert torch.equal(y, drawn(z))
    torch.testing.assert_close(slope, torch.where(z > 0, 1.0, y / z))
    below = slope[z < 0]
    assert below.min() >= 1 / 8
    assert below.max() <= 1 / 3
    assert float(below.mean()) == pytest.approx((1 / 8 + 1 / 3) / 2, abs=0.01)
