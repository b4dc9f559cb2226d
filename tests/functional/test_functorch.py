"""Function transforms: a loop, a batch, one gradient a sample, and derivatives along a line."""

import pytest
import torch
from tests.functional.cases import LEANS, USUAL, Case, gradient, over
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, jvp, vmap

from reluctant import functional

LEAN = pytest.mark.parametrize("lean", LEANS)
NO_FORWARD = {"jumprelu": "its pseudo-derivative goes backward only"}


def inputs(case: Case) -> Tensor:
    """(4, 6, 3): one bit a number is different from exact only in float32."""
    z = case.inputs(torch.float32).flatten()
    return torch.cat([z, z + 0.01, z[:24] + 0.02])[:72].view(4, 6, 3).contiguous()


@LEAN
@over(USUAL)
def test_vmap_is_a_loop(case: Case, lean: functional.Lean) -> None:
    z, learnt = inputs(case), case.learnt(torch.float32)
    one = lambda z: case.call(lean, dim=0)(z, *learnt)  # noqa: E731
    torch.testing.assert_close(vmap(one)(z), torch.stack([one(row) for row in z]))
    slopes = torch.stack([gradient(one, row) for row in z])
    near = 2e-4 if lean == "bit" and case.name in functional.ONE_BIT else 1e-5
    torch.testing.assert_close(gradient(vmap(one), z), slopes, rtol=1e-5, atol=near)


@LEAN
@over(USUAL)
def test_grad_and_vmap_of_grad(case: Case, lean: functional.Lean) -> None:
    z, learnt = inputs(case), case.learnt(torch.float32)
    one = lambda z: case.call(lean, dim=0)(z, *learnt)  # noqa: E731
    slopes = torch.stack([gradient(one, row) for row in z])
    near = 2e-4 if lean == "bit" and case.name in functional.ONE_BIT else 1e-5
    total = lambda z: one(z).sum()  # noqa: E731
    torch.testing.assert_close(grad(total)(z[0]), slopes[0], rtol=1e-5, atol=near)
    torch.testing.assert_close(vmap(grad(total))(z), slopes, rtol=1e-5, atol=near)


@LEAN
@over(USUAL)
def test_one_gradient_a_sample(case: Case, lean: functional.Lean) -> None:
    """The gradients of a small model, sample by sample, equal to those of a loop."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 6), case.module(lean=lean))
    weights = {name: at.detach() for name, at in net.named_parameters()}

    def loss(weights: dict[str, Tensor], z: Tensor) -> Tensor:
        return functional_call(net, weights, (z[None],)).square().sum()

    z = torch.randn(5, 6)
    got = vmap(grad(loss), in_dims=(None, 0))(weights, z)
    near = 1e-2 if lean == "bit" and case.name in functional.ONE_BIT else 1e-5
    for index, row in enumerate(z):
        net.zero_grad()
        net(row[None]).square().sum().backward()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(got[name][index], parameter.grad, rtol=1e-4, atol=near)


@pytest.mark.parametrize("lean", [None, True])
@over(USUAL)
def test_along_a_line(case: Case, lean: functional.Lean) -> None:
    if case.name in NO_FORWARD:
        pytest.skip(NO_FORWARD[case.name])
    z, learnt = case.inputs(), case.learnt()
    along = torch.randn(z.shape, dtype=torch.float64)
    one = lambda z: case.call(lean)(z, *learnt)  # noqa: E731
    y, change = jvp(one, (z,), (along,))
    torch.testing.assert_close(y, one(z))
    step = 1e-6 * along
    torch.testing.assert_close(change, (one(z + step) - one(z - step)) / 2e-6, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("lean", [None, True])
@over([case for case in USUAL if case.name != "jumprelu"])
def test_twice(case: Case, lean: functional.Lean) -> None:
    """Derivatives of derivatives, by transforms and by the graph."""
    z, learnt = case.inputs()[0, :, 0, 0], case.learnt()
    total = lambda z: case.call(lean, dim=0)(z, *learnt).square().sum()  # noqa: E731
    wanted = torch.autograd.functional.hessian(total, z)
    torch.testing.assert_close(jacrev(grad(total))(z), wanted)
