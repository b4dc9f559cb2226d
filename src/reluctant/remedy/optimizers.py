"""What optimizers remember of a parameter, and how to have them forget a part of it."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# Running means of gradients, and what else a step is added to: nothing, for weights that are new.
_MOMENTS = frozenset("exp_avg momentum_buffer grad_avg prev acc_delta".split())
# Running sizes of gradients, by which a step is divided. From nothing, steps would be huge as long
# as few gradients have come in: Adam's and RMSprop's correct for that once, by a count of steps
# that all rows of a parameter share.
_SIZES = frozenset(
    "exp_avg_sq max_exp_avg_sq exp_inf square_avg sum row_var col_var variance step_size".split()
)
_COUNTS = frozenset("step mu_product mu eta ax".split())

# These begin at zero, with optimizers that have nothing else.
_FROM_ZERO = frozenset(
    "step exp_avg exp_avg_sq max_exp_avg_sq exp_inf square_avg grad_avg acc_delta "
    "momentum_buffer".split()
)

# These keep what they remember of all parameters with the first.
_TOGETHER = (torch.optim.LBFGS,)


def refusal(optimizer: Optimizer, parameters: Iterable[Tensor] = ()) -> str | None:
    """Why nothing can be done to what this optimizer remembers, a sentence; None if it can."""
    name = type(optimizer).__name__
    if isinstance(optimizer, _TOGETHER):
        return f"{name} remembers whole steps, and no part of them can be forgotten."
    for parameter in parameters:
        unknown = optimizer.state.get(parameter, {}).keys() - _MOMENTS - _SIZES - _COUNTS
        if unknown:
            return f"{name} remembers what is not known here ({', '.join(sorted(unknown))})."
    return None


def forget(optimizer: Optimizer, parameter: Tensor) -> None:
    """Have it treat a parameter as one that it has never stepped.

    In place where that comes to the same: a step that is compiled, or captured, reads what it
    remembers where it is.
    """
    state: dict[str, Any] = optimizer.state.get(parameter, {})
    damped = any(group.get("dampening", 0) for group in optimizer.param_groups)
    numbers = [value for value in state.values() if value is not None]
    zero = _FROM_ZERO.issuperset(state) and not ("momentum_buffer" in state and damped)
    if zero and all(isinstance(value, Tensor) for value in numbers):
        for value in numbers:
            value.zero_()
    else:
        optimizer.state.pop(parameter, None)


def renew(optimizer: Optimizer, parameter: Tensor, dim: int, at: Tensor) -> None:
    """Have it treat the slices `at` of a parameter's dimension as new, and keep the rest.

    Means of gradients become zero; sizes become the mean of the other slices, so that the first
    steps of the new ones are no larger than theirs. Where all slices are new, all is forgotten.
    """
    if len(at) == parameter.shape[dim]:
        forget(optimizer, parameter)
        return
    state: dict[str, Any] = optimizer.state.get(parameter, {})
    others = torch.ones(parameter.shape[dim], dtype=torch.bool, device=parameter.device)
    others[at] = False
    for name, value in state.items():
        if not isinstance(value, Tensor) or name in _COUNTS or value.dim() != parameter.dim():
            continue
        if value.shape[dim] != parameter.shape[dim]:
            continue  # what Adafactor keeps of the other dimension
        along = value.movedim(dim, 0)
        along[at] = along[others].mean(dim=0) if name in _SIZES else 0
