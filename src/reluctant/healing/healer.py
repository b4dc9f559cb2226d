"""Looks at a run as it goes on, has it treated where an error stays, and sees what came of it."""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import wraps
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.progress import FEW_STEPS
from reluctant.healing.agreement import Agreement, Apart
from reluctant.healing.operations import Operations, State
from reluctant.healing.outlook import falls, has_decayed, limit, reached, untaught
from reluctant.observe.guard import Guard
from reluctant.observe.observer import Observer
from reluctant.record.finding import Diagnosis, Finding, Severity
from reluctant.record.observation import Observation
from reluctant.record.reader import load
from reluctant.record.run import Intervention
from reluctant.record.window import window
from reluctant.remedy.propose import (
    LEARNT,
    Proposal,
    is_grave,
    is_of_deaths,
    is_of_making,
    is_of_one,
    is_of_steps,
    is_of_the_script,
    opposes,
    propose,
)
from reluctant.remedy.refusal import Refused
from reluctant.remedy.snapshot import Snapshot
from reluctant.untraced import untraced
from reluctant.words import number

# No run is treated more often: what so many remedies have not mended is no case for them.
MOST_INTERVENTIONS = 4
# And a remedy that has a strength is tried so often for one finding.
MOST_ATTEMPTS = 3

# Steps after which a run, or what became of a remedy, is first looked at, and by how much later
# each further look is.
FIRST_LOOK = 8
LATER = 1.2

# A finding must be there in two looks, one after another. What is not finite need not wait.
AT_ONCE = "non-finite"

# Steps after which a remedy is judged, and after which it must have shown its worth.
JUDGED_AFTER = 24
PATIENCE = 96

# Samples are this share of the steps so far apart, at most.
APART = 8

_STRENGTHENED = frozenset("roll-back slow-down speed-up".split())


@dataclass(frozen=True)
class Treated:
    """A remedy that is being watched: how things stood before, and the loss that is no worse."""

    proposal: Proposal
    intervention: Intervention
    before: State
    limit: float


@dataclass(frozen=True)
class Prospect:
    """What the record says at a look, and the losses so far, by their steps."""

    diagnosis: Diagnosis
    untaught: bool
    losses: tuple[tuple[int, float], ...]


class Healer:
    """Treats what trains while an observer watches it.

    Of several processes that train one model, the first looks, and all do what it decides: what
    any of them does follows from its prospects alone, and from what they have done before.

    Args:
        observer: whose samples tell how things stand.
        path: the run's folder.
        remedies: those that may be used.
        seed: of fresh weights.
        consent: asked before each remedy, if it may be applied.
    """

    def __init__(
        self,
        observer: Observer,
        path: Path,
        remedies: Iterable[str],
        seed: int = 0,
        consent: Callable[[Proposal], bool] | None = None,
    ) -> None:
        self._observer = observer
        self._path = path
        self._remedies = frozenset(remedies)
        if LEARNT in self._remedies:
            self._remedies |= {"leak"}
        self._consent = consent
        self._declined: set[tuple[str, str]] = set()
        self._agreement = Agreement()
        self._arrived = -1  # the step before which the others were last told of us
        self._operations = Operations(observer, seed, self._agreement)
        self._begun = False
        self._initial: Snapshot | None = None
        self._good: deque[Snapshot] = deque(maxlen=2)
        self._origin = 0  # the step with which the window begins
        self._next = FIRST_LOOK
        self._untaught = False  # at the last look, as are
        self._suspects: set[tuple[str, str | None]] = set()
        self._attempts: dict[tuple[str, str, str | None], int] = {}
        self._losses: list[tuple[int, float]] = []
        self._treated: Treated | None = None
        self._count = 0
        self._over = False
        self._guard = Guard()
        self._hooks: tuple[Any, ...] = (
            register_optimizer_step_pre_hook(self._stepping),
            register_optimizer_step_post_hook(self._stepped),
        )
        observer.attended(self.told, self.close)

    # -- what is told --------------------------------------------------------------------------

    def told(self, seen: Observation) -> None:
        """A sample has been written; what trains is between two steps."""
        if seen.sample.loss is not None and self._agreement.leads:
            self._losses.append((seen.sample.step, seen.sample.loss))
        if self._over or self._operations.busy or self._observer.asked:
            return
        try:
            if self._agreement.outgrown:
                raise Apart("Its processes have formed a group only now.")
            if self._agreement.alone and (self._age >= self._next or self._is_lost()):
                self._look()
        except Exception as error:
            self._give_up(error)

    @untraced
    def _stepping(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """An optimizer is about to step: nothing has changed yet, or a pass of ours is over.

        Where a closure computes the gradients, as Lightning's does, the pass is within the step.
        """
        if self._aside(optimizer):
            return None
        try:
            if not self._begun:
                self._begun = True
                self._initial = self._operations.snapshot()
            if not self._agreement.settled and self._arrived < self._observer.clock.steps:
                self._arrived = self._observer.clock.steps
                self._agreement.arrive(self._observer.tensors)
            closure = args[1] if len(args) > 1 else kwargs.get("closure")
            if closure is None:
                self._operations.stepping(optimizer)
            elif self._operations.waiting:
                within = self._within(optimizer, closure)
                if len(args) > 1:
                    return (args[0], within, *args[2:]), kwargs
                return args, {**kwargs, "closure": within}
        except Exception as error:
            self._give_up(error)
        return None

    def _aside(self, optimizer: Optimizer) -> bool:
        """Whether this step is none of ours; what a CUDA graph captures must be the script's."""
        observer = self._observer
        return self._over or observer.clock.capturing or not observer.trains(optimizer)

    def _within(self, optimizer: Optimizer, closure: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(closure)
        def first() -> Any:
            result = closure()
            if not self._over and self._operations.waiting:
                try:
                    self._operations.in_step(optimizer)
                except Exception as error:
                    self._give_up(error)
            return result

        return first

    @untraced
    def _stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """An optimizer has stepped: at steps that all processes know of, they look together."""
        if self._aside(optimizer):
            return
        try:
            self._operations.stepped()
            if self._agreement.alone or not self._agreement.settled or self._operations.busy:
                return
            if self._observer.guard.broken:
                self._let_go()
            elif self._age >= self._next:
                self._look()
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of what trains, which stays as it is now."""
        for hook in self._hooks:
            hook.remove()
        self._let_go()

    def _let_go(self) -> None:
        self._over = True
        self._operations.leave()
        self._agreement.leave()
        self._initial = self._treated = None
        self._good.clear()

    def _give_up(self, error: Exception) -> None:
        known = isinstance(error, Apart | Refused)
        if not known:
            self._guard.note(error)  # unless it is the script's own
        if self._over:
            return
        half = self._treated if self._operations.busy else None
        # The hooks stay until the end: torch may be going through them.
        self._let_go()
        if half is not None:
            # Each process may have done another half of it.
            self._operations.restore(half.before)
        if known and not self._agreement.leads:
            return  # the first says it for all
        why = str(error) if known else self._guard.failure
        print(
            f"reluctant: Healing was given up, while the training goes on: {why}", file=sys.stderr
        )

    # -- looking -------------------------------------------------------------------------------

    @property
    def _age(self) -> int:
        """Steps since the window began."""
        return self._observer.clock.steps - self._origin

    def _look(self) -> None:
        age = self._age
        self._next = max(age + 4, int(age * LATER))
        if age < FEW_STEPS:
            self._next = min(self._next, FEW_STEPS)
        prospect = self._agreement.share(self._prospect)
        if prospect is None:
            return
        self._losses, diagnosis = list(prospect.losses), prospect.diagnosis
        if self._treated is not None and not self._judge(self._treated, diagnosis, age):
            return
        before, self._untaught = self._untaught, prospect.untaught
        late = self._untaught and age >= FEW_STEPS
        found = [at for at in diagnosis.findings if is_grave(at, late)]
        if self._untaught and any(map(is_of_steps, diagnosis.findings)):
            found += [at for at in diagnosis.findings if is_of_deaths(at) and at not in found]
        lasting = [at for at in found if at.slug == AT_ONCE or _place(at) in self._suspects]
        if found and not lasting:
            # What may be wrong is looked at closely.
            self._observer.attend()
            self._next = min(self._next, age + FIRST_LOOK)
        anew = self._untaught and (before or any(at.slug == AT_ONCE for at in found))
        anew = anew or any(map(is_of_one, lasting))
        self._suspects = {
            _place(at) for at in diagnosis.findings if at in found or is_of_making(at)
        }
        if diagnosis.verdict == "healthy" and self._losses and isfinite(self._losses[-1][1]):
            self._keep(self._operations.snapshot())
        if anew and lasting:
            # How the network was made is behind what became of it, unless its steps were too long.
            made = [at for at in diagnosis.findings if _is_ill_made(at)]
            if any(is_of_steps(at) for at in diagnosis.findings if at.severity > Severity.NOTE):
                made = []
            lasting = [*made, *(at for at in lasting if at not in made)]
        if self._count < MOST_INTERVENTIONS and not any(map(is_of_the_script, found)):
            self._treat(lasting, diagnosis, anew)

    def _prospect(self) -> Prospect | None:
        """As this process sees it; None while too little is known."""
        run = load(self._path)
        # By its step: where several processes recorded, its number is not our own count.
        first = next((at.index for at in run.samples if at.step >= self._origin), len(run.samples))
        run = window(run, first)
        if len(run.samples) < 3:
            return None
        return Prospect(diagnose(run), untaught(run), tuple(self._losses))

    def _is_lost(self) -> bool:
        """Whether what a remedy was to mend is not finite again: that need not be waited for."""
        return self._treated is not None and any(
            not isfinite(loss) for step, loss in self._losses if step >= self._origin
        )

    def _treat(self, found: Iterable[Finding], diagnosis: Diagnosis, anew: bool) -> None:
        """Apply the first remedy that can be applied; `anew` if the network may begin anew."""
        for finding in found:
            for proposal in propose(finding, diagnosis.layers):
                attempt = self._attempts.get(proposal.key, 0)
                allowed = MOST_ATTEMPTS if proposal.remedy in _STRENGTHENED else 1
                if proposal.remedy not in self._remedies or attempt >= allowed:
                    continue
                if any(opposes(at, proposal.remedy) for at in diagnosis.findings):
                    continue
                if proposal.remedy == "rescale" and not anew:
                    continue
                if (proposal.remedy, finding.slug) in self._declined:
                    continue
                self._attempts[proposal.key] = attempt + 1
                try:
                    self._ask(proposal)
                    self._apply(proposal, attempt)
                except Refused as why:
                    self._refused(proposal, why)
                    continue
                return

    def _ask(self, proposal: Proposal) -> None:
        """Raises `Refused` where there is no consent: the same is not asked of every layer then."""
        consent = self._consent
        if consent is None:
            return

        def answer() -> str:
            try:
                return "" if consent(proposal) else "You declined."
            except Refused as why:  # not raised here: the other processes wait for the answer
                return str(why)

        began = perf_counter()
        self._declined.add((proposal.remedy, proposal.finding.slug))
        why = self._agreement.share(answer)
        self._observer.waited(perf_counter() - began)
        if why:
            raise Refused(why)
        self._declined.discard((proposal.remedy, proposal.finding.slug))

    def _apply(self, proposal: Proposal, attempt: int) -> None:
        def begun() -> None:
            self._begin(proposal)

        do = self._operations
        if proposal.remedy == "rescale":
            do.rescale(proposal, attempt, begun, self._anew)
        elif proposal.remedy == "revive":
            do.revive(proposal, begun, self._anew, lambda why: self._refused(proposal, why))
        elif proposal.remedy == "roll-back":
            do.roll_back(self._last_good(proposal.finding), proposal, attempt, begun)
            self._anew()
        elif proposal.remedy == "leak":
            run, learnt = load(self._path), LEARNT in self._remedies
            do.leak(proposal, run, learnt, lambda text: self._begin(proposal, text))
            self._anew()
        elif proposal.remedy == "slow-down":
            do.slow_down(proposal, attempt, begun)
            self._anew()
        else:
            do.speed_up(self._agreement.share(lambda: has_decayed(load(self._path))), begun)
            self._anew()

    def _last_good(self, finding: Finding) -> Snapshot | None:
        """The last state that was kept before what was found began.

        What was found began between the sample that tells of it and the one before.
        """
        step = self._origin + (finding.first_step or 0) / (1 + 1 / APART)
        return next((at for at in reversed(self._good) if at.step <= step), self._initial)

    def _keep(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self._good.append(snapshot)

    # -- judging -------------------------------------------------------------------------------

    def _begin(self, proposal: Proposal, text: str = "") -> None:
        """Remember how things were."""
        self._count += 1
        intervention = replace(self._intervention(proposal), text=text)
        self._observer.intervened(intervention)
        since = (self._origin + self._observer.clock.steps) / 2
        losses = [loss for step, loss in self._losses if step >= since]
        worst = self._agreement.share(lambda: limit(losses))
        self._treated = Treated(proposal, intervention, self._operations.state(), worst)

    def _anew(self) -> None:
        """From now on all is looked at as if the run had just begun."""
        self._origin = self._observer.clock.steps
        self._next = FIRST_LOOK
        self._untaught = False
        self._suspects = set()
        self._observer.attend()

    def _judge(self, treated: Treated, diagnosis: Diagnosis, age: int) -> bool:
        """Whether the remedy has been judged, and was kept."""
        losses = [loss for step, loss in self._losses if step >= self._origin]
        loss = reached(losses)
        if age < JUDGED_AFTER and not self._is_lost():
            return False
        if isfinite(loss) and loss > treated.limit and falls(losses) and age < PATIENCE:
            return False
        kept = isfinite(loss) and loss <= treated.limit
        after = treated.proposal.measured(diagnosis)
        came_to = "was not finite any more" if not isfinite(loss) else f"came to {number(loss)}"
        text = treated.intervention.text
        if not kept:
            text += f" The loss {came_to}, and was to be {number(treated.limit)} at most."
        self._observer.intervened(
            replace(treated.intervention, after=after, kept=kept, text=text.strip())
        )
        self._treated = None
        if not kept:
            self._operations.restore(treated.before)
            self._anew()
            self._suspects = {_place(treated.proposal.finding)}
        return kept

    # -- the record ----------------------------------------------------------------------------

    def _intervention(self, proposal: Proposal) -> Intervention:
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
        )

    def _refused(self, proposal: Proposal, why: Refused) -> None:
        self._observer.intervened(replace(self._intervention(proposal), kept=False, text=str(why)))


def _is_ill_made(finding: Finding) -> bool:
    return is_of_making(finding) and finding.severity > Severity.NOTE


def _place(finding: Finding) -> tuple[str, str | None]:
    return finding.slug, finding.layer
