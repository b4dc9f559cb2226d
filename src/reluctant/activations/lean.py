"""Backward passes that keep little: an output that the next layer keeps anyway, a bit, a seed."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from reluctant.activations.definition import Activation
from reluctant.activations.kernels import Bound


def apply(function: type[Function], *args: Any) -> Any:
    """`function.apply(*args)`, without the 20 microseconds in which it looks at its signature."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return function.apply(*args)
    return super(Function, function).apply(*args)  # type: ignore[misc]


class Elementwise(Function):
    """Any elementwise function by its twin, keeping the one tensor that the twin asks for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, rule: Bound) -> Tensor:
        """The output at `z`."""
        return rule.forward(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Bound], output: Tensor) -> None:
        """Keep what the twin asks for."""
        z, ctx.rule = inputs
        kept = output if ctx.rule.kernel.keeps == "output" else z
        ctx.save_for_backward(kept)
        ctx.save_for_forward(kept)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of z."""
        (kept,) = ctx.saved_tensors
        return ctx.rule.backward(gradient, kept), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        """The derivative along `tangent`: its matrix is diagonal, and so its own transpose."""
        (kept,) = ctx.saved_tensors
        return ctx.rule.backward(tangent, kept)


# -- one bit ---------------------------------------------------------------------------------

# Entries of a table of derivatives, evenly spaced in the root of the output's height above the
# minimum. Coarser ones show in the fifth digit, finer ones no more.
_ENTRIES = 1 << 17

# Below and beyond, the gated functions are 0 and z to float32's last digit.
_LEFT, _RIGHT = -110.0, 24.0


class OneBit(Function):
    """A gated function that falls to one minimum and rises, kept as its output and a bit.

    The bit tells on which side of the minimum z is; the derivative is looked up in a table. In
    float32 it is a smooth function of s = ±sqrt(y - y0), y0 the minimum. In 16 bits the table
    has an entry for every output and side: the middle of the derivatives that share them.
    """

    @staticmethod
    def forward(z: Tensor, activation: Activation, native: Any) -> Tensor:
        """The output at `z`, by `native`."""
        return native(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Activation, Any], output: Tensor) -> None:
        """Keep the output, and a packed bit an element."""
        z, ctx.activation, ctx.native = inputs
        ctx.save_for_backward(output, pack(z.detach() >= _minimum(ctx.activation)[0]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of z; how near its derivative is to the true one is in benchmarks/LOG.md."""
        y, bits = ctx.saved_tensors
        right = unpack(bits, y.numel()).view(y.shape)
        if y.dtype == torch.float32:
            start, width, table = _by_root(ctx.activation, y.device)
            index = _root(y, right, _minimum(ctx.activation)[1]).sub_(start).div_(width).round_()
            index = index.clamp_(0, _ENTRIES - 1).to(torch.int32)
        else:
            table = _by_code(ctx.activation, ctx.native, y.dtype, y.device)
            index = _code(y, right)
        slope = table.index_select(0, index.flatten()).view(y.shape)
        return laid_out(slope, gradient).mul_(gradient), None, None


def laid_out(values: Tensor, like: Tensor) -> Tensor:
    """Contiguous values in the memory format of `like`, as channels last."""
    if like.is_contiguous():
        return values
    return torch.empty_like(like, dtype=values.dtype).copy_(values)


def _root(y: Tensor, right: Tensor, lowest: float) -> Tensor:
    """s, as near as the rounding of y lets it be: the middle of the values it can have."""
    height = y - lowest
    half = torch.finfo(y.dtype).eps / 8  # of the distance of two numbers in [1/4, 1/2)
    root = (height + half).clamp_(min=0).sqrt_().add_((height - half).clamp_(min=0).sqrt_())
    return torch.where(right, root, -root).div_(2)


def _code(y: Tensor, right: Tensor) -> Tensor:
    """The 16 bits of y and the one of its side, as an index."""
    return y.view(torch.int16).to(torch.int32).bitwise_and_(0xFFFF).add_(right, alpha=1 << 16)


@lru_cache
def _minimum(activation: Activation) -> tuple[float, float]:
    """Where the function is lowest, and its value there."""
    grid = torch.linspace(-32, 32, 100_001, dtype=torch.float64, device="cpu")
    lowest = int(activation(grid).argmin())
    low, high = grid[lowest - 1 : lowest], grid[lowest + 1 : lowest + 2]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if float(activation.derivative(middle)) >= 0 else (middle, high)
    return float(high), float(activation(high))


@lru_cache
def _by_root(activation: Activation, device: torch.device) -> tuple[float, float, Tensor]:
    """The derivative over s: its first point, the distance of its points, and the values."""
    where, lowest = _minimum(activation)
    z = torch.cat(
        [
            torch.linspace(_LEFT, where, 1 << 20, dtype=torch.float64, device="cpu"),
            torch.linspace(where, _RIGHT, 1 << 20, dtype=torch.float64, device="cpu")[1:],
        ]
    )
    root = (activation(z) - lowest).clamp(min=0).sqrt()
    root = torch.where(z < where, -root, root).cummax(0).values
    start, end = float(root[0]), float(root[-1])
    wanted = torch.linspace(start, end, _ENTRIES, dtype=torch.float64, device="cpu")
    above = torch.searchsorted(root, wanted).clamp(1, len(root) - 1)
    left, right = root[above - 1], root[above]
    share = ((wanted - left) / (right - left).clamp(min=1e-300)).clamp(0, 1)
    slope = activation.derivative(z)
    values = torch.lerp(slope[above - 1], slope[above], share)
    return start, (end - start) / (_ENTRIES - 1), values.float().to(device)


@lru_cache
def _by_code(
    activation: Activation, native: Any, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The derivative for each of the 2 ^ 17 outputs and sides there are."""
    z = torch.arange(1 << 16, dtype=torch.int32, device="cpu").to(torch.int16).view(dtype)
    z = z[z.isfinite()]
    y, right = native(z), z >= _minimum(activation)[0]
    slope = activation.derivative(z.double()).numpy()
    table = np.ones(1 << 17)
    for side in (False, True):
        here = (right == side).numpy()
        outputs, at = np.unique(y.double().numpy()[here], return_inverse=True)
        low, high = np.full(len(outputs), np.inf), np.full(len(outputs), -np.inf)
        np.minimum.at(low, at, slope[here])
        np.maximum.at(high, at, slope[here])
        # Vectors and single numbers may differ in the last bit: outputs in between can come too.
        every = torch.arange(1 << 16, dtype=torch.int32, device="cpu").to(torch.int16).view(dtype)
        every = every[every.isfinite()]
        index = _code(every, torch.full(every.shape, side, device="cpu")).numpy()
        table[index] = np.interp(every.double().numpy(), outputs, (low + high) / 2)
    return torch.from_numpy(table).to(dtype).to(device)


# Eight bytes of 0 or 1, read as one integer, times this: the eight bits meet in the top byte.
_GATHER = 0x0102040810204080


def pack(flags: Tensor) -> Tensor:
    """Booleans of any shape as ceil(n / 8) bytes."""
    flat = flags.flatten()
    short = -flat.numel() % 8
    if short:
        flat = torch.cat([flat, flat.new_zeros(short)])
    words = flat.view(torch.uint8).view(torch.int64)
    return words.mul(_GATHER).bitwise_right_shift_(56).bitwise_and_(255).to(torch.uint8)


def unpack(packed: Tensor, count: int) -> Tensor:
    """The first `count` booleans that were packed, (count,)."""
    # Bit k of the byte into byte k of a word, by way of copies of the byte.
    mask = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=packed.device)
    return packed[:, None].bitwise_and(mask).ne_(0).view(torch.bool).flatten()[:count]
