"""All optimizers of a script at a multiple of their rates, whatever schedules make of these."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from reluctant.remedy.throttle import THROTTLE, Pace


def multiply(factor: float) -> None:
    """From now on every step is taken at so many times its rate."""

    def stepping(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if THROTTLE.pace(optimizer) == Pace():
            THROTTLE.set(optimizer, factor)

    register_optimizer_step_pre_hook(stepping)
