"""Outputs are held against each other, whatever they come in."""

import torch
from torch import Tensor, nn

from reluctant.remedy.outputs import Difference, call, difference, outputs


def test_outputs_are_held_against_each_other() -> None:
    one = torch.tensor([1.0, float("nan"), float("-inf")])
    same = difference([one], [one + torch.tensor([1e-6, 0, 0])])
    assert same.is_rounding
    assert 0 < same.largest < 2e-6
    assert not difference([one], [one + torch.tensor([1e-3, 0, 0])]).is_rounding
    assert difference([one], [one.nan_to_num()]).largest == float("inf")
    assert not difference([one], [one[:2]]).is_rounding
    whole = torch.tensor([3, 4])
    assert difference([whole], [whole]).is_rounding
    assert not difference([whole], [whole + 1]).is_rounding
    assert difference([one[:0]], [one[:0]]) == Difference()


def test_all_kinds_of_batches_and_outputs() -> None:
    class Named(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> dict[str, object]:
            return {"sum": x + y, "parts": (x, [y]), "nothing": None}

    x, y = torch.ones(2), torch.zeros(2)
    for batch in ((x, y), [x, y], {"y": y, "x": x}):
        found = outputs(Named(), batch, call)
        assert [at.tolist() for at in found] == [[1, 1], [1, 1], [0, 0]]
