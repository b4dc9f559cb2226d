"""`slow-down`: an optimizer's steps are taken at a part of their learning rate.

The rate is lowered for the length of a step and put back, so that a schedule that works out the
next rate from the last, or from the first, goes on as it would.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook


@dataclass(frozen=True)
class Pace:
    """The share of its rate at which an optimizer steps.

    `held` are the rates of its groups, where it is a share of these and not of what its script
    makes of them.
    """

    factor: float = 1.0
    held: tuple[float, ...] = ()


class Throttle:
    """Slows down the optimizers that it is told of; each time by a factor more."""

    def __init__(self) -> None:
        self._paces: WeakKeyDictionary[Optimizer, Pace] = WeakKeyDictionary()
        self._before: WeakKeyDictionary[Optimizer, list[Any]] = WeakKeyDictionary()

    def factor(self, optimizer: Optimizer) -> float:
        """The share of its rate at which it steps now."""
        return self.pace(optimizer).factor

    def pace(self, optimizer: Optimizer) -> Pace:
        """How it steps now."""
        return self._paces.get(optimizer, Pace())

    def set(self, optimizer: Optimizer, factor: float, hold: bool = False) -> None:
        """Have it step at this share of its rate from now on; to `hold`, of that which it has."""
        held = self.pace(optimizer).held
        if hold:
            held = tuple(float(group["lr"]) for group in optimizer.param_groups)
        self.put(optimizer, Pace(factor, held))

    def put(self, optimizer: Optimizer, pace: Pace) -> None:
        """Have it step so from now on."""
        if pace == self.pace(optimizer):
            return
        if optimizer not in self._paces:
            optimizer.register_step_pre_hook(self._slow)
            optimizer.register_step_post_hook(self._put_back)
        self._paces[optimizer] = pace

    @contextmanager
    def all(self, factor: float) -> Iterator[None]:
        """Have every optimizer step at this share of its rate, from its first step on.

        Those whose groups have no rate are left as they are. In the end all step as they did.
        """
        before: WeakKeyDictionary[Optimizer, Pace] = WeakKeyDictionary()

        def begin(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            # Its own hooks are called after those of all, so that this step is at that rate too.
            if optimizer not in before and all("lr" in at for at in optimizer.param_groups):
                before[optimizer] = self.pace(optimizer)
                self.set(optimizer, factor)

        handle = register_optimizer_step_pre_hook(begin)
        try:
            yield
        finally:
            handle.remove()
            for optimizer, pace in before.items():
                self.put(optimizer, pace)

    def lift(self, optimizer: Optimizer) -> None:
        """In the midst of a step: put its rate back."""
        self._put_back(optimizer, (), {})

    def lower(self, optimizer: Optimizer) -> None:
        """In the midst of a step: have this one too taken at its share of the rate."""
        if optimizer in self._paces:
            self._slow(optimizer, (), {})

    def _slow(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        # The last step may have raised, and the script gone on.
        self._put_back(optimizer, args, kwargs)
        rates = [group["lr"] for group in optimizer.param_groups]
        self._before[optimizer] = [
            rate.clone() if isinstance(rate, Tensor) else rate for rate in rates
        ]
        pace = self._paces[optimizer]
        for group, rate, held in zip_longest(
            optimizer.param_groups, self._before[optimizer], pace.held
        ):
            if isinstance(rate, Tensor):
                # A captured step reads it where it is; groups may share it.
                group["lr"].copy_((rate if held is None else held) * pace.factor)
            else:
                group["lr"] = (rate if held is None else held) * pace.factor

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
