"""Twins made of torch's own kernels: the algebra that eager PyTorch leaves undone.

What is not here is delegated: torch's own function is at the limit already (ReLU, SiLU, GELU), and
its autograd keeps no more than ours could exactly.
"""

from math import isfinite

import torch
from torch import Tensor, celu, relu, selu, sigmoid, sigmoid_, tanh
from torch.nn.functional import (
    elu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    relu6,
    softplus,
)

from reluctant.activations import bounded, gated
from reluctant.activations.exponential import ALPHA, SCALE
from reluctant.activations.kernels.kernel import Kernel
from reluctant.activations.kernels.tiles import in_tiles

_aten = torch.ops.aten


def _squared_relu(z: Tensor) -> Tensor:
    return relu(z).square_()


def _squared_relu_back(gradient: Tensor, y: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        # The root has no slope at zero; the gradient there has.
        positive = y > 0
        return torch.where(positive, 2 * torch.where(positive, y, 1.0).sqrt(), 0.0) * gradient
    return in_tiles(_squared_relu_back_into, gradient, y)


def _squared_relu_back_into(gradient: Tensor, y: Tensor, out: Tensor) -> None:
    # By the reciprocal root: torch.sqrt stumbles over what is nearly zero. Where the square
    # overflowed, the largest root there is stands for infinity.
    facts = torch.finfo(y.dtype)
    square = y.clamp(facts.tiny, facts.max)
    root = square.rsqrt().mul_(square).mul_(2)
    out.copy_(_aten.threshold_backward(gradient, y, 0.0) * root)


def _softplus_back(gradient: Tensor, y: Tensor, beta: float, threshold: float) -> Tensor:
    # 1 - exp(-beta y), by expm1: near y = 0, where the slope is small, nothing cancels.
    return torch.expm1(y * -beta) * -gradient


def _logsigmoid_back(gradient: Tensor, y: Tensor) -> Tensor:
    return torch.expm1(y) * -gradient


def _penalized_tanh(z: Tensor) -> Tensor:
    return leaky_relu(tanh(z), 0.25)


def _penalized_tanh_back(gradient: Tensor, y: Tensor) -> Tensor:
    inner = _aten.leaky_relu_backward(gradient, y, 0.25, True)
    return _aten.tanh_backward(inner, leaky_relu(y, 4.0))


def _mish(z: Tensor) -> Tensor:
    return in_tiles(_mish_into, z)


def _mish_back(gradient: Tensor, z: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        return gradient * gated.mish.derivative(z)
    return in_tiles(_mish_back_into, gradient, z)


def _mish_into(z: Tensor, out: Tensor) -> None:
    """One exponential: tanh(log(1 + e)) is n / (n + 2) with n = e (e + 2)."""
    e = z.clamp(max=_ALL).exp_()
    n = e.add(2).mul_(e)
    out.copy_(n.div_(n + 2).mul_(z))


def _mish_back_into(gradient: Tensor, z: Tensor, out: Tensor) -> None:
    """n / (n + 2) + z e / (1 + e) 4 (1 + n) / (n + 2)^2, where 1 + n is (1 + e)^2."""
    low = z.clamp(max=_ALL)
    e = low.exp()
    rest = (e + 1).mul_(e).mul_(low).mul_(4)
    n = e.add(2).mul_(e)
    whole = n + 2
    out.copy_(rest.div_(whole).add_(n).div_(whole) * gradient)


# Above, the gate is open to float64's last digit.
_ALL = 20.0


def _softsign(z: Tensor) -> Tensor:
    return z / (z.abs() + 1)


def _softsign_back(gradient: Tensor, z: Tensor) -> Tensor:
    return gradient / (z.abs() + 1).square()


def silu_back(gradient: Tensor, z: Tensor) -> Tensor:
    """The gradient of z through SiLU; torch's own kernel cannot be differentiated again."""
    if torch.is_grad_enabled():
        gate = sigmoid(z)
        return gradient * gate * (1 + z * (1 - gate))
    return _aten.silu_backward(gradient, z)


def _quick_gelu(z: Tensor) -> Tensor:
    return sigmoid_(1.702 * z).mul_(z)


def _quick_gelu_back(gradient: Tensor, z: Tensor) -> Tensor:
    return silu_back(gradient, 1.702 * z.clamp(-_FAR, _FAR))


def _gelu_tanh(z: Tensor) -> Tensor:
    return in_tiles(_gelu_tanh_into, z)


def _gelu_tanh_into(z: Tensor, out: Tensor) -> None:
    """z sigmoid(2 u), u = sqrt(2 / pi) (z + 0.044715 z^3): one exponential, and no tanh."""
    root = z.new_tensor(2 * gated.ROOT)
    inner = torch.addcmul(root, z, z, value=2 * gated.ROOT * gated.CUBE).mul_(z)
    out.copy_(sigmoid_(inner).mul_(z))


def _gelu_tanh_back(gradient: Tensor, z: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        return gradient * gated.gelu_tanh.derivative(z)
    back = _aten.gelu_backward(gradient, z, approximate="tanh")
    # torch's gradient is NaN where the cube overflows, far beyond where the gate is shut or open to
    # the last digit. On a device, which is not to be waited for, it computes halves and float32 so
    # that they do not overflow.
    elsewhere = not z.is_cpu and z.dtype == torch.float64
    transformed = torch._C._are_functorch_transforms_active()
    if elsewhere or transformed or (z.is_cpu and not isfinite(back.sum())):
        return _aten.gelu_backward(gradient, z.clamp(-_FAR, _FAR), approximate="tanh")
    return back


# exp(-1.7 * 440) is zero in float64 too.
_FAR = 440.0


def _by_sixths(z: Tensor) -> bool:
    """Whether torch's own would be wrong: on devices it knows 1/6 to float32's digits only."""
    return z.dtype == torch.float64 and not z.is_cpu


def _hardsigmoid(z: Tensor) -> Tensor:
    return bounded.hardsigmoid.compute(z) if _by_sixths(z) else hardsigmoid(z)


def _hardsigmoid_back(gradient: Tensor, z: Tensor) -> Tensor:
    # On the CPU too torch's own knows no more of 1/6, nor can it be differentiated again.
    if z.dtype == torch.float64 or torch.is_grad_enabled():
        return _aten.hardtanh_backward(gradient, z, -3.0, 3.0) / 6
    return _aten.hardsigmoid_backward(gradient, z)


def _hardswish(z: Tensor) -> Tensor:
    return gated.hardswish.compute(z) if _by_sixths(z) else hardswish(z)


def _hardswish_back(gradient: Tensor, z: Tensor) -> Tensor:
    if _by_sixths(z) or torch.is_grad_enabled():
        return gradient * gated.hardswish.derivative(z)
    return _aten.hardswish_backward(gradient, z)


def _hardtanh_back(gradient: Tensor, y: Tensor, min_val: float, max_val: float) -> Tensor:
    return _aten.hardtanh_backward(gradient, y, min_val, max_val)


# For functions that cost no more than reading and writing.
_MANY = 4 << 20

KERNELS: dict[str, Kernel] = {
    "leaky_relu": Kernel(
        leaky_relu,
        lambda gradient, y, negative_slope: _aten.leaky_relu_backward(
            gradient, y, negative_slope, True
        ),
        applies=lambda negative_slope: negative_slope >= 0,
        free=_MANY,
    ),
    "relu6": Kernel(relu6, lambda gradient, y: _hardtanh_back(gradient, y, 0.0, 6.0), free=None),
    "hardtanh": Kernel(hardtanh, _hardtanh_back, free=None),
    "squared_relu": Kernel(_squared_relu, _squared_relu_back, free=None),
    "elu": Kernel(
        elu,
        lambda gradient, y, alpha: _aten.elu_backward(gradient, alpha, 1.0, 1.0, True, y),
        applies=lambda alpha: alpha >= 0,
    ),
    "selu": Kernel(
        selu,
        lambda gradient, y: _aten.elu_backward(gradient, ALPHA, SCALE, 1.0, True, y),
    ),
    "celu": Kernel(
        celu,
        lambda gradient, y, alpha: _aten.elu_backward(gradient, alpha, 1.0, 1 / alpha, True, y),
        applies=lambda alpha: alpha > 0,
    ),
    "softplus": Kernel(
        softplus,
        _softplus_back,
        applies=lambda beta, threshold: beta > 0,
        free=None,
    ),
    "logsigmoid": Kernel(logsigmoid, _logsigmoid_back, free=None),
    "penalized_tanh": Kernel(_penalized_tanh, _penalized_tanh_back),
    # At any size: beyond 1e19 the gradients of torch's own are NaN.
    "gelu_tanh": Kernel(_gelu_tanh, _gelu_tanh_back, keeps="input", free=0),
    "hardsigmoid": Kernel(_hardsigmoid, _hardsigmoid_back, keeps="input", free=None, exact=True),
    "hardswish": Kernel(_hardswish, _hardswish_back, keeps="input", free=None, exact=True),
    "mish": Kernel(_mish, _mish_back, keeps="input"),
    "softsign": Kernel(_softsign, _softsign_back, keeps="input"),
    "quick_gelu": Kernel(_quick_gelu, _quick_gelu_back, keeps="input", free=0, narrow=False),
}
