"""The remedies as they are carried out on what an observer watches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from reluctant.healing.agreement import Agreement
from reluctant.healing.pacing import Find, Paced, anew, faster, slower
from reluctant.initialization.choice import Choices, lasting, recurrent
from reluctant.initialization.network import understand
from reluctant.initialization.passing import Restart, is_training_pass
from reluctant.initialization.tracing import Recorder
from reluctant.observe import eager, stack
from reluctant.observe.guard import sentence
from reluctant.observe.observer import Observer
from reluctant.record.finding import Finding
from reluctant.record.run import Run, Site
from reluctant.remedy import leak, optimizers, revive
from reluctant.remedy.clip import Clip
from reluctant.remedy.leak import Leak, Spot
from reluctant.remedy.propose import AGAIN, Proposal
from reluctant.remedy.refusal import Refused
from reluctant.remedy.snapshot import Snapshot
from reluctant.remedy.survey import Survey
from reluctant.remedy.throttle import THROTTLE, Pace

# Snapshots may take so many bytes together; there are three at most.
MOST_BYTES = 1 << 30

Then = Callable[[], None]


@dataclass(frozen=True)
class State:
    """What a remedy changes, as it was before."""

    snapshot: Snapshot | None
    paces: dict[Optimizer, Pace]
    leaks: int


@dataclass
class _Pass:
    """A mode that is on for a forward pass, and what is to be done about what it has seen.

    `stepping` is called before each step, and told whether it is the last, of which `ends` is true;
    `then` is called after that one.
    """

    mode: TorchFunctionMode
    ends: Callable[[Optimizer], bool]
    stepping: Callable[[bool], None]
    then: Then
    on: bool = True
    over: bool = False


class Operations:
    """Carries remedies out.

    A remedy that needs a forward pass is carried out in the next, and tells when it is.

    Args:
        observer: of what is treated.
        seed: of fresh weights.
        agreement: with the other processes that train the same.
    """

    def __init__(self, observer: Observer, seed: int, agreement: Agreement | None = None) -> None:
        self._observer = observer
        self._seed = seed
        self._agreement = agreement or Agreement()
        self._throttle = THROTTLE
        self._pass: _Pass | None = None
        self._to_pace: WeakKeyDictionary[Optimizer, Paced] = WeakKeyDictionary()
        observer.clock.skips.append(self.skipped)
        self._leaks: list[Then] = []

    @property
    def busy(self) -> bool:
        """Whether a pass is waited for, or under way."""
        return self._pass is not None

    # -- what there is -------------------------------------------------------------------------

    def state(self) -> State:
        """As it is now."""
        paces = {at: self._throttle.pace(at) for at in self._observer.optimizers()}
        return State(self.snapshot(), paces, len(self._leaks))

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
        for optimizer, before in state.paces.items():
            self._throttle.put(optimizer, before)
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
        """Fresh weights for all layers, in the next pass, or, by what that computes, in the one
        after it.
        """
        held = self._observer.optimizers()
        ours = self._observer.ours(
            at for one in held for group in one.param_groups for at in group["params"]
        )
        trained = set(map(id, ours))
        with self._agreement.refusing():
            self._check(ours)
        begun()
        seed = self._seed + attempt
        if not self._observer.rectified().isdisjoint(trained):
            # Mirrored pairs are made of rectified units in any case.
            self._restart(trained, seed, {}, {}, done)
            return
        recorder = Recorder(wanted=is_training_pass)

        def then() -> None:
            known = recorder.failure is None
            network = understand(recorder.nodes if known else (), dict.fromkeys(trained, ""))
            chosen, tables = recurrent(network)
            self._restart(trained, seed, lasting(network) | chosen, tables, done)

        self._begin(_Pass(recorder, self._observer.clock.leads, _nothing, then))

    def _restart(
        self,
        trained: set[int],
        seed: int,
        chosen: Choices,
        tables: dict[int, float],
        done: Then,
    ) -> None:
        rectified = self._observer.rectified()
        restart = Restart(
            lambda leaf: id(leaf) in trained,
            lambda leaf: id(leaf) in rectified,
            seed,
            chosen,
            tables,
        )
        seen = 0

        def stepping(last: bool) -> None:
            nonlocal seen
            with self._agreement.refusing():
                if restart.failure is not None:
                    raise Refused(sentence(restart.failure))
            # Each process has made its own, so that gradients are those of a sound network in all.
            new = self._agreement.spread(restart.done[seen:])
            seen = len(restart.done)
            for parameter in new:
                for optimizer in self.trained_by(parameter):
                    optimizers.forget(optimizer, parameter)
                    self._find_pace(anew, [optimizer])
            if last:
                done()

        # Others may step before the one that leads, after a pass of their own or after none.
        self._begin(_Pass(restart, self._observer.clock.leads, stepping, _nothing))

    def revive(
        self, proposal: Proposal, begun: Then, done: Then, refused: Callable[[Refused], None]
    ) -> None:
        """Dead units begin anew, after the step that the next pass is for."""
        finding = proposal.finding
        weight = self._observer.weight(finding.layer)
        with self._agreement.refusing():
            if weight is None or finding.units is None or not self.trained_by(weight):
                raise Refused("The layer is not known any more.")
        assert weight is not None
        assert finding.units is not None
        survey = Survey(lambda leaf: leaf is weight)
        units = torch.tensor(finding.units.indices, device=weight.device)

        def planned() -> revive.Revival:
            wiring = survey.wiring(weight)
            if wiring is None:
                raise Refused("The layer was not used in a training pass.")
            generator = torch.Generator().manual_seed(self._seed)
            plan = revive.plan(wiring, units, generator)
            self._check(plan.tensors)
            return plan

        def then() -> None:
            try:
                plan = self._agreement.plan(planned)
            except Refused as why:
                refused(why)
                return
            begun()
            revive.apply(plan, self.trained_by)
            done()

        def ends(optimizer: Optimizer) -> bool:
            # The next step may be of another network, by whose pass the layer is not come by.
            return survey.has_met(weight) or self._observer.clock.leads(optimizer)

        self._begin(_Pass(survey, ends, _nothing, then))

    def leak(
        self, proposal: Proposal, run: Run, learnt: bool, begun: Callable[[str], None]
    ) -> None:
        """What the units go through lets a little of what is below zero through."""
        if learnt and not self._agreement.alone:
            # No gradient of what a process adds later is exchanged.
            raise Refused("A leak is not learnt by several processes that train together.")

        def those() -> tuple[list[Site], list[str]]:
            sites = [at for at in run.sites if _is_of(at, run, proposal.finding)]
            roots = {at.root for at in sites[:1]}
            return sites, [at.name for at in run.sites if at.root in roots and at not in sites]

        sites, others = self._agreement.share(those)
        with self._agreement.refusing():
            plans = self._leaking(sites, others, proposal, learnt)
        begun(" ".join(at.text for at in plans))
        self._leaks += map(leak.apply, plans)

    def _leaking(
        self, sites: list[Site], others: list[str], proposal: Proposal, learnt: bool
    ) -> list[Leak]:
        if not sites:
            raise Refused("The function is not known any more.")
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
        return [leak.plan(at, others, weight, by) for at in spots.values()]

    def roll_back(
        self, good: Snapshot | None, proposal: Proposal, attempt: int, begun: Then
    ) -> None:
        """Everything as it was, and steps that are not too long from there."""
        if good is None:
            raise Refused("No earlier state was kept: it would have taken too much memory.")
        begun()
        good.restore(self._observer.optimizers())
        self._find_pace(slower(proposal, attempt), self._observer.optimizers(), clips=True)

    def slow_down(self, proposal: Proposal, attempt: int, begun: Then) -> None:
        """Steps of a part of their length."""
        begun()
        factor = proposal.least_slowed * AGAIN**attempt
        for optimizer in self._observer.optimizers():
            self._throttle.set(optimizer, self._throttle.factor(optimizer) * factor)

    def speed_up(self, holds: bool, begun: Then) -> None:
        """Steps as long as the first may be; `holds` if the script is not to shorten them again."""
        begun()
        self._find_pace(faster, self._observer.optimizers(), holds=holds)

    def _find_pace(
        self, by: Find, those: Iterable[Optimizer], clips: bool = False, holds: bool = False
    ) -> None:
        for optimizer in those:
            self._to_pace[optimizer] = Paced(
                by, self._throttle.factor(optimizer), Clip() if clips else None, holds
            )

    def _check(self, tensors: Iterable[Tensor]) -> None:
        """Refuse what cannot be changed."""
        tensors = list(tensors)
        if not tensors:
            raise Refused("No optimizer steps, and no step would end a pass of ours.")
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
        return self._pass is not None or bool(self._to_pace)

    def in_step(self, optimizer: Optimizer) -> None:
        """A closure has been called for the gradients of a step that goes on."""
        self._throttle.lift(optimizer)
        self.stepping(optimizer)
        self._throttle.lower(optimizer)

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimizer has its gradients and is about to step: a pass of ours may be over."""
        if not self.waiting:
            return
        if _leaves_out(optimizer):
            self.skipped(optimizer)
            return
        if self._pass is not None and not self._pass.over:
            self._end(self._pass, optimizer)
        paced = self._to_pace.get(optimizer)
        if paced is not None:
            if paced.finding:
                factor = self._agreement.share(lambda: paced.factor(optimizer))
                self._throttle.set(optimizer, factor, paced.holds)
            if paced.took(optimizer):
                del self._to_pace[optimizer]

    def stepped(self) -> None:
        """An optimizer has stepped: what a pass of ours was for can be done."""
        if self._pass is not None and self._pass.over:
            ours = self._pass
            ours.then()
            if self._pass is ours:
                self._pass = None

    def skipped(self, optimizer: Optimizer) -> None:
        """A scaler leaves the step out: what the pass has seen has to wait for the next."""
        if self._pass is not None and self._observer.clock.leads(optimizer):
            _shut(self._pass)

    def leave(self) -> None:
        """Nothing comes any more of a pass of ours, if there is one."""
        if self._pass is not None:
            _shut(self._pass)
            self._pass = None
        self._to_pace.clear()

    def _begin(self, ours: _Pass) -> None:
        """Be there in the next forward pass."""
        self._pass = ours
        eager.enter()
        stack.enter(ours.mode)

    def _end(self, ours: _Pass, optimizer: Optimizer) -> None:
        ours.over = self._agreement.share(lambda: ours.ends(optimizer))
        if ours.over:
            _shut(ours)
        ours.stepping(ours.over)


def _shut(ours: _Pass) -> None:
    if ours.on:
        ours.on = False
        stack.leave(ours.mode)
        eager.leave()


def _nothing(*_: object) -> None:
    """What there is to do at some steps."""


def _leaves_out(optimizer: Optimizer) -> bool:
    """Whether it has been told, by a scaler, of gradients that overflowed."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)


def _is_of(site: Site, run: Run, finding: Finding) -> bool:
    """Whether the finding is about units that go through this function."""
    if not run.functions[site.function].switches_off:
        return False
    if site.layer is None or not site.aligned:
        return site.name == finding.layer
    return run.layers[site.layer].name == finding.layer
