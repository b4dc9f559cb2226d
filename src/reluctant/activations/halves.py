"""Backward passes of the functions whose output has another shape than their input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, relu
from torch.autograd import Function
from torch.nn.functional import gelu, silu

from reluctant.activations.kernels.aten import silu_back
from reluctant.activations.lean import laid_out, pack, unpack
from reluctant.activations.learnt import again

_aten = torch.ops.aten


@dataclass(frozen=True)
class Gate:
    """An elementwise function, its backward pass, and the same written into a given tensor."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    into: Callable[[Tensor, Tensor, Tensor], object]


GATES = {
    "relu": Gate(
        relu,
        lambda gradient, z: _aten.threshold_backward(gradient, z, 0.0),
        lambda gradient, z, out: _aten.threshold_backward.grad_input(
            gradient, z, 0.0, grad_input=out
        ),
    ),
    "gelu": Gate(
        gelu,
        lambda gradient, z: _aten.gelu_backward(gradient, z),
        lambda gradient, z, out: _aten.gelu_backward.grad_input(gradient, z, grad_input=out),
    ),
    "silu": Gate(
        silu,
        silu_back,
        lambda gradient, z, out: _aten.silu_backward.grad_input(gradient, z, grad_input=out),
    ),
}


class Gated(Function):
    """The first half times a function of the second; keeps the input and computes the gate anew."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, gate: str, dim: int) -> Tensor:
        """(..., 2 U, ...) to (..., U, ...)."""
        value, shut = z.chunk(2, dim)
        return GATES[gate].forward(shut).mul_(value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str, int], output: Tensor) -> None:
        """Keep the input."""
        z, ctx.gate, ctx.dim = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of z."""
        (z,) = ctx.saved_tensors
        gate = GATES[ctx.gate]
        value, shut = z.chunk(2, ctx.dim)
        if again(gradient):
            back = gate.backward(gradient * value, shut)
            return torch.cat([gradient * gate.forward(shut), back], ctx.dim), None, None
        result = torch.empty_like(z)
        to_value, to_shut = result.chunk(2, ctx.dim)
        torch.mul(gradient, gate.forward(shut), out=to_value)
        gate.into(gradient * value, shut, to_shut)
        return result, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        """The derivative along `tangent`."""
        (z,) = ctx.saved_tensors
        gate = GATES[ctx.gate]
        value, shut = z.chunk(2, ctx.dim)
        along_value, along_shut = tangent.chunk(2, ctx.dim)
        return along_value * gate.forward(shut) + value * gate.backward(along_shut, shut)


class Maxout(Function):
    """The largest of k pieces; keeps which one it was, in a bit (k = 2) or a byte.

    Where pieces are equal the first gets the gradient.
    """

    @staticmethod
    def forward(z: Tensor, pieces: int, dim: int) -> tuple[Tensor, Tensor]:
        """(..., k U, ...) to (..., U, ...), and which piece it was."""
        first, *others = z.chunk(pieces, dim)
        if len(others) == 1:
            return torch.maximum(first, others[0]), pack(first >= others[0])
        best = first
        which = torch.zeros(first.shape, dtype=torch.uint8, device=z.device)
        for index, piece in enumerate(others, start=1):
            which.masked_fill_(piece > best, index)
            best = torch.maximum(best, piece)
        return best, which

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, int, int], output: tuple[Tensor, Tensor]
    ) -> None:
        """Keep which piece was the largest."""
        _, ctx.pieces, ctx.dim = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of z."""
        (which,) = ctx.saved_tensors
        if ctx.pieces > 2:
            parts = [torch.where(which == at, gradient, 0.0) for at in range(ctx.pieces)]
            return torch.cat(parts, ctx.dim), None, None
        is_first = unpack(which, gradient.numel()).view(gradient.shape)
        first = torch.where(laid_out(is_first, gradient), gradient, 0.0)
        return torch.cat([first, gradient - first], ctx.dim), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        """The derivative along `tangent`."""
        (which,) = ctx.saved_tensors
        parts = tangent.chunk(ctx.pieces, ctx.dim)
        if ctx.pieces == 2:
            is_first = unpack(which, parts[0].numel()).view(parts[0].shape)
            return torch.where(is_first, parts[0], parts[1]), None
        change = parts[0]
        for at, part in enumerate(parts[1:], start=1):
            change = torch.where(which == at, part, change)
        return change, None


class CReLU(Function):
    """Both signs rectified, one after the other along `dim`; keeps the output."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, dim: int) -> Tensor:
        """(..., U, ...) to (..., 2 U, ...)."""
        return torch.cat([z, -z], dim).clamp_(min=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        """Keep the output."""
        _, ctx.dim = inputs
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of z."""
        (y,) = ctx.saved_tensors
        up, down = _aten.threshold_backward(gradient, y, 0.0).chunk(2, ctx.dim)
        return up - down, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        """The derivative along `tangent`."""
        (y,) = ctx.saved_tensors
        return _aten.threshold_backward(torch.cat([tangent, -tangent], ctx.dim), y, 0.0)
