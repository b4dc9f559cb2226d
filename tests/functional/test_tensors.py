"""Strides, sizes and precisions in which a tensor can come."""

import pytest
import torch
from tests.functional.cases import ELEMENTWISE, LEANS, USUAL, Case, gradient, over
from torch import Tensor, nn

from reluctant import functional

LEAN = pytest.mark.parametrize("lean", LEANS)


def check_same(case: Case, lean: functional.Lean, z: Tensor, plain: Tensor) -> None:
    """Value and gradient do not depend on how a tensor lies in memory."""
    call, learnt = case.call(lean), case.learnt(torch.float32)
    torch.testing.assert_close(call(z, *learnt), call(plain, *learnt))
    torch.testing.assert_close(gradient(call, z, *learnt), gradient(call, plain, *learnt))


@LEAN
@over(USUAL)
def test_not_contiguous(case: Case, lean: functional.Lean) -> None:
    plain = case.inputs(torch.float32)
    check_same(case, lean, plain.transpose(2, 3).contiguous().transpose(2, 3), plain)
    check_same(case, lean, plain.repeat_interleave(2, 3)[..., ::2], plain)
    wide = plain[:, :, :1]
    check_same(case, lean, wide.expand(-1, -1, 3, -1), wide.repeat(1, 1, 3, 1))


@LEAN
@over(USUAL)
def test_a_gradient_that_is_not_contiguous(case: Case, lean: functional.Lean) -> None:
    z = case.inputs(torch.float32)
    learnt = case.learnt(torch.float32)
    plain = gradient(case.call(lean), z, *learnt)
    flipped = gradient(lambda *at: case.call(lean)(*at).permute(3, 1, 0, 2) * 1.0, z, *learnt)
    torch.testing.assert_close(flipped, plain)


@LEAN
@over(USUAL)
def test_channels_last_stays(case: Case, lean: functional.Lean) -> None:
    plain = case.inputs(torch.float32)
    z = plain.to(memory_format=torch.channels_last)
    check_same(case, lean, z, plain)
    for what in (lambda call, *at: call(*at), gradient):
        got, torchs = (what(case.call(of), z, *case.learnt(torch.float32)) for of in (lean, False))
        last = got.is_contiguous(memory_format=torch.channels_last)
        assert last or got.stride() == torchs.stride()


@LEAN
@over(USUAL)
def test_empty(case: Case, lean: functional.Lean) -> None:
    z = torch.empty(0, 6, requires_grad=True)
    learnt = [tensor.requires_grad_() for tensor in case.learnt(torch.float32)]
    y = case.call(lean)(z, *learnt)
    y.sum().backward()
    assert y.shape[0] == 0
    assert z.grad.shape == z.shape
    assert all((tensor.grad == 0).all() for tensor in learnt)


@LEAN
@over(ELEMENTWISE)
def test_a_single_number(case: Case, lean: functional.Lean) -> None:
    learnt = case.learnt(torch.float32)
    for number in (-1.3, 1.7):
        z = torch.tensor(number)
        y = case.call(lean)(z, *learnt)
        assert y.shape == ()
        torch.testing.assert_close(y, case.call(lean)(z[None], *learnt)[0])
        torch.testing.assert_close(
            gradient(case.call(lean), z, *learnt), gradient(case.call(lean), z[None], *learnt)[0]
        )


@LEAN
@over(USUAL)
def test_autocast(case: Case, lean: functional.Lean) -> None:
    """Behind a layer that autocast runs in half precision, parameters staying in float32."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 6), case.module(lean=lean))
    z = torch.randn(4, 6, requires_grad=True)
    with torch.autocast(z.device.type, torch.bfloat16):
        y = net(z)
    y.sum().backward()
    assert z.grad.dtype == torch.float32
    assert z.grad.isfinite().all()
    for parameter in net.parameters():
        assert parameter.grad.dtype == torch.float32
    z = z.detach().requires_grad_()
    net(z).sum().backward()
    torch.testing.assert_close(y.float(), net(z), rtol=0.05, atol=0.05)


@LEAN
@over(USUAL)
def test_the_input_is_not_written_to(case: Case, lean: functional.Lean) -> None:
    z = case.inputs(torch.float32)
    before = z.clone()
    gradient(case.call(lean), z, *case.learnt(torch.float32))
    with torch.no_grad():
        case.call(lean)(z, *case.learnt(torch.float32))
    assert torch.equal(z, before)
