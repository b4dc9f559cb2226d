"""Puts the parts together: the clock's steps open and close samples, which go to the record."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from threading import RLock
from time import perf_counter

from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.calls import know_ours
from reluctant.observe import eager
from reluctant.observe.clock import Clock
from reluctant.observe.fetching import Held, observations, waiting_allowed
from reluctant.observe.guard import Guard
from reluctant.observe.imports import after_import
from reluctant.observe.layers import Layers, RowProbe, Rows, rate
from reluctant.observe.names import Names
from reluctant.observe.parameters import Parameters
from reluctant.observe.schedule import Schedule
from reluctant.observe.scope import Scope
from reluctant.observe.sites import SiteMode
from reluctant.record.observation import Observation
from reluctant.record.run import Intervention, Sample, Site
from reluctant.record.writer import Writer

# Samples that follow one another closely are read and written together: so many at most, of no more
# than so many seconds. Calls and a transaction for each would cost several times as much. Never
# the first samples: they are what tells most, and all there is of a short run.
TOGETHER = 16
SECONDS_APART = 0.05
ALONE = 32


class Enough(SystemExit):
    """Ends a script of which no more than its first steps are wanted."""


class Observer:
    """Watches whatever trains in this process and writes what it sees to one record.

    A sample lasts from one step of the clock to the next and so holds the steps of all other
    optimizers in between.

    Args:
        folder: the run's folder.
        schedule: which steps are sampled.
        rank: whose part of the record this is.
        began: when the run began, by `perf_counter`.
        activations: whether to look at activations, and not at parameters alone.
        scope: what is looked at; None for everything.
        tell: called with each sample once it is written.
        until: end the script, by raising `Enough` in it, once so many steps are over.
    """

    def __init__(
        self,
        folder: Path,
        schedule: Schedule,
        rank: int,
        began: float,
        *,
        activations: bool = True,
        scope: Scope | None = None,
        tell: Callable[[Observation], None] | None = None,
        until: int | None = None,
    ) -> None:
        self.guard = Guard()
        self.samples = 0
        self.interventions = 0
        self.watching = False
        self.clock = Clock(self, self.guard, scope.trains if scope is not None else None)
        self._schedule = schedule
        self._rank = rank
        self._began = began
        self._activations = activations
        self._scope = scope
        self._writer = Writer(folder, rank)
        self._names = Names(self.guard)
        self._layers = Layers(self._names, scope)
        self._parameters = Parameters(self._names)
        self._mode = SiteMode(self._names, self._layers, self._parameters, self.guard, scope)
        if scope is not None and scope.model is not None:
            self._names.adopt(scope.model)
        self._tell = tell
        self._attending: Callable[[Observation], None] | None = None
        self._leave: Callable[[], None] = _nothing
        # Whether somebody asks, while what trains may be anywhere in a step.
        self.asked = False
        self._until = until
        self._rows = RowProbe(self._layers)
        self._found: list[Rows] = []
        self._scale: Tensor | None = None
        self._eager = False
        self._overhead = 0.0
        self._stepped = began  # when the last step ended that we were told of
        self._counted = 0  # steps until then
        self._plain = inf  # a step that is not observed: the shortest of late
        self._waiting: list[Held] = []
        self._written = began  # when something last was
        self._on_device = False
        self._interrupted = False  # by the capture of a CUDA graph
        # Held by one thread at a time; a signal handler that trains may come by it twice.
        self._writing = RLock()
        self._over = False
        self._awaited: tuple[Callable[[], None], ...] = ()

    @property
    def seconds(self) -> float:
        """What observation has cost so far."""
        return self._schedule.spent

    def start(self) -> None:
        """Hook into torch and open the first sample, for step 0."""
        self.clock.start()
        os.register_at_fork(after_in_child=self._abandon)
        self._awaited = (
            after_import("reluctant.functional", know_ours),
            after_import("torch._dynamo", self._look_through_compilation),
        )
        self._begin()

    def finish(self) -> None:
        """Let go of everything and write what is still to be written."""
        # What fails here must not keep the rest from being done.
        for part in (self._end, self._see_last, self._let_go, self._close_up):
            with self.guard:
                part()

    def _let_go(self) -> None:
        for part in (self._leave, self.clock.stop, self._names.close, *self._awaited):
            with self.guard:
                part()

    def _see_last(self) -> None:
        self._found += self._rows.after()

    def _close_up(self) -> None:
        # A thread may train on until the interpreter is gone, and must not write to what is
        # closed: that would be felt as a crash.
        with self._writing:
            try:
                self.flush()
                if not self.guard.broken:
                    # Of several processes that train the same, one says what they ended with.
                    with waiting_allowed():
                        self._writer.end(self._mode.ending(weights=self._rank == 0))
            finally:
                self._over = True
                self._writer.close()

    # -- for whoever changes what trains -----------------------------------------------------

    def attended(self, tell: Callable[[Observation], None], leave: Callable[[], None]) -> None:
        """Have somebody told of each sample once it is written, and leave when observation does."""
        self._attending, self._leave = tell, leave

    def tensors(self) -> list[Tensor]:
        """All parameters and buffers of what is watched: a model, or all models that were met."""
        if self._scope is not None:
            return self._scope.tensors()
        found: dict[int, Tensor] = {}
        for parameter, owned in self._names.parameters():
            found[id(parameter)] = parameter
            module = owned.module()
            for buffer in () if module is None else module.buffers(recurse=False):
                found[id(buffer)] = buffer
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                found |= {id(at): at for at in group["params"]}
        return list(found.values())

    def optimizers(self) -> list[Optimizer]:
        """Those that have stepped what is watched, and are still there."""
        return self.clock.stepped()

    def trains(self, optimizer: Optimizer) -> bool:
        """Whether what is watched is what this optimizer steps."""
        return self._scope is None or self._scope.trains(optimizer)

    def ours(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """Those that belong to what is watched."""
        if self._scope is None:
            return list(tensors)
        known = set(map(id, self._scope.tensors()))
        return [tensor for tensor in tensors if id(tensor) in known]

    def weight(self, name: str | None) -> Tensor | None:
        """The weight of the layer that findings call so."""
        return self._layers.weight(name) if name is not None else None

    def module(self, site: Site) -> tuple[nn.Module, nn.Module] | None:
        """The model that a site is in, and the module that makes the call; None if gone."""
        return self._names.module(site.root, site.name.rpartition(":")[0])

    def rectified(self) -> set[int]:
        """The ids of the weights whose units are rectified, each by a call of its own."""
        return self._mode.rectified()

    def attend(self) -> None:
        """Look as closely from here on as at the start of a run."""
        self._schedule.anew(self.clock.steps)
        self.clock.wake = self.clock.steps

    def waited(self, seconds: float) -> None:
        """So long somebody was waited for who attends: that is no cost of observing."""
        self._overhead -= seconds

    def intervened(self, intervention: Intervention) -> None:
        """Record that something was done, or what has become of it."""
        self.interventions = max(self.interventions, intervention.index + 1)
        self._writer.intervened(intervention)

    # -- samples -----------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._over:
            return
        self.watching = True
        self.clock.attend()
        self._overhead = 0.0
        self._scale = None
        if self._activations:
            if "torch._dynamo" in sys.modules:
                self._look_through_compilation()
            self._mode.open()

    def _end(self) -> None:
        self.watching = False
        self.clock.rest()
        self._mode.shut()
        if self._eager:
            self._eager = False
            eager.leave()

    def _look_through_compilation(self) -> None:
        """A compiled model shows no activation: while a sample is open it runs uncompiled."""
        with self.guard:
            if self.watching and self._activations and not self._eager:
                self._eager = True
                eager.enter()

    # -- what the clock tells ----------------------------------------------------------------

    def stepping(self, optimizer: Optimizer | None, closure: bool) -> None:
        """Read the weights before they change; without an optimizer, after they have."""
        began = perf_counter()
        if optimizer is None:
            self._found += self._rows.after()
        else:
            if not closure:
                self._mode.shut()
                self._parameters.stepping(optimizer, self.samples)
            self._rows.before(optimizer, closure)
        self._overhead += perf_counter() - began

    def stepped(self, optimizer: Optimizer | None, leads: bool) -> None:
        """Compare the weights; at the end of a step of the clock, close the sample."""
        began = perf_counter()
        if self.guard.broken:
            self._end()
            self._stop()
            return
        if optimizer is not None:
            self._found += self._rows.after()
        if leads:
            self._close(optimizer, began)
        else:
            self._look_again(began)

    def skipped(self, optimizer: Optimizer, leads: bool) -> None:
        """Close the sample of a step that was left out: its gradients had overflowed."""
        began = perf_counter()
        if leads:
            self._close(optimizer, began, skipped=True)
        else:
            self._look_again(began)

    def passed(self) -> None:
        """Between samples: write what waits, and see whether the next step is to be observed."""
        if self.guard.broken:
            self._stop()
            return
        if self.clock.capturing:
            return
        try:  # Not `with`, which costs more where nothing happens.
            now, steps = perf_counter(), self.clock.steps
            took = (now - self._stepped) / max(1, steps - self._counted)
            self._plain = took if took < self._plain else 1.01 * self._plain
            elapsed = now - self._began
            due = self._schedule.due(steps, elapsed)
            if self._waiting and not self._on_device and not (due and self._may_wait()):
                self.flush()
            self._stepped, self._counted = perf_counter(), steps
            if due:
                self._begin()
            else:
                self.clock.wake = steps + self._schedule.sleep(steps, elapsed, self._plain)
        except Exception as error:
            self.guard.note(error)

    def scaled(self, scale: Tensor) -> None:
        """Remember the factor in this sample's loss and gradients."""
        self._scale = scale.detach().clone()

    def captures(self, begins: bool) -> None:
        """Look away from what is captured, and go on with the sample after it."""
        if begins:
            self._interrupted = self.watching
            if self.watching:
                self._end()
        elif self._interrupted:
            self._begin()

    # -- the end of a sample -----------------------------------------------------------------

    def _look_again(self, began: float) -> None:
        if self._activations:
            self._mode.open()
        self._overhead += perf_counter() - began

    def _close(self, optimizer: Optimizer | None, began: float, skipped: bool = False) -> None:
        self._end()
        self._sample(optimizer, began, skipped)
        self._stepped, self._counted = perf_counter(), self.clock.steps
        if self._schedule.due(self.clock.steps, self._stepped - self._began):
            self._begin()
        self._stop()

    def _stop(self) -> None:
        # At each step from the last on: a script may go on after catching everything.
        if self._until is not None and self.clock.steps >= self._until:
            raise Enough

    def _sample(self, optimizer: Optimizer | None, began: float, skipped: bool) -> None:
        glimpse, found, self._found = self._mode.take(), self._found, []
        if optimizer is None:
            # Whoever changes the weights by hand does so before the next backward pass.
            found = self._found
        # After what takes the glimpse, which may have met layers.
        new_layers, self._layers.new = tuple(self._layers.new), []
        new_parameters = self._parameters.take()
        index, self.samples = self.samples, self.samples + 1
        step = self.clock.steps - 1
        sample = Sample(
            index,
            step,
            self.clock.number(optimizer),
            loss=None,
            rate=rate(optimizer) if optimizer is not None else None,
            seconds=began - self._began,
            optimizers=self.clock.optimizers,
            skipped=skipped,
            observing=self.seconds,
        )
        held = Held(
            sample, glimpse, found, new_layers, new_parameters, self._scale, self._rows.overflow
        )
        if optimizer is None:
            self._rows.before_by_hand()
        self._overhead += perf_counter() - began
        # What our own clock saw leaves out what a sampled step does to the rest: cold caches, and
        # torch's way round through python. A step with a pause in it, to evaluate, is no measure.
        own = glimpse.cost + self._overhead
        longer = perf_counter() - self._stepped - self._plain
        self._schedule.paid(step, min(max(own, longer), 3 * own))
        # Written one step late: what was seen here may get its gradient only in a later
        # optimizer's turn, as a generator does. What was computed on a device is fetched one
        # sample late, when it is surely there.
        for before in self._waiting[-1:]:
            before.glimpse.close()
        if self._waiting and not self._may_wait():
            self.flush()
        self._waiting.append(held)
        self._on_device = held.on_device

    def _may_wait(self) -> bool:
        """Whether what waits may wait on, to share a transaction with what comes after it."""
        told = self._tell is not None or self._attending is not None
        return (
            not told
            and self._waiting[0].sample.index >= ALONE
            and len(self._waiting) < TOGETHER
            and perf_counter() - self._written < SECONDS_APART
        )

    def flush(self) -> None:
        """Write what waits to be written."""
        with self._writing:
            if not self._waiting or self._over:
                return
            began = perf_counter()
            waiting, self._waiting = self._waiting, []
            with waiting_allowed():
                self._mode.settle()
                seen = observations(waiting)
            self._writer.write(*seen)
            self._written = perf_counter()
            self._schedule.spent += self._written - began
            for tell in filter(None, (self._tell, self._attending)):
                for observation in seen:
                    tell(observation)

    def _abandon(self) -> None:
        """In a forked child: this record is the parent's, and nothing of ours is to run here."""
        # SQLite forbids a child even to close its parent's connection: keep it for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._writer))
        self.guard.failure = "a forked process is not observed"
        with self.guard:
            self._end()
        self._let_go()


def _nothing() -> None:
    """What there is to leave where nobody attends."""
