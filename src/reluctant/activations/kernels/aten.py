"""Twins made of torch's own kernels: the algebra that eager PyTorch leaves undone.

What is not here is delegated: torch's own function is at the limit already (ReLU, SiLU, GELU,
Hardswish, Mish in eager mode), and its autograd keeps no more than ours could exactly.
"""

import torch
from torch import Tensor, relu, sigmoid, tanh
from torch.nn.functional import (
    celu,
    elu,
    hardtanh,
    leaky_relu,
    logsigmoid,
    relu6,
    selu,
    silu,
    softplus,
)

from reluctant.activations.exponential import ALPHA, SCALE
from reluctant.activations.kernels.kernel import Kernel

_aten = torch.ops.aten


def _squared_relu(z: Tensor) -> Tensor:
    return relu(z).square_()


def _squared_relu_back(gradient: Tensor, y: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        # The root has no slope at zero; the gradient there has.
        positive = y > 0
        return torch.where(positive, 2 * torch.where(positive, y, 1.0).sqrt(), 0.0) * gradient
    # Where the square overflowed, the largest root there is: no infinity times zero.
    return (4 * y).clamp(max=torch.finfo(y.dtype).max).sqrt() * gradient


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
    return silu(1.702 * z) / 1.702


def _quick_gelu_back(gradient: Tensor, z: Tensor) -> Tensor:
    return silu_back(gradient, 1.702 * z)


def _hardtanh_back(gradient: Tensor, y: Tensor, min_val: float, max_val: float) -> Tensor:
    return _aten.hardtanh_backward(gradient, y, min_val, max_val)


KERNELS: dict[str, Kernel] = {
    "leaky_relu": Kernel(
        leaky_relu,
        lambda gradient, y, negative_slope: _aten.leaky_relu_backward(
            gradient, y, negative_slope, True
        ),
        applies=lambda negative_slope: negative_slope >= 0,
    ),
    "relu6": Kernel(relu6, lambda gradient, y: _hardtanh_back(gradient, y, 0.0, 6.0)),
    "hardtanh": Kernel(hardtanh, _hardtanh_back),
    "squared_relu": Kernel(_squared_relu, _squared_relu_back),
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
    ),
    "logsigmoid": Kernel(logsigmoid, _logsigmoid_back),
    "penalized_tanh": Kernel(_penalized_tanh, _penalized_tanh_back),
    "softsign": Kernel(_softsign, _softsign_back, keeps="input"),
    "quick_gelu": Kernel(_quick_gelu, _quick_gelu_back, keeps="input"),
}
