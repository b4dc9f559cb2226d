"""How far a step changes what a network computes, by how far it changes each of its layers."""

from math import e, inf, sqrt

import torch
from torch import Tensor
from torch.optim import Optimizer

# Relative changes of layers that follow one another multiply, so that in a deep network many small
# ones make a large one (Bernstein, Vahdat, Yue and Liu 2020, arXiv 2002.03432, equation 2). Of a
# step that changes the whole by more than this share, the slope at its start says little; the first
# steps of networks that learn well change it by a tenth of that and up to twice as much.
SOUND = 0.1

# In their first steps each number goes as far as the rate, whatever its gradient.
_BY_SIGN = tuple(
    getattr(torch.optim, name) for name in "Adam AdamW NAdam RAdam Adamax RMSprop".split()
)

# What an average of gradients, as Adam keeps it (0.9), leaves of them: all where they are alike and
# sqrt(0.1 / 1.9) where they are random. Between these; without an average random steps undo one
# another by as much.
_AVERAGED = sqrt(sqrt(0.1 / 1.9))

# Adagrad's steps become shorter with the root of their number: the geometric mean of a hundred.
_OF_A_HUNDRED = sqrt(e / 100)


def factor(optimizer: Optimizer) -> float:
    """The factor on its rate with which the step that it is about to take is `SOUND`.

    It is known of SGD and of optimizers that go by signs at first; of others it is 1.
    """
    change = 0.0
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None and weight.dim() >= 2 and not weight.grad.is_sparse:
                change += float(group["lr"]) * _length(optimizer, weight) / _size(weight)
    return SOUND / change if 0 < change < inf else 1.0


def momentum(optimizer: Optimizer) -> float:
    """How much longer SGD's momentum makes steps, between that of steps alike and of random ones.

    Added up, steps that are all alike come to 1 / (1 - m) of one, and random ones to its root.
    """
    highest = max(float(group.get("momentum", 0.0)) for group in optimizer.param_groups)
    return 1 / sqrt(max(1 - highest, 1e-2)) if isinstance(optimizer, torch.optim.SGD) else 1.0


def _length(optimizer: Optimizer, weight: Tensor) -> float:
    """Of a step of rate one."""
    if isinstance(optimizer, torch.optim.SGD):
        assert weight.grad is not None
        # A fused step divides by a scaler's factor itself.
        scale = getattr(optimizer, "grad_scale", None)
        return float(weight.grad.norm()) / (1.0 if scale is None else float(scale))
    # What is sought is the length of those that follow, whose gradients are not all alike.
    if isinstance(optimizer, torch.optim.Adagrad):
        return sqrt(weight.numel()) * _OF_A_HUNDRED
    return sqrt(weight.numel()) * _AVERAGED if isinstance(optimizer, _BY_SIGN) else 0.0


def _size(weight: Tensor) -> float:
    return max(float(weight.detach().norm()), 1e-12)
