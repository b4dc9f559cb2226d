"""`slow-down`: an optimizer's steps are taken at a part of their learning rate.

The rate is lowered for the length of a step and put back, so that a schedule that works out the
next rate from the last, or from the first, goes on as it would.
"""

from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor
from torch.optim import Optimizer


class Throttle:
    """Slows down the optimizers that it is told of; each time by a factor more."""

    def __init__(self) -> None:
        self._factors: WeakKeyDictionary[Optimizer, float] = WeakKeyDictionary()
        self._before: WeakKeyDictionary[Optimizer, list[Any]] = WeakKeyDictionary()

    def factor(self, optimizer: Optimizer) -> float:
        """The share of its rate at which it steps now."""
        return self._factors.get(optimizer, 1.0)

    def set(self, optimizer: Optimizer, factor: float) -> None:
        """Have it step at this share of its rate from now on."""
        if optimizer not in self._factors:
            optimizer.register_step_pre_hook(self._slow)
            optimizer.register_step_post_hook(self._put_back)
        self._factors[optimizer] = factor

    def lift(self, optimizer: Optimizer) -> None:
        """In the midst of a step: put its rate back."""
        self._put_back(optimizer, (), {})

    def lower(self, optimizer: Optimizer) -> None:
        """In the midst of a step: have this one too taken at its share of the rate."""
        if optimizer in self._factors:
            self._slow(optimizer, (), {})

    def _slow(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        # The last step may have raised, and the script gone on.
        self._put_back(optimizer, args, kwargs)
        rates = [group["lr"] for group in optimizer.param_groups]
        self._before[optimizer] = [
            rate.clone() if isinstance(rate, Tensor) else rate for rate in rates
        ]
        factor = self._factors[optimizer]
        for group, rate in zip(optimizer.param_groups, self._before[optimizer], strict=True):
            if isinstance(rate, Tensor):
                # A captured step reads it where it is; groups may share it.
                group["lr"].copy_(rate * factor)
            else:
                group["lr"] = rate * factor

    def _put_back(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for group, rate in zip(
            optimizer.param_groups, self._before.pop(optimizer, ()), strict=False
        ):
            if isinstance(rate, Tensor):
                group["lr"].copy_(rate)
            else:
                group["lr"] = rate


# One for all: two on one optimizer would each put back what the other has lowered.
THROTTLE = Throttle()
