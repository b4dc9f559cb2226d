"""What a treated run had done to it, done again to no purpose: at the same steps, and as much.

Against a run that had this, one that was treated shows what the remedies did beyond disturbing it.
What is honest depends on the remedy:

- `revive`: as many units of the layer begin anew in the same way, chosen at random among those that
  live; half of these at most, for a layer without any would be a sickness of its own.
- `rescale` has no units to choose, and gives all layers fresh weights. Here all begin anew too, as
  the script made them, but with the units and the inputs of each in another order: other weights of
  the same sizes, which know nothing. Rates stay.
- `leak` is of a whole layer. Here the rectifier of another leaks, chosen at random among those that
  no remedy was for, and always by a fixed share.
- `roll-back`, `slow-down` and `speed-up` choose nothing either, nor does what was undone. Their
  placebo is the interruption alone: a snapshot is taken, and put back. Such a run ends as the
  untreated one does.
"""

import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from reluctant.healing.operations import Operations
from reluctant.observe import eager, stack
from reluctant.observe.guard import sentence
from reluctant.observe.observer import Observer
from reluctant.record.finding import Cause, Finding, Severity
from reluctant.record.reader import load
from reluctant.record.run import Intervention
from reluctant.record.trial import PLACEBO_OF
from reluctant.remedy import optimizers, revive
from reluctant.remedy.propose import Proposal
from reluctant.remedy.refusal import Refused
from reluctant.remedy.survey import Survey
from reluctant.words import plural


class Placebo:
    """Does to what trains, while an observer watches it, what stands for a treated run's remedies.

    Args:
        observer: of what trains.
        path: the folder of its record.
        treated: that of the treated run's.
        seed: of what is chosen at random.
    """

    def __init__(self, observer: Observer, path: Path, treated: Path, seed: int) -> None:
        self._observer = observer
        self._path = path
        done = [at for at in load(treated).interventions if not at.refused]
        self._waiting = deque(sorted(done, key=lambda at: at.step))
        self._anew = any(at.remedy == "rescale" for at in done)
        self._layers = {at.layer for at in done}
        self._operations = Operations(observer, seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._made: dict[int, tuple[Tensor, Tensor]] = {}
        self._survey: Survey | None = None
        self._looking = False
        self._handles: list[Any] = [
            register_optimizer_step_pre_hook(self._stepping),
            register_optimizer_step_post_hook(self._stepped),
        ]

    def close(self) -> None:
        """Let go of everything."""
        self._leave()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _give_up(self, error: Exception) -> None:
        self.close()
        print(
            f"reluctant: The placebo was given up, while the training goes on: {sentence(error)}",
            file=sys.stderr,
        )

    # -- around each step ----------------------------------------------------------------------

    def _stepping(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        try:
            self._leave()
            if self._anew:
                for group in optimizer.param_groups:
                    for at in group["params"]:
                        if id(at) not in self._made:
                            self._made[id(at)] = at, at.detach().clone()
        except Exception as error:
            self._give_up(error)

    def _stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        try:
            if self._survey is not None:
                survey, self._survey = self._survey, None
                self._do(self._waiting.popleft(), lambda at: self._revive(at, survey))
            steps = self._observer.clock.steps
            while self._waiting and not _needs_a_pass(self._waiting[0]):
                if self._waiting[0].step > steps:
                    return
                at = self._waiting.popleft()
                what = {"rescale": self._begin_anew, "leak": self._leak}.get(at.remedy)
                self._do(at, what if what and at.kept is not False else self._interrupt)
            if self._waiting and self._waiting[0].step <= steps + 1:
                self._look(self._waiting[0])
        except Exception as error:
            self._give_up(error)

    def _look(self, at: Intervention) -> None:
        """Follow the layer's units through the next pass."""
        weight = self._observer.weight(at.layer)
        self._survey = Survey(lambda leaf: leaf is weight)
        self._looking = True
        eager.enter()
        stack.enter(self._survey)

    def _leave(self) -> None:
        if self._looking and self._survey is not None:
            self._looking = False
            stack.leave(self._survey)
            eager.leave()

    # -- what is done --------------------------------------------------------------------------

    def _do(self, at: Intervention, what: Callable[[Intervention], Intervention]) -> None:
        """Do it, record it, and look as closely from there on as the healer does."""
        place = replace(
            at,
            index=self._observer.interventions,
            step=self._observer.clock.steps,
            remedy=PLACEBO_OF + at.remedy,
            predicted=at.before,
            after=None,
            kept=None,
        )
        try:
            done = what(place)
        except Refused as why:
            done = replace(place, kept=False, text=str(why))
        self._observer.intervened(done)
        self._observer.attend()

    def _revive(self, at: Intervention, survey: Survey) -> Intervention:
        weight = self._observer.weight(at.layer)
        wiring = None if weight is None else survey.wiring(weight)
        if wiring is None:
            raise Refused("The layer was not used in a training pass.")
        rates = revive.firing_rates(wiring)
        living = rates.nonzero().flatten()
        count = min(at.units or 0, len(living) // 2)
        if not count:
            raise Refused("Too few units of the layer live.")
        order = torch.randperm(len(living), generator=self._generator, device="cpu")[:count]
        chosen = living[order.to(living.device)]
        plan = revive.anew(wiring, chosen, self._generator, revive.usual(rates))
        revive.apply(plan, self._operations.trained_by)
        text = f"{plural(count, 'living unit')}, chosen at random, began anew."
        return replace(at, units=count, text=text)

    def _begin_anew(self, at: Intervention) -> Intervention:
        with torch.no_grad():
            for parameter, made in self._made.values():
                for dim in range(2 if made.dim() >= 2 else 0):
                    order = torch.randperm(made.shape[dim], generator=self._generator, device="cpu")
                    made = made.index_select(dim, order.to(made.device))
                parameter.detach().copy_(made)
                for optimizer in self._operations.trained_by(parameter):
                    optimizers.forget(optimizer, parameter)
        return replace(at, text="All layers began anew, as the script made them.")

    def _leak(self, at: Intervention) -> Intervention:
        self._observer.flush()
        run = load(self._path)
        others = {
            run.layers[site.layer].name
            for site in run.sites
            if site.layer is not None and run.functions[site.function].switches_off
        }
        names = sorted(others - self._layers)
        order = torch.randperm(len(names), generator=self._generator, device="cpu")
        for name in (names[place] for place in order):
            finding = Finding(at.finding, Severity.NOTE, name, None, None, Cause(at.cause, ""))
            texts: list[str] = []
            with suppress(Refused):
                self._operations.leak(
                    Proposal("leak", finding, at.measure, at.before, at.before),
                    run,
                    False,
                    texts.append,
                )
                return replace(at, layer=name, units=None, text=" ".join(texts))
        raise Refused("There is no other layer whose function could leak.")

    def _interrupt(self, at: Intervention) -> Intervention:
        """Come between, and no more."""
        self._operations.restore(self._operations.state())
        raise Refused("Nothing was changed: there is no unit to choose.")


def _needs_a_pass(at: Intervention) -> bool:
    return at.remedy == "revive" and at.kept is not False
