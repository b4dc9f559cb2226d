"""Twins that a compiler makes fast loops of: what is emitted under `torch.compile`.

On the CPU Inductor keeps a comparison for the backward pass as booleans, and stores them one by
one: ten times slower than the arithmetic. Signs and minima stay in vector registers.
"""

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
    return gradient * (n * gate + low * (e / (1 + e)) * (4 * (1 + n) * gate * gate))


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
        z, slopes = ctx.saved_tensors
        tiled = z.dim() == 2 and slopes.numel() > 1 and z.shape[0] % _ROWS == 0
        if tiled and z.device.type == "cpu":
            return _prelu_back_by_rows(gradient, z, slopes)
        back, product = _prelu_back(gradient, z, slopes)
        return back, _summed(product, slopes)


def _prelu_back(gradient: Tensor, z: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    above = _above(z)
    return gradient * (above + (1 - above) * slopes), gradient * z.clamp(max=0)


def _prelu_back_by_rows(gradient: Tensor, z: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """The same of (rows, channels), in one loop over so many parts of the rows at a time.

    Inductor makes one loop of what has one shape. A sum over rows has another than what is summed,
    and would read both tensors a second time.
    """
    gradients, inputs = (at.chunk(_ROWS) for at in (gradient, z))
    pairs = [_prelu_back(*at, slopes) for at in zip(gradients, inputs, strict=True)]
    backs, products = zip(*pairs, strict=True)
    sums = sum(product.to(_wide(product)) for product in products)
    # A product of matrices is a call of its own, which no loop takes in.
    total = sums.new_ones(1, len(sums)) @ sums
    return torch.cat(backs), total.to(slopes.dtype)


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


def hashed_slopes(like: Tensor, seed: Tensor, lower: float, upper: float) -> Tensor:
    """Slopes between `lower` and `upper`, float32, one for each element of `like`.

    A Weyl sequence, then one round of a multiplicative hash (the shift and multiplier of Wellons
    2018, "Prospecting for hash functions"), read as a signed number of 32 bits.
    """
    place = torch.arange(like.numel(), dtype=torch.int32, device=like.device).view(like.shape)
    weyl = place * -1640531527 + seed[0]
    number = (weyl ^ ((weyl >> 15) & 0x1FFFF) ^ seed[1]) * (0x846CA68B - (1 << 32))
    return number.float() * ((upper - lower) / 2**32) + (lower + upper) / 2


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
        z, thresholds = ctx.saved_tensors
        apart = z - thresholds
        band = _above(ctx.bandwidth / 2 - apart.abs())
        pull = gradient * band * (-thresholds / ctx.bandwidth)
        return gradient * _above(apart), _summed(pull, thresholds), None


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


# Rows that are summed at once: more would not stay in the nearest cache.
_ROWS = 8


def _summed(product: Tensor, parameter: Tensor) -> Tensor:
    dims = [dim for dim in range(product.dim()) if parameter.shape[dim] == 1]
    wide = _wide(product)
    if product.dim() == 2 and dims == [0] and product.shape[0] % _ROWS == 0:
        product = product.unflatten(0, (-1, _ROWS)).sum(1, dtype=wide)
    elif product.dim() > 2 and len(dims) < product.dim():
        # What lies side by side first: those sums are taken in the loop that made the product.
        product = product.sum(dims[1:], keepdim=True, dtype=wide)
        dims = dims[:1]
    return product.sum(dims, keepdim=True, dtype=wide).to(parameter.dtype)


def _wide(product: Tensor) -> torch.dtype:
    """What sums are kept in that are summed again."""
    return torch.promote_types(product.dtype, torch.float32)
