"""Functions with parameters that are learnt, or drawn: PReLU, Swish, JumpReLU and RReLU.

Each keeps one tensor for its backward pass, and finds a parameter's gradient by a dot product
instead of a tensor of z's size that is then summed.
"""

from typing import Any

import torch
from torch import Tensor, prelu, sigmoid, sigmoid_
from torch.autograd import Function
from torch.nn.functional import leaky_relu

from reluctant.activations.lean import apply

_aten = torch.ops.aten


def along_channels(parameter: Tensor, z: Tensor) -> Tensor:
    """A parameter, one or one per channel, so shaped that it goes with z; channels are dim 1."""
    if parameter.numel() == 1:
        return parameter.reshape([1] * z.dim())
    return parameter.reshape([-1 if dim == 1 else 1 for dim in range(z.dim())])


def _summed(product: Tensor, parameter: Tensor) -> Tensor:
    """A gradient of z's size, summed to the parameter's."""
    dims = [dim for dim in range(product.dim()) if parameter.numel() == 1 or dim != 1]
    total = product.sum(dims) if dims else product
    return total.reshape(parameter.shape).to(parameter.dtype)


def again(gradient: Tensor) -> bool:
    """Whether a backward pass is itself recorded or transformed, and may not write in place."""
    return (
        torch.is_grad_enabled()
        or torch._C._are_functorch_transforms_active()
        or torch._C._functorch.is_legacy_batchedtensor(gradient)
    )


class PReLU(Function):
    """max(z, 0) + a min(z, 0), a one or one per channel; keeps the output where every a > 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, weight: Tensor, positive: bool) -> Tensor:
        """The output at `z`; `positive` says that every a > 0."""
        return prelu(z, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
        """Keep the output, or the input where a slope may change a sign."""
        z, weight, ctx.positive = inputs
        kept = output if ctx.positive else z
        ctx.save_for_backward(kept, weight)
        ctx.save_for_forward(kept, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """The gradients of z and of the slopes."""
        kept, weight = ctx.saved_tensors
        if again(gradient) or not ctx.needs_input_grad[1] or gradient.device.type != "cpu":
            return *_prelu_back(gradient, kept, weight, ctx.positive), None
        return *_prelu_back_at_once(gradient, kept, weight, ctx.positive), None

    @staticmethod
    def jvp(ctx: Any, along: Tensor | None, along_weight: Tensor | None, _: None) -> Tensor:
        """The derivative along changes of z and of the slopes."""
        kept, weight = ctx.saved_tensors
        slopes = along_channels(weight, kept)
        low = kept.clamp(max=0) / slopes if ctx.positive else kept.clamp(max=0)
        change = torch.zeros_like(kept)
        if along is not None:
            change = change + torch.where(kept > 0, along, slopes * along)
        if along_weight is not None:
            change = change + low * along_channels(along_weight, kept)
        return change


def _prelu_back(
    gradient: Tensor, kept: Tensor, weight: Tensor, positive: bool
) -> tuple[Tensor, Tensor]:
    """In operations that can be differentiated again."""
    slopes = along_channels(weight, kept)
    low = kept.clamp(max=0) / slopes if positive else kept.clamp(max=0)
    return torch.where(kept > 0, gradient, gradient * slopes), _summed(gradient * low, weight)


def _prelu_back_at_once(
    gradient: Tensor, kept: Tensor, weight: Tensor, positive: bool
) -> tuple[Tensor, Tensor]:
    """The same in fewer and faster passes."""
    divisor = weight if positive else 1
    if weight.numel() == 1:
        slope = float(weight)
        if slope >= 0:
            back = _aten.leaky_relu_backward(gradient, kept, slope, True)
        else:
            back = torch.where(kept > 0, gradient, gradient * slope)
        total = _dot(gradient, kept.clamp(max=0))
        return back, (total / divisor).reshape(weight.shape).to(weight.dtype)
    back = _aten.threshold_backward(gradient, kept, 0.0)
    below = gradient - back
    back.addcmul_(below, along_channels(weight, kept))
    return back, _summed(below.mul_(kept), weight) / divisor


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of a product; a sum in half precision is taken in float32 by torch itself."""
    half = a.dtype in (torch.float16, torch.bfloat16)
    if half or a.dtype != b.dtype or not (a.is_contiguous() and b.is_contiguous()):
        return (a * b).sum()
    return torch.dot(a.view(-1), b.view(-1))


class Swish(Function):
    """z sigmoid(beta z), beta learnt, one or one per channel; keeps the input."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, beta: Tensor) -> Tensor:
        """The output at `z`."""
        return sigmoid_(along_channels(beta, z) * z).mul_(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep the input."""
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of z and of beta."""
        z, beta = ctx.saved_tensors
        scale = along_channels(beta, z)
        if again(gradient):
            gate = sigmoid(scale * z)
            turned = _aten.sigmoid_backward(gradient, gate) * z
            return gradient * gate + scale * turned, _summed(turned * z, beta)
        gate = sigmoid_(scale * z)
        turned = _aten.sigmoid_backward(gradient, gate).mul_(z)
        back = gate.mul_(gradient).addcmul_(scale, turned)
        if beta.numel() == 1:
            return back, _dot(turned, z).reshape(beta.shape).to(beta.dtype)
        return back, _summed(turned.mul_(z), beta)

    @staticmethod
    def jvp(ctx: Any, along: Tensor | None, along_beta: Tensor | None) -> Tensor:
        """The derivative along changes of z and of beta."""
        z, beta = ctx.saved_tensors
        inner = along_channels(beta, z) * z
        gate = sigmoid(inner)
        change = torch.zeros_like(z)
        if along is not None:
            change = change + along * (gate + inner * gate * (1 - gate))
        if along_beta is not None:
            change = change + z * z * gate * (1 - gate) * along_channels(along_beta, z)
        return change


class JumpReLU(Function):
    """z where z > threshold, otherwise 0, with a pseudo-derivative for the threshold.

    -(threshold / bandwidth) in the band |z - threshold| < bandwidth / 2, else 0: Rajamanoharan
    et al. 2024, arXiv 2407.14435, equation 11.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        """The output at `z`."""
        if _is_number(threshold):
            return _aten.threshold(z, float(threshold), 0.0)
        return torch.where(z > along_channels(threshold, z), z, 0.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        """Keep the input."""
        z, threshold, ctx.bandwidth = inputs
        ctx.save_for_backward(z, threshold)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        """The gradient of z, and the straight-through one of the threshold."""
        z, threshold = ctx.saved_tensors
        half = ctx.bandwidth / 2
        pull = None
        if _is_number(threshold):
            at = float(threshold)
            back = _aten.threshold_backward(gradient, z, at)
            if ctx.needs_input_grad[1]:
                # What passes a hard tanh from one edge of the band to the other.
                band = _aten.hardtanh_backward(gradient, z, at - half, at + half)
                pull = (_summed(band, threshold) * (-at / ctx.bandwidth)).to(threshold.dtype)
            return back, pull, None
        edge = along_channels(threshold, z)
        if ctx.needs_input_grad[1]:
            band = torch.where((z - edge).abs() < half, gradient, 0.0)
            pull = _summed(band * (-edge / ctx.bandwidth), threshold)
        return torch.where(z > edge, gradient, 0.0), pull, None


def _is_number(parameter: Tensor) -> bool:
    """Whether one number stands for it that can be read without waiting for a device."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return parameter.numel() == 1 and parameter.device.type == "cpu"


class RReLU(Function):
    """Leaky with a slope drawn for each element; keeps the output and the seed it was drawn by."""

    @staticmethod
    def forward(z: Tensor, seed: int, lower: float, upper: float) -> Tensor:
        """The output at `z`."""
        return _aten._prelu_kernel(z, _slopes(z, seed, lower, upper))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, float, float], output: Tensor) -> None:
        """Keep the output: with slopes above zero it has the input's sign."""
        _, *ctx.drawn = inputs
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of z, the same slopes drawn again."""
        (y,) = ctx.saved_tensors
        slopes = _slopes(y, *ctx.drawn)
        return torch.where(y > 0, gradient, gradient * slopes), None, None, None


def _slopes(like: Tensor, seed: int, lower: float, upper: float) -> Tensor:
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.empty_like(like).uniform_(lower, upper, generator=generator)


def rrelu(z: Tensor, lower: float, upper: float, training: bool) -> Tensor:
    """RReLU; in training the seed is drawn from torch's own generator, so `manual_seed` holds."""
    if not training:
        return leaky_relu(z, (lower + upper) / 2)
    seed = int(torch.randint(2**31 - 1, (), device="cpu"))
    return apply(RReLU, z, seed, lower, upper)
