"""The remedies as they are carried out on what an observer watches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode

from reluctant.initialize.passing import Restart
from reluctant.observe import eager, stack
from reluctant.observe.observer import Observer
from reluctant.record.finding import Finding
from reluctant.record.run import Run, Site
from reluctant.remedy import leak, optimizers, pace, revive
from reluctant.remedy.leak import Spot
from reluctant.remedy.propose import AGAIN, LEAST_SLOWED, MOST_SLOWED, Proposal
from reluctant.remedy.refusal import Refused
from reluctant.remedy.snapshot import Snapshot
from reluctant.remedy.throttle import THROTTLE
from reluctant.remedy.wiring import Survey

# Snapshots may take so many bytes together; there are three at most.
MOST_BYTES = 1 << 30

# A network that begins anew may learn faster than its script meant by so much at most.
MOST_RAISED = 3.0

Then = Callable[[], None]


@dataclass(frozen=True)
class State:
    """What a remedy changes, as it was before."""

    snapshot: Snapshot | None
    factors: dict[Optimizer, float]
    leaks: int


class Operations:
    """Carries remedies out.

    A remedy that needs a forward pass is carried out in the next, and tells when it is.

    Args:
        observer: of what is treated.
        seed: of fresh weights.
        failed: told of an error of ours in the midst of the script.
    """

    def __init__(self, observer: Observer, seed: int, failed: Callable[[Exception], None]) -> None:
        self._observer = observer
        self._seed = seed
        self._failed = failed
        self._throttle = THROTTLE
        self._passing: TorchFunctionMode | None = None
        self._then: Then | None = None
        self._hook: Any = None
        self._before_step: Then | None = None
        self._after_step: Then | None = None
        self._to_pace: dict[int, float] = {}
        self._leaks: list[Then] = []

    @property
    def busy(self) -> bool:
        """Whether a pass is waited for, or under way."""
        return self._passing is not None or self._then is not None

    # -- what there is -------------------------------------------------------------------------

    def state(self) -> State:
        """As it is now."""
        factors = {at: self._throttle.factor(at) for at in self._observer.optimizers()}
        return State(self.snapshot(), factors, len(self._leaks))

    def snapshot(self) -> Snapshot | None:
        """Of all that trains; None if that is too large."""
        tensors = self._observer.tensors()
        # With what Adam remembers it is three times as much.
        if 3 * sum(at.numel() * at.element_size() for at in tensors) > MOST_BYTES / 3:
            return None
        return Snapshot.of(self._observer.clock.steps, tensors, self._observer.optimizers())

    def restore(self, state: State) -> None:
        """Undo what was done since."""
        while len(self._leaks) > state.leaks:
            self._leaks.pop()()
        if state.snapshot is not None:
            state.snapshot.restore(self._observer.optimizers())
        for optimizer, factor in state.factors.items():
            if factor != self._throttle.factor(optimizer):
                self._throttle.set(optimizer, factor)
        self._to_pace.clear()

    def trained_by(self, parameter: Tensor) -> list[Optimizer]:
        """The optimizers that step a parameter."""
        return [
            optimizer
            for optimizer in self._observer.optimizers()
            if any(at is parameter for group in optimizer.param_groups for at in group["params"])
        ]

    # -- the remedies --------------------------------------------------------------------------

    def rescale(self, proposal: Proposal, attempt: int, begun: Then, done: Then) -> None:
        """Fresh weights for all layers, in the next pass."""
        held = self._observer.optimizers()
        ours = self._observer.ours(
            at for one in held for group in one.param_groups for at in group["params"]
        )
        self._check(ours)
        trained = set(map(id, ours))
        rectified = self._observer.rectified()
        restart = Restart(
            lambda leaf: id(leaf) in trained,
            lambda leaf: id(leaf) in rectified,
            self._seed + attempt,
        )
        begun()

        def before_step() -> None:
            if restart.failure is not None:
                raise restart.failure
            for parameter in restart.done:
                for optimizer in self.trained_by(parameter):
                    optimizers.forget(optimizer, parameter)
            for optimizer in self._observer.optimizers():
                self._slow(optimizer, _pace_anew(optimizer))
            done()

        self._pass(restart, before_step, None)

    def revive(
        self, proposal: Proposal, begun: Then, done: Then, refused: Callable[[Refused], None]
    ) -> None:
        """Dead units begin anew, after the step that the next pass is for."""
        finding = proposal.finding
        weight = self._observer.weight(finding.layer)
        if weight is None or finding.units is None:
            raise Refused("The layer is not known any more.")
        survey = Survey(lambda leaf: leaf is weight)
        units = torch.tensor(finding.units.indices, device=weight.device)

        def after_step() -> None:
            try:
                wiring = survey.wiring(weight)
                if wiring is None:
                    raise Refused("The layer was not used in a training pass.")
                generator = torch.Generator().manual_seed(self._seed)
                plan = revive.plan(wiring, units, generator)
                self._check(plan.tensors)
            except Refused as why:
                refused(why)
                return
            begun()
            revive.apply(plan, self.trained_by)
            done()

        self._pass(survey, None, after_step)

    def leak(
        self, proposal: Proposal, run: Run, learnt: bool, begun: Callable[[str], None]
    ) -> None:
        """What the units go through lets a little of what is below zero through."""
        sites = [at for at in run.sites if _is_of(at, run, proposal.finding)]
        if not sites:
            raise Refused("The function is not known any more.")
        others = [at.name for at in run.sites if at.root == sites[0].root and at not in sites]
        weight = self._observer.weight(proposal.finding.layer)
        by: list[Optimizer] | None = None
        if learnt:
            by = self.trained_by(weight) if weight is not None else []
        spots: dict[tuple[str, str], list[Spot]] = {}
        for site in sites:
            found = self._observer.module(site)
            if found is None:
                raise Refused("The function is called outside of any module.")
            spot = Spot.of(found[0], site.name, found[1])
            spots.setdefault((spot.place, spot.function), []).append(spot)
        plans = [leak.plan(at, others, weight, by) for at in spots.values()]
        begun(" ".join(at.text for at in plans))
        self._leaks += map(leak.apply, plans)

    def roll_back(self, good: Snapshot | None, attempt: int, begun: Then) -> None:
        """Everything as it was, and steps that are not too long from there."""
        if good is None:
            raise Refused("No earlier state was kept: it would have taken too much memory.")
        begun()
        good.restore(self._observer.optimizers())
        self._to_pace = {id(at): AGAIN**attempt for at in self._observer.optimizers()}

    def slow_down(self, attempt: int, begun: Then) -> None:
        """Steps of a part of their length."""
        begun()
        for optimizer in self._observer.optimizers():
            self._slow(optimizer, LEAST_SLOWED * AGAIN**attempt)

    def speed_up(self, attempt: int, begun: Then) -> None:
        """Steps as long as the first may be."""
        begun()
        self._to_pace = {id(at): -1.0 for at in self._observer.optimizers()}

    def _slow(self, optimizer: Optimizer, factor: float) -> None:
        if factor != 1:
            self._throttle.set(optimizer, self._throttle.factor(optimizer) * factor)

    def _check(self, tensors: Iterable[Tensor]) -> None:
        """Refuse what cannot be changed."""
        tensors = list(tensors)
        if len(self._observer.ours(tensors)) < len(tensors):
            raise Refused("A layer outside of the model that is treated reads the units.")
        for optimizer in self._observer.optimizers():
            held = {id(at) for group in optimizer.param_groups for at in group["params"]}
            why = optimizers.refusal(optimizer, [at for at in tensors if id(at) in held])
            if why is not None:
                raise Refused(why)

    # -- between two steps ---------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether something is to be done before the next update."""
        return self._passing is not None or bool(self._to_pace)

    def in_step(self, optimizer: Optimizer) -> None:
        """A closure has been called for the gradients of a step that goes on."""
        self._throttle.lift(optimizer)
        self.stepping(optimizer)
        self._throttle.lower(optimizer)

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimizer has its gradients and is about to step: a pass of ours is over."""
        if self._then is None:
            self._unhook()
        wanted = self._to_pace.pop(id(optimizer), None)
        if wanted is not None:
            sound = pace.factor(optimizer) / self._throttle.factor(optimizer)
            if wanted > 0:
                factor = min(max(sound, MOST_SLOWED), LEAST_SLOWED) * wanted
            else:
                sound /= pace.momentum(optimizer)
                factor = min(max(sound, 1 / LEAST_SLOWED), 1 / MOST_SLOWED)
            self._slow(optimizer, factor)
        self._over()

    def _pass(
        self, mode: TorchFunctionMode, before_step: Then | None, after_step: Then | None
    ) -> None:
        """Be there in the next forward pass, and act before or after the step that ends it."""
        self._passing = mode
        self._before_step, self._after_step = before_step, after_step
        eager.enter()
        stack.enter(mode)

    def leave(self) -> None:
        """End a pass of ours, and nothing comes of it."""
        self._unhook()
        if self._passing is not None:
            stack.leave(self._passing)
            eager.leave()
            self._passing = None

    def _over(self) -> None:
        if self._passing is None:
            return
        self.leave()
        if self._before_step is not None:
            self._before_step()
        if self._after_step is not None:
            self._once_stepped(self._after_step)

    def _once_stepped(self, then: Then) -> None:
        def after(optimizer: Optimizer, *_: object) -> None:
            if self._then is None or not self._observer.trains(optimizer):
                return
            self._then = None
            try:
                then()
            except Exception as error:
                self._failed(error)

        self._then = then
        self._hook = register_optimizer_step_post_hook(after)

    def _unhook(self) -> None:
        # Never from within one: torch is going through them.
        if self._hook is not None:
            self._hook.remove()
            self._hook = self._then = None


def _is_of(site: Site, run: Run, finding: Finding) -> bool:
    """Whether the finding is about units that go through this function."""
    if not run.functions[site.function].switches_off:
        return False
    if site.layer is None or not site.aligned:
        return site.name == finding.layer
    return run.layers[site.layer].name == finding.layer


def _pace_anew(optimizer: Optimizer) -> float:
    """The factor on the rate of one whose network begins anew, with less time than it had."""
    factor = pace.factor(optimizer)
    return min(max(factor / pace.momentum(optimizer), 1.0), MOST_RAISED) if factor > 1 else factor
