"""`run --heal`: what is found while a script runs is treated there and then, and watched."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import TorchFunctionMode

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.progress import Progress
from reluctant.initialize.passing import Restart
from reluctant.observe import eager, stack
from reluctant.observe.guard import sentence
from reluctant.observe.observer import Observer
from reluctant.record.finding import Diagnosis, Finding, Severity
from reluctant.record.observation import Observation
from reluctant.record.reader import load
from reluctant.record.run import Intervention, Run
from reluctant.record.window import window
from reluctant.remedy import optimizers, revive
from reluctant.remedy.propose import Proposal, propose, update_ratio
from reluctant.remedy.refusal import Refused
from reluctant.remedy.snapshot import Snapshot
from reluctant.remedy.throttle import Throttle
from reluctant.remedy.wiring import Survey

# No run is treated more often: what so many remedies have not mended is no case for them.
MOST_INTERVENTIONS = 4

# Steps after which a run, or what became of a remedy, is first looked at, and by how much later
# each further look is.
FIRST_LOOK = 8
LATER = 1.3

# A finding must be there in two looks, one after another. What is not finite need not wait.
AT_ONCE = "non-finite"

# Steps after which a remedy is judged, and after which it must have shown its worth.
JUDGED_AFTER = 24
PATIENCE = 96

# A loss that is higher than before by so many of its own deviations, and by this share, is worse.
DEVIATIONS = 2.0
WORSE = 0.05

# Snapshots may take so many bytes together.
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Treated:
    """A remedy that is being watched."""

    proposal: Proposal
    intervention: Intervention
    before: Snapshot | None
    loss: float
    spread: float


class Healer:
    """Treats what trains while an observer watches it.

    Args:
        observer: whose samples tell how things stand.
        path: the run's folder.
        remedies: those that may be used.
        seed: of fresh weights.
    """

    def __init__(
        self, observer: Observer, path: Path, remedies: Iterable[str], seed: int = 0
    ) -> None:
        self._observer = observer
        self._path = path
        self._remedies = frozenset(remedies)
        self._seed = seed
        self._throttle = Throttle()
        self._initial: Snapshot | None = None
        self._good: Snapshot | None = None
        self._first = 0  # the sample with which the window begins
        self._origin = 0  # and its step
        self._next = FIRST_LOOK
        self._suspects: set[tuple[str, str | None]] = set()
        self._tried: set[tuple[str, str, str | None]] = set()
        self._losses: list[tuple[int, float]] = []
        self._treated: Treated | None = None
        self._count = 0
        self._passing: TorchFunctionMode | None = None
        self._after_pass: Callable[[], None] | None = None
        self._handles: list[Any] = [register_optimizer_step_pre_hook(self._stepping)]

    # -- what is told --------------------------------------------------------------------------

    def told(self, seen: Observation) -> None:
        """A sample has been written; what trains is between two steps."""
        if seen.sample.loss is not None:
            self._losses.append((seen.sample.step, seen.sample.loss))
        if not self._handles or self._passing is not None:
            return
        try:
            self._look()
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of everything."""
        self._leave()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _give_up(self, error: Exception) -> None:
        self.close()
        print(
            f"reluctant: Healing was given up, while the training goes on: {sentence(error)}",
            file=sys.stderr,
        )

    def _stepping(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer is about to step: nothing has changed yet, or a pass of ours is over."""
        try:
            if self._initial is None:
                self._initial = self._good = self._snapshot()
            self._leave()
        except Exception as error:
            self._give_up(error)

    # -- looking -------------------------------------------------------------------------------

    def _look(self) -> None:
        age = self._observer.clock.steps - self._origin
        if age < self._next:
            return
        self._next = max(age + 4, int(age * LATER))
        run = window(load(self._path), self._first)
        if len(run.samples) < 3:
            return
        diagnosis = diagnose(run)
        if self._treated is not None and not self._judge(self._treated, run, diagnosis, age):
            return
        found = [at for at in diagnosis.findings if at.severity >= Severity.ERROR]
        suspects = {(at.slug, at.layer) for at in found}
        lasting = [
            at for at in found if at.slug == AT_ONCE or (at.slug, at.layer) in self._suspects
        ]
        self._suspects = suspects
        if not found and diagnosis.verdict == "healthy" and self._is_sound():
            self._good = self._snapshot()
        if lasting and self._count < MOST_INTERVENTIONS:
            self._treat(lasting, run)

    def _is_sound(self) -> bool:
        return bool(self._losses) and isfinite(self._losses[-1][1])

    def _treat(self, found: Iterable[Finding], run: Run) -> None:
        """Apply the first remedy that can be applied."""
        for finding in found:
            for proposal in propose(finding, run):
                if proposal.remedy not in self._remedies or proposal.key in self._tried:
                    continue
                if proposal.remedy == "rescale" and not _is_untaught(run):
                    continue
                self._tried.add(proposal.key)
                apply: Callable[[Proposal], None] = getattr(
                    self, "_" + proposal.remedy.replace("-", "_")
                )
                try:
                    apply(proposal)
                except Refused as why:
                    self._record(self._intervention(proposal, kept=False, text=str(why)))
                    continue
                return

    # -- remedies ------------------------------------------------------------------------------

    def _rescale(self, proposal: Proposal) -> None:
        trained = {id(at) for at in self._trained()}
        rectified = self._observer.rectified()
        restart = Restart(
            lambda leaf: id(leaf) in trained, lambda leaf: id(leaf) in rectified, self._seed
        )
        self._begin(proposal)

        def after() -> None:
            if restart.failure is not None:
                raise restart.failure
            for parameter in restart.done:
                for optimizer in self._trained_by(parameter):
                    optimizers.forget(optimizer, parameter)

        self._pass(restart, after)

    def _revive(self, proposal: Proposal) -> None:
        finding = proposal.finding
        weight = self._observer.weight(finding.layer)
        if weight is None or finding.units is None:
            raise Refused("The layer is not known any more.")
        survey = Survey(lambda leaf: leaf is weight)
        units = torch.tensor(finding.units.indices, device=weight.device)

        def after() -> None:
            wiring = survey.wiring(weight)
            try:
                if wiring is None:
                    raise Refused("The layer was not used in a training pass.")
                generator = torch.Generator().manual_seed(self._seed)
                plan = revive.plan(wiring, units, generator)
                self._check(plan.tensors)
            except Refused as why:
                self._record(self._intervention(proposal, kept=False, text=str(why)))
                return
            self._begin(proposal)
            revive.apply(plan, self._trained_by)
            self._anew()

        self._pass(survey, None, after)

    def _roll_back(self, proposal: Proposal) -> None:
        step = self._origin + (proposal.finding.first_step or 0)
        good = self._good if self._good is not None and self._good.step <= step else self._initial
        if good is None:
            raise Refused("No earlier state was kept: it would have taken too much memory.")
        self._begin(proposal)
        good.restore()
        self._slow(proposal.strength)
        self._anew()

    def _slow_down(self, proposal: Proposal) -> None:
        self._begin(proposal)
        self._slow(proposal.strength)
        self._anew()

    def _slow(self, factor: float) -> None:
        for optimizer in self._observer.optimizers():
            self._throttle.set(optimizer, self._throttle.factor(optimizer) * factor)

    # -- a pass of ours ------------------------------------------------------------------------

    def _pass(
        self,
        mode: TorchFunctionMode,
        before_step: Callable[[], None] | None,
        after_step: Callable[[], None] | None = None,
    ) -> None:
        """Be there in the next forward pass, and act before or after the step that ends it."""
        self._passing = mode
        self._before_step, self._after_step = before_step, after_step
        eager.enter()
        stack.enter(mode)

    def _leave(self) -> None:
        if self._passing is None:
            return
        stack.leave(self._passing)
        eager.leave()
        self._passing = None
        if self._before_step is not None:
            self._before_step()
            self._anew(passing=True)
        if self._after_step is not None:
            handle = register_optimizer_step_post_hook(lambda *_: after())
            then = self._after_step

            def after() -> None:
                handle.remove()
                try:
                    then()
                except Exception as error:
                    self._give_up(error)

    # -- judging -------------------------------------------------------------------------------

    def _begin(self, proposal: Proposal) -> None:
        """Remember how things were."""
        recent = [loss for _, loss in self._losses[-8:] if isfinite(loss)]
        middle = median(recent) if recent else inf
        spread = median(abs(loss - middle) for loss in recent) if recent else 0.0
        intervention = self._intervention(proposal)
        self._count += 1
        self._record(intervention)
        self._treated = Treated(proposal, intervention, self._snapshot(), middle, spread)

    def _anew(self, passing: bool = False) -> None:
        """From now on all is looked at as if the run had just begun."""
        self._first = self._observer.samples
        self._origin = self._observer.clock.steps
        self._next = FIRST_LOOK
        self._suspects = set()
        self._observer.attend()

    def _judge(self, treated: Treated, run: Run, diagnosis: Diagnosis, age: int) -> bool:
        """Whether the remedy has been judged."""
        if age < JUDGED_AFTER:
            return False
        losses = [loss for step, loss in self._losses if step >= self._origin]
        late = losses[-max(3, len(losses) // 4) :]
        loss = median(late) if late and all(map(isfinite, late)) else inf
        limit = treated.loss + DEVIATIONS * treated.spread + WORSE * abs(treated.loss)
        falls = len(losses) >= 6 and loss < median(losses[: len(losses) // 3])
        if loss > limit and falls and age < PATIENCE:
            return False
        kept = loss <= limit or (not isfinite(treated.loss) and isfinite(loss))
        after = _measured(treated.proposal, run, diagnosis)
        self._record(replace(treated.intervention, after=after, kept=kept))
        self._treated = None
        if not kept and treated.before is not None:
            treated.before.restore()
            self._anew()
            return False
        return True

    # -- what is there -------------------------------------------------------------------------

    def _trained(self) -> list[Tensor]:
        return [
            at
            for optimizer in self._observer.optimizers()
            for group in optimizer.param_groups
            for at in group["params"]
        ]

    def _trained_by(self, parameter: Tensor) -> list[Optimizer]:
        return [
            optimizer
            for optimizer in self._observer.optimizers()
            if any(at is parameter for group in optimizer.param_groups for at in group["params"])
        ]

    def _check(self, tensors: Iterable[Tensor]) -> None:
        """Refuse what cannot be changed."""
        for optimizer in self._observer.optimizers():
            held = {id(at) for group in optimizer.param_groups for at in group["params"]}
            why = optimizers.refusal(optimizer, [at for at in tensors if id(at) in held])
            if why is not None:
                raise Refused(why)

    def _snapshot(self) -> Snapshot | None:
        tensors = self._observer.tensors()
        everything = sum(at.numel() * at.element_size() for at in tensors)
        if 3 * everything > MOST_BYTES / 3:
            return None
        return Snapshot.of(self._observer.clock.steps, tensors, self._observer.optimizers())

    # -- the record ----------------------------------------------------------------------------

    def _intervention(
        self, proposal: Proposal, kept: bool | None = None, text: str = ""
    ) -> Intervention:
        finding = proposal.finding
        return Intervention(
            index=self._observer.interventions,
            step=self._observer.clock.steps,
            remedy=proposal.remedy,
            finding=finding.slug,
            cause=finding.cause.slug,
            layer=finding.layer,
            units=finding.units.count if finding.units is not None else None,
            measure=proposal.measure,
            predicted=proposal.predicted,
            before=proposal.before,
            kept=kept,
            text=text,
        )

    def _record(self, intervention: Intervention) -> None:
        self._observer.intervened(intervention)


def _is_untaught(run: Run) -> bool:
    """Whether nothing would be lost if the network began anew."""
    progress = Progress(run)
    if progress.learnt:
        return False
    fall = progress.fall
    return bool(progress.stalled) or fall is None or fall < 0.1


def _measured(proposal: Proposal, run: Run, diagnosis: Diagnosis) -> float:
    """What the proposal's measure has become."""
    if proposal.measure == "update-ratio":
        return update_ratio(run)
    alike = [
        at
        for at in diagnosis.findings
        if at.slug == proposal.finding.slug and at.layer == proposal.finding.layer
    ]
    if proposal.finding.units is None:
        return float(bool(alike))
    return float(sum(at.units.count for at in alike if at.units is not None))
