"""Twins that a compiler makes fast loops of: what is emitted under `torch.compile`.

On the CPU Inductor keeps a comparison for the backward pass as booleans, and stores them one by
one: ten times slower than the arithmetic. Signs and minima stay in vector registers.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, relu, sigmoid
from torch.autograd import Function

from reluctant.activations.kernels.kernel import Kernel


def _above(z: Tensor, edge: float = 0.0) -> Tensor:
    """1 where z > edge, otherwise 0, by arithmetic."""
    return torch.sign(z - edge).clamp(min=0) if edge else torch.sign(z).clamp(min=0)


def _between(y: Tensor, low: float, high: float) -> Tensor:
    return _above(y, low) * _above(-y, -high)


def _mish(z: Tensor) -> Tensor:
    # One exponential: tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2).
    e = torch.exp(z.clamp(max=20))
    n = e * (e + 2)
    return z * (n / (n + 2))


def _mish_back(gradient: Tensor, z: Tensor) -> Tensor:
    low = z.clamp(max=20)
    e = torch.exp(low)
    n = e * (e + 2)
    gate = 1 / (n + 2)
    # With n + 1 = (e + 1)^2 one division is enough.
    return gradient * (gate * (n + e * (1 + e) * low * 4 * gate))


_ROOT = 2 * sqrt(2 / torch.pi)
_CUBE = 0.044715


def _gelu_tanh(z: Tensor) -> Tensor:
    return z * sigmoid(_ROOT * z * (1 + _CUBE * z * z))


def _gelu_tanh_back(gradient: Tensor, z: Tensor) -> Tensor:
    # Beyond 16 the gate is shut or open to the last digit, and powers of z would overflow.
    z = z.clamp(-16, 16)
    square = z * z
    gate = sigmoid(_ROOT * z * (1 + _CUBE * square))
    rise = _ROOT * z * (1 + 3 * _CUBE * square)
    return gradient * (gate + rise * gate * (1 - gate))


KERNELS: dict[str, Kernel] = {
    "relu": Kernel(relu, lambda gradient, y: gradient * _above(y)),
    "leaky_relu": Kernel(
        lambda z, negative_slope: torch.maximum(z, negative_slope * z),
        lambda gradient, y, negative_slope: gradient * torch.sign(y).clamp(min=negative_slope),
        applies=lambda negative_slope: 0 < negative_slope <= 1,
    ),
    "relu6": Kernel(lambda z: z.clamp(0, 6), lambda gradient, y: gradient * _between(y, 0.0, 6.0)),
    "hardtanh": Kernel(
        lambda z, min_val, max_val: z.clamp(min_val, max_val),
        lambda gradient, y, min_val, max_val: gradient * _between(y, min_val, max_val),
    ),
    "threshold": Kernel(
        # A jump, which no minimum makes; booleans that are used at once cost nothing.
        lambda z, threshold, value: torch.where(z > threshold, z, value),
        lambda gradient, z, threshold, value: gradient * _above(z, threshold),
        keeps="input",
    ),
    "squared_relu": Kernel(
        lambda z: z.clamp(min=0) * z.clamp(min=0),
        lambda gradient, z: gradient * (2 * z.clamp(min=0)),
        keeps="input",
    ),
    "mish": Kernel(_mish, _mish_back, keeps="input"),
    "gelu_tanh": Kernel(_gelu_tanh, _gelu_tanh_back, keeps="input"),
}


class Fused(Function):
    """A twin whose two passes a compiler sees as they are; it decides what is kept."""

    @staticmethod
    def forward(z: Tensor, kernel: Kernel, parameters: dict[str, float]) -> Tensor:
        """The output at `z`."""
        return kernel.forward(z, **parameters)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Kernel, dict[str, float]], output: Tensor
    ) -> None:
        """Keep what the twin asks for."""
        z, ctx.kernel, ctx.parameters = inputs
        ctx.save_for_backward(output if ctx.kernel.keeps == "output" else z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of z."""
        (kept,) = ctx.saved_tensors
        return ctx.kernel.backward(gradient, kept, **ctx.parameters), None, None


class FusedPReLU(Function):
    """max(z, 0) + a min(z, 0) with slopes that are learnt, shaped to go with z."""

    @staticmethod
    def forward(z: Tensor, slopes: Tensor) -> Tensor:
        """The output at `z`."""
        return z.clamp(min=0) + slopes * z.clamp(max=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep the input."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of z and of the slopes."""
        return _both(_prelu_back, gradient, *ctx.saved_tensors)


def _prelu_back(gradient: Tensor, z: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    above = _above(z)
    return gradient * (above + (1 - above) * slopes), gradient * z.clamp(max=0)


class FusedRReLU(Function):
    """Leaky with a slope drawn for each element; keeps the output and the seed.

    Takes slopes above zero and up to one. torch's own numbers come one by one, for a loop that
    nothing makes vectors of; these are a hash of the seed and of each element's place.
    """

    @staticmethod
    def forward(z: Tensor, seed: Tensor, lower: float, upper: float) -> Tensor:
        """The output at `z`; `seed` is two integers, (2,) int32."""
        return torch.maximum(z, (z * hashed_slopes(z, seed, lower, upper)).to(z.dtype))

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, float, float], output: Tensor
    ) -> None:
        """Keep the output, which has the input's sign."""
        _, seed, *ctx.interval = inputs
        ctx.save_for_backward(output, seed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of z, the same slopes drawn again."""
        y, seed = ctx.saved_tensors
        slopes = torch.maximum(torch.sign(y), hashed_slopes(y, seed, *ctx.interval))
        return (gradient * slopes).to(y.dtype), None, None, None


# Where an element stands, times this: a Weyl sequence of 32 bits.
_WEYL = -1640531527
# Its first numbers, which a loop loads quicker than it counts, and those that are worth it.
_COLUMN = torch.arange(4096, dtype=torch.int32, device="cpu") * _WEYL
_LEAST_COLUMN = 64


def hashed_slopes(like: Tensor, seed: Tensor, lower: float, upper: float) -> Tensor:
    """Slopes between `lower` and `upper`, float32, one for each element of `like`.

    A Weyl sequence, then one round of a multiplicative hash (the shift and multiplier of Wellons
    2018, "Prospecting for hash functions"), read as a signed number of 32 bits.
    """
    weyl = _weyl(like) + seed[0]
    number = (weyl ^ ((weyl >> 15) & 0x1FFFF) ^ seed[1]) * _wrapped(0x846CA68B)
    return number.float() * ((upper - lower) / 2**32) + (lower + upper) / 2


def _weyl(like: Tensor) -> Tensor:
    rows, columns = like.numel(), 1
    for size in reversed(like.shape):
        if columns >= _LEAST_COLUMN:
            break
        rows, columns = rows // max(size, 1), columns * size
    if like.device.type != "cpu" or not _LEAST_COLUMN <= columns <= len(_COLUMN):
        place = torch.arange(like.numel(), dtype=torch.int32, device=like.device)
        return (place * _WEYL).view(like.shape)
    row = torch.arange(rows, dtype=torch.int32, device="cpu") * _wrapped(_WEYL * columns)
    return (row[:, None] + _COLUMN[:columns]).view(like.shape)


def _wrapped(number: int) -> int:
    """A number of 32 bits, with a sign."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


class FusedJumpReLU(Function):
    """z above thresholds that are learnt, shaped to go with z, and otherwise 0."""

    @staticmethod
    def forward(z: Tensor, thresholds: Tensor, bandwidth: float) -> Tensor:
        """The output at `z`."""
        return torch.where(z > thresholds, z, 0.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        """Keep the input."""
        z, thresholds, ctx.bandwidth = inputs
        ctx.save_for_backward(z, thresholds)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """The gradient of z, and the straight-through one of the thresholds."""

        def back(gradient: Tensor, z: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
            apart = z - thresholds
            band = _above(ctx.bandwidth / 2 - apart.abs())
            return gradient * _above(apart), gradient * band * (-thresholds / ctx.bandwidth)

        return *_both(back, gradient, *ctx.saved_tensors), None


class Larger(Function):
    """The larger of two tensors of one shape; where they are equal the first gets the gradient."""

    @staticmethod
    def forward(one: Tensor, two: Tensor) -> Tensor:
        """Of the same shape."""
        return torch.maximum(one, two)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep both."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of both."""
        one, two = ctx.saved_tensors
        second = _above(two - one)
        return gradient * (1 - second), gradient * second


# A loop goes over so many parts of a batch at a time: with more, it reads and writes in too many
# places at once.
_PARTS = 4

# What comes back to z, and what, summed, comes back to the parameter: of the gradient, z and it.
_Back = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _both(back: _Back, gradient: Tensor, z: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of z and of a parameter that is shaped to go with it."""
    each = parameter.numel() > 1 and z.device.type == "cpu" and parameter.shape[0] == 1
    if each and len(z) > 0 and len(z) % _PARTS == 0:
        return _in_parts(back, gradient, z, parameter)
    returned, product = back(gradient, z, parameter)
    return returned, _summed(product, parameter)


def _in_parts(back: _Back, gradient: Tensor, z: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
    """The same in one loop over some parts of the batch at a time.

    Inductor makes one loop of what has one shape. A sum over a batch has another than what is
    summed, and would read both tensors a second time.
    """
    parts = zip(gradient.chunk(_PARTS), z.chunk(_PARTS), strict=True)
    returned, products = zip(*(back(*at, parameter) for at in parts), strict=True)
    sums = sum(product.to(_wide(product)) for product in products)
    # A product of matrices is a call of its own, which no loop takes in.
    rows = sums.flatten(1)
    total = (rows.new_ones(1, len(rows)) @ rows).view(1, *z.shape[1:])
    return torch.cat(returned), _summed(total, parameter)


def _summed(product: Tensor, parameter: Tensor) -> Tensor:
    dims = [dim for dim in range(product.dim()) if parameter.shape[dim] == 1]
    wide = _wide(product)
    if 1 < len(dims) < product.dim():
        # What lies side by side first: those sums are taken in the loop that made the product.
        product, dims = product.sum(dims[1:], keepdim=True, dtype=wide), dims[:1]
    return product.sum(dims, keepdim=True, dtype=wide).to(parameter.dtype)


def _wide(product: Tensor) -> torch.dtype:
    """What sums are kept in that are summed again."""
    return torch.promote_types(product.dtype, torch.float32)
