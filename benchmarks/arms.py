"""Runs a script as others would treat it, to be set beside healing.

    python -m benchmarks.arms {halved,redo} SCRIPT [ARGS]

`halved` takes every optimizer's steps at half its rate. `redo` does what Sokar et al. 2023 (arXiv
2302.12902, algorithm 1) do, with their threshold at zero: every `PERIOD` steps, units that give
nothing on a batch get fresh incoming weights and outgoing weights of zero; what the optimizer
remembers stays. Which units feed what is found by reluctant's own means, and so are the fresh
weights, so that the arms differ in nothing else.
"""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from reluctant.observe import stack
from reluctant.remedy import revive
from reluctant.remedy.refusal import Refused
from reluctant.remedy.survey import Survey
from reluctant.remedy.throttle import Throttle
from reluctant.remedy.wiring import Wiring

# As published it is every thousand steps of runs of millions; these are of some hundred.
PERIOD = 50


def halve() -> None:
    """Take steps at half their rate."""
    throttle = Throttle()

    def stepping(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if throttle.factor(optimizer) == 1:
            throttle.set(optimizer, 0.5)

    register_optimizer_step_pre_hook(stepping)


class Redo:
    """Revives dormant units now and then."""

    def __init__(self) -> None:
        self._steps = 0
        self._survey: Survey | None = None
        self._weights: list[Tensor] = []
        self._generator = torch.Generator().manual_seed(0)
        register_optimizer_step_post_hook(self._stepped)

    def _stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._steps += 1
        if self._survey is not None:
            stack.leave(self._survey)
            for weight in self._weights:
                wiring = self._survey.wiring(weight)
                if wiring is not None:
                    self._renew(wiring)
            self._survey = None
        if self._steps % PERIOD == 0:
            held = [at for group in optimizer.param_groups for at in group["params"]]
            self._weights = [at for at in held if at.dim() >= 2]
            wanted = {id(at) for at in self._weights}
            self._survey = Survey(lambda leaf: id(leaf) in wanted)
            stack.enter(self._survey)

    def _renew(self, wiring: Wiring) -> None:
        try:
            # Of all units the plan takes those that give nothing.
            units = torch.arange(wiring.product.units_first().shape[0])
            revive.apply(revive.plan(wiring, units, self._generator), lambda tensor: ())
        except (Refused, AssertionError):
            return


def main() -> None:
    """Run the script under an arm."""
    arm, script, *args = sys.argv[1:]
    arms: dict[str, Callable[[], object]] = {"halved": halve, "redo": Redo}
    kept = arms[arm]()
    sys.argv = [script, *args]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")
    del kept  # whoever is hooked in must live as long as the script


if __name__ == "__main__":
    main()
