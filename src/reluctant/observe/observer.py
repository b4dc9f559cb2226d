"""Puts the parts together: the clock of optimizer steps opens and closes samples."""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from reluctant.observe.calls import know_ours
from reluctant.observe.guard import Guard
from reluctant.observe.imports import after_import
from reluctant.observe.layers import Layers, RowProbe, Rows, rate
from reluctant.observe.names import Names
from reluctant.observe.probes import to_numpy
from reluctant.observe.schedule import Schedule
from reluctant.observe.sites import Glimpse, Seen, SiteMode
from reluctant.record.run import Sample
from reluctant.record.store import LayerRow, Observation, SiteRow, Writer

# A second optimizer becomes the clock when it has stepped this often since the first did.
_PATIENCE = 32

# Backward passes without any optimizer step after which none is expected any more.
_BACKWARDS_WITHOUT_STEP = 64


class Observer:
    """Watches whatever trains in this process and writes what it sees to one record.

    The clock is the first optimizer that steps. A sample lasts from one of its steps to the
    next and so holds the steps of all others in between.
    """

    def __init__(self, folder: Path, schedule: Schedule, rank: int, began: float) -> None:
        self.guard = Guard()
        self.steps = 0
        self.samples = 0
        self.backwards = 0
        self._schedule = schedule
        self._began = began
        self._writer = Writer(folder, rank)
        self._names = Names(self.guard)
        self._layers = Layers(self._names)
        self._mode = SiteMode(self._names, self._layers, self.guard)
        self._rows = RowProbe(self._layers)
        self._found: list[Rows] = []
        self._lead: ReferenceType[Optimizer] | None = None
        self._optimizers: list[ReferenceType[Optimizer]] = []
        self._others = 0
        self._open = False
        self._stance: Any = None
        self._overhead = 0.0
        self._stepped = began
        self._plain = inf  # a step that is not observed: the shortest of late
        self._waiting: Callable[[], Observation] | None = None
        self._on_device = False
        self._undo: list[Callable[[], None]] = []

    @property
    def seconds(self) -> float:
        """What observation has cost so far."""
        return self._schedule.spent

    def start(self) -> None:
        """Hook into torch and open the first sample, for step 0."""
        self._undo = [
            register_optimizer_step_pre_hook(self._before).remove,
            register_optimizer_step_post_hook(self._after).remove,
            self._names.close,
            self._count_backwards(),
        ]
        os.register_at_fork(after_in_child=self._abandon)
        after_import("reluctant.functional", know_ours)
        after_import("torch._dynamo", self._look_through_compilation)
        self._begin()

    def finish(self) -> None:
        """Let go of everything and write what is still to be written."""
        with self.guard():
            self._end()
            for undo in self._undo:
                undo()
            self._undo = []
            self._flush()
            self._writer.close()

    # -- samples -----------------------------------------------------------------------------

    def _begin(self) -> None:
        self._open = True
        self._overhead = 0.0
        if "torch._dynamo" in sys.modules:
            self._look_through_compilation()
        self._mode.open()

    def _end(self) -> None:
        self._open = False
        self._mode.shut()
        if self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None

    def _look_through_compilation(self) -> None:
        """A compiled model shows no activation: while a sample is open it runs uncompiled."""
        with self.guard():
            if self._open and self._stance is None and hasattr(torch.compiler, "set_stance"):
                self._stance = torch.compiler.set_stance("force_eager")

    # -- the clock ---------------------------------------------------------------------------

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._open or self.guard.broken:
            return
        began = perf_counter()
        with self.guard():
            # With a closure, the forward pass is still to come.
            if len(args) < 2 and "closure" not in kwargs:
                self._mode.shut()
            self._rows.before(optimizer)
        self._overhead += perf_counter() - began

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self.guard.broken:
            if self._open:
                self._end()
            return
        leads = self._lead is not None and self._lead() is optimizer
        if leads and not self._open:
            # The way of nearly every step: nothing but this.
            self.steps += 1
            self._others = 0
            if self._waiting is not None and not self._on_device:
                with self.guard():
                    self._flush()
            now = perf_counter()
            took, self._stepped = now - self._stepped, now
            self._plain = took if took < self._plain else 1.01 * self._plain
            if self._schedule.due(self.steps, now - self._began):
                with self.guard():
                    self._begin()
            return
        began = perf_counter()
        with self.guard():
            if not leads and self._takes_lead(optimizer):
                leads = True
            self._number(optimizer)
            if self._open:
                self._found += self._rows.after()
            if leads:
                self._close(optimizer, began)
            elif self._open:
                self._mode.open()
                self._overhead += perf_counter() - began

    def _takes_lead(self, optimizer: Optimizer) -> bool:
        self._others += 1
        lead = self._lead() if self._lead is not None else None
        if lead is not None and self._others < _PATIENCE:
            return False
        self._lead = ref(optimizer)
        return True

    def _close(self, optimizer: Optimizer, began: float) -> None:
        step, self.steps = self.steps, self.steps + 1
        self._others = 0
        if self._open:
            self._end()
            self._sample(optimizer, step, began)
        self._stepped = perf_counter()
        if self._schedule.due(self.steps, self._stepped - self._began):
            self._begin()

    def _sample(self, optimizer: Optimizer, step: int, began: float) -> None:
        glimpse, found, self._found = self._mode.take(), self._found, []
        new_layers, self._layers.new = tuple(self._layers.new), []
        index, self.samples = self.samples, self.samples + 1
        sample = Sample(
            index,
            step,
            self._number(optimizer),
            loss=None,
            rate=rate(optimizer),
            seconds=began - self._began,
            optimizers=len(self._optimizers),
        )

        def observation() -> Observation:
            return Observation(
                sample=_with_loss(sample, glimpse.losses),
                layers=new_layers,
                functions=tuple(glimpse.new_functions),
                sites=tuple(glimpse.new_sites),
                feeds=tuple(glimpse.feeds),
                site_rows=tuple(_site_row(at, seen) for at, seen in glimpse.sites.items()),
                layer_rows=tuple(_layer_row(rows) for rows in _last_of_each(found)),
            )

        # Written one step late: what was seen here may get its gradient only in a later
        # optimizer's turn, as a generator does. What was computed on a device is fetched one
        # sample late, when it is surely there.
        self._flush()
        self._waiting = observation
        self._on_device = _on_device(glimpse, found)
        self._overhead += perf_counter() - began
        # What our own clock saw leaves out what a sampled step does to the rest: cold caches, and
        # torch's way round through python. A step with a pause in it, to evaluate, is no measure.
        own = glimpse.cost + self._overhead
        longer = perf_counter() - self._stepped - self._plain
        self._schedule.paid(step, min(max(own, longer), 3 * own))

    def _flush(self) -> None:
        if self._waiting is not None:
            began = perf_counter()
            waiting, self._waiting = self._waiting, None
            self._writer.write(waiting())
            self._schedule.spent += perf_counter() - began

    def _number(self, optimizer: Optimizer) -> int:
        for number, known in enumerate(self._optimizers):
            if known() is optimizer:
                return number
        self._optimizers.append(ref(optimizer))
        return len(self._optimizers) - 1

    # -- scripts without an optimizer, and forks ---------------------------------------------

    def _count_backwards(self) -> Callable[[], None]:
        """Until an optimizer steps, count backward passes, so as not to look on for ever."""
        backward = Tensor.backward

        def counting(loss: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = backward(loss, *args, **kwargs)
            self.backwards += 1
            if self.steps:
                restore()
            elif self.backwards == _BACKWARDS_WITHOUT_STEP:
                restore()
                with self.guard():
                    self._end()
                    self._mode.take()
            return result

        def restore() -> None:
            if Tensor.backward is counting:
                Tensor.backward = backward  # type: ignore[method-assign]

        self._mode.counting = counting
        Tensor.backward = counting  # type: ignore[assignment,method-assign]
        return restore

    def _abandon(self) -> None:
        """In a forked child: this record is the parent's."""
        # SQLite forbids a child even to close its parent's connection: keep it for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._writer))
        self.guard.failure = "a forked process is not observed"
        self._mode.shut()


def _with_loss(sample: Sample, losses: list[Tensor]) -> Sample:
    values = [float(loss) for loss in losses]
    mean = sum(values) / len(values) if values else None
    return replace(sample, loss=mean)


def _site_row(site: int, seen: Seen) -> SiteRow:
    at = seen.activity
    return SiteRow(
        site,
        at.inputs,
        at.values,
        to_numpy(at.fired),
        to_numpy(at.mean),
        to_numpy((at.spread / at.values).clamp_(min=0).sqrt_()),
        to_numpy(at.low),
        to_numpy(at.high),
        to_numpy(seen.gradient_in.rms()),
        to_numpy(seen.gradient_out.rms()),
    )


def _layer_row(rows: Rows) -> LayerRow:
    return LayerRow(
        rows.layer,
        to_numpy(rows.gradient),
        to_numpy(rows.weight),
        to_numpy(rows.update),
        to_numpy(rows.bias),
    )


def _last_of_each(found: list[Rows]) -> list[Rows]:
    """One entry a layer: where an optimizer stepped several times in a sample, its last step."""
    return list({rows.layer: rows for rows in found}.values())


def _on_device(glimpse: Glimpse, found: list[Rows]) -> bool:
    tensors = [seen.activity.mean for seen in glimpse.sites.values()]
    tensors += [rows.gradient for rows in found]
    return any(tensor.device.type != "cpu" for tensor in tensors + glimpse.losses)
