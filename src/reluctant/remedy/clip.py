"""Keeps gradients that are far larger than is usual from taking the weights away with them."""

from collections import deque
from statistics import median

import torch
from torch.optim import Optimizer

# A gradient so many times the usual is clipped to that. Most ordinary ones differ by less, and lose
# little; of an outlier in the data even ten times the usual undoes what many steps have taught.
FACTOR = 3.0

# What is usual is the median of so many steps.
STEPS = 64


class Clip:
    """Clips the gradient of one optimizer by its norm, against that of the steps before."""

    def __init__(self) -> None:
        self._norms: deque[float] = deque(maxlen=STEPS)

    def apply(self, optimizer: Optimizer) -> None:
        """Clip the gradients that it is about to step by, in place."""
        held = [at for group in optimizer.param_groups for at in group["params"]]
        held = [at for at in held if at.grad is not None and not at.grad.is_sparse]
        # A fused optimizer unscales gradients itself, by a scale that changes.
        if not held or getattr(optimizer, "grad_scale", None) is not None:
            return
        norm = float(torch.nn.utils.get_total_norm([at.grad for at in held]))
        if self._norms and norm > FACTOR * median(self._norms):
            # It counts as large as it is: if all are so from now on, that is usual soon.
            torch.nn.utils.clip_grads_with_norm_(
                held, FACTOR * median(self._norms), torch.tensor(norm, device="cpu")
            )
        self._norms.append(norm)
