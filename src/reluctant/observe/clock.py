"""What a step is: an optimizer's, or, where nothing but `backward()` is called, a backward pass.

The first optimizer that steps leads. A step that a `GradScaler` skips, because gradients
overflowed, is a step of the script too.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Protocol
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from reluctant.observe.guard import Guard
from reluctant.untraced import untraced, untraced_itself

# What stands for `Tensor.backward`: itself, and what each clock puts in its place.
BACKWARDS: set[Callable[..., Any]] = {Tensor.backward}

# A second optimizer becomes the clock when it has stepped this often since the first did.
_PATIENCE = 32

# Where there is an optimizer, backward passes without a step of it after which they are the steps.
_BACKWARDS_WITHOUT_STEP = 64


class Watcher(Protocol):
    """Whom a clock tells of steps; of all but `passed` only while `watching`, in a sample.

    `passed` is told of a step only once as many are over as the clock's `wake` says.
    """

    watching: bool

    def stepping(self, optimizer: Optimizer | None, closure: bool) -> None:
        """Weights are about to change; with a closure, its forward pass is still to come."""

    def stepped(self, optimizer: Optimizer | None, leads: bool) -> None:
        """Weights have changed, or, without an optimizer, are about to: a step if it `leads`."""

    def skipped(self, optimizer: Optimizer, leads: bool) -> None:
        """A scaler has kept the weights as they are."""

    def passed(self) -> None:
        """A step is over that nobody watched."""

    def scaled(self, scale: Tensor) -> None:
        """The loss is being multiplied by a scaler's factor."""

    def captures(self, begins: bool) -> None:
        """A CUDA graph is captured from here on, into which nothing of ours may get, or is it."""


class Clock:
    """Counts the steps of whatever trains in this process, and tells a watcher of them.

    `steps` counts the leading optimizer's, skipped ones included, `skipped` those alone, `captured`
    those captured in a CUDA graph, and `backwards` the backward passes until the first step of an
    optimizer. `manual` says that backward passes are the steps, and `capturing` that a CUDA graph
    is being captured. `skips` are called with each optimizer whose step is left out.

    Args:
        watcher: whom to tell.
        guard: stands between us and the script.
        ours: whether an optimizer's steps count, or, of None, backward passes where none steps;
            None if all do.
    """

    def __init__(
        self,
        watcher: Watcher,
        guard: Guard,
        ours: Callable[[Optimizer | None], bool] | None = None,
    ) -> None:
        self.steps = 0
        self.skipped = 0
        self.captured = 0
        self.backwards = 0
        self.manual = False
        self.capturing = False
        self.wake = 0
        self.skips: list[Callable[[Optimizer], None]] = []
        self._watcher = watcher
        self._guard = guard
        self._ours = ours
        self._lead: Callable[[], Optimizer | None] = _nobody
        self._known: list[ReferenceType[Optimizer]] = []
        # Steps of those that do not lead: all, and since which step of the leading one how many.
        self._beside = 0
        self._since = (0, 0)
        # Those that step at this moment, by their ids, as far as we are told; and whether there are
        # classes whose step calls that of the class they derive from.
        self._stepping: set[int] = set()
        self._nested = False
        self._told: Any = None
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Hook into torch."""
        self._undo = [
            register_optimizer_step_post_hook(self._after).remove,
            self._count_backwards(),
            self._see_scaling(),
            self._see_capturing(),
        ]

    def stop(self) -> None:
        """Let go of everything."""
        self._nested = False
        self.rest()
        for undo in self._undo:
            undo()
        self._undo = []

    def attend(self) -> None:
        """Tell of steps before they are taken, from now on."""
        if self._told is None:
            self._told = register_optimizer_step_pre_hook(self._before)

    def rest(self) -> None:
        """Tell of steps after they are taken alone: a hook less is half the cost of a step."""
        # Where steps call steps, only the hook before them tells which is the outermost.
        if self._told is not None and not self._nested:
            self._told.remove()
            self._told = None
            self._stepping.clear()

    def number(self, optimizer: Optimizer | None) -> int:
        """Which of the optimizers this is, by order of their first steps."""
        if optimizer is None:
            return 0
        for number, known in enumerate(self._known):
            if known() is optimizer:
                return number
        self._known.append(ref(optimizer))
        return len(self._known) - 1

    def stepped(self) -> list[Optimizer]:
        """Those that have stepped and are still there."""
        return [optimizer for known in self._known if (optimizer := known()) is not None]

    def leads(self, optimizer: Optimizer) -> bool:
        """Whether it is the one whose steps are counted."""
        return self._lead() is optimizer

    @property
    def optimizers(self) -> int:
        """How many different ones have stepped."""
        return len(self._known)

    # -- optimizers --------------------------------------------------------------------------

    @untraced
    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._nested = self._nested or id(optimizer) in self._stepping
        self._stepping.add(id(optimizer))
        if not self._watcher.watching or self._guard.broken:
            return
        with self._guard:
            if self._ours is None or self._ours(optimizer):
                # Frameworks hand on a closure that is None.
                closure = args[1] if len(args) > 1 else kwargs.get("closure")
                self._watcher.stepping(optimizer, closure is not None)

    @untraced
    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        leads = self._lead() is optimizer
        if self._told is None and leads:
            # The way of nearly every step: nothing but this.
            self.steps += 1
            if self.steps >= self.wake:
                self._watcher.passed()
            return
        if self._told is not None:
            if id(optimizer) not in self._stepping:
                return  # the step of a class that calls the step of the class it derives from
            self._stepping.discard(id(optimizer))
        self._beside += not leads
        with self._guard:
            if self._guard.broken:
                # What failed is not tried again; the watcher lets go, and steps are counted.
                self.steps += leads
                self._watcher.stepped(optimizer, leads)
            elif self._ours is None or self._ours(optimizer):
                leads = leads or self._takes_lead(optimizer)
                self._end(optimizer, leads)

    def _takes_lead(self, optimizer: Optimizer) -> bool:
        at, others = self._since
        self._since = (self.steps, others + 1 if at == self.steps else 1)
        if self._lead() is not None and self._since[1] < _PATIENCE:
            return False
        self._lead = ref(optimizer)
        self.manual = False
        return True

    def _end(self, optimizer: Optimizer | None, leads: bool) -> None:
        self.steps += leads
        self.number(optimizer)
        if self._watcher.watching:
            self._watcher.stepped(optimizer, leads)
        elif leads and self.steps >= self.wake:
            self._watcher.passed()

    # -- backward passes ---------------------------------------------------------------------

    def _count_backwards(self) -> Callable[[], None]:
        """Count backward passes until an optimizer steps; where none does, they are the steps."""
        backward = Tensor.backward
        # Losses that go backward at this moment, by their ids: a mode of the script's, such as
        # torch's for a default device, has a call come by here once more.
        inside: set[int] = set()

        @untraced_itself
        @wraps(backward)
        def counting(loss: Tensor, *args: Any, **kwargs: Any) -> Any:
            if _is_over(counting) or id(loss) in inside:
                return backward(loss, *args, **kwargs)
            if self.manual and not self.capturing and not self._guard.broken:
                with self._guard:
                    self._watcher.stepping(None, False)
            inside.add(id(loss))
            try:
                result = backward(loss, *args, **kwargs)
            finally:
                inside.discard(id(loss))
            if self._lead is not _nobody or self._guard.broken:
                restore()
                return result
            with self._guard:
                if self._ours is None or self._ours(None):
                    self.backwards += 1
                    self.manual = self.manual or self._nobody_steps()
                    if self.manual:
                        self._end(None, True)
            return result

        def restore() -> None:
            BACKWARDS.discard(counting)
            _put_back(Tensor, "backward", counting)

        BACKWARDS.add(counting)
        Tensor.backward = counting  # type: ignore[assignment,method-assign]
        return restore

    def _nobody_steps(self) -> bool:
        """Whether no optimizer was ever made, or none is used."""
        if self.backwards >= _BACKWARDS_WITHOUT_STEP:
            return True
        # The first instance of a class has its `step` wrapped, and marked so.
        return not any(getattr(at.step, "hooked", False) for at in _below(Optimizer))

    # -- scalers -----------------------------------------------------------------------------

    def _see_scaling(self) -> Callable[[], None]:
        """Learn of the factor that losses are multiplied by, and of steps left out."""
        scaler: Any = torch.amp.GradScaler
        scale, step = scaler.scale, scaler.step

        @untraced_itself
        @wraps(scale)
        def scaling(self_: Any, *args: Any, **kwargs: Any) -> Any:
            result = scale(self_, *args, **kwargs)
            seen = self._watcher.watching and not _is_over(scaling)
            if seen and not self._guard.broken and self_._scale is not None:
                with self._guard:
                    self._watcher.scaled(self_._scale)
            return result

        @untraced_itself
        @wraps(step)
        def stepping(self_: Any, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            before = self.steps, self._beside
            result = step(self_, optimizer, *args, **kwargs)
            if _is_over(stepping):
                return result
            left_out = before == (self.steps, self._beside)
            if left_out and self_.is_enabled() and not self._guard.broken:
                with self._guard:
                    self._skip(optimizer)
            return result

        def restore() -> None:
            _put_back(scaler, "step", stepping)
            _put_back(scaler, "scale", scaling)

        scaler.step, scaler.scale = stepping, scaling
        return restore

    def _skip(self, optimizer: Optimizer) -> None:
        if self._ours is not None and not self._ours(optimizer):
            return
        leads = self._lead() in (optimizer, None)
        if leads:
            self.steps += 1
            self.skipped += 1
        for tell in self.skips:
            tell(optimizer)
        if self._watcher.watching:
            self._watcher.skipped(optimizer, leads)
        elif leads:
            self._watcher.passed()

    # -- CUDA graphs -------------------------------------------------------------------------

    def _see_capturing(self) -> Callable[[], None]:
        """Learn where steps are captured: they are replayed without us, who may not be in them."""
        graph: Any = torch.cuda.CUDAGraph
        begin, end = graph.capture_begin, graph.capture_end
        before = 0

        @untraced_itself
        @wraps(begin)
        def beginning(self_: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal before
            if not _is_over(beginning):
                before = self.steps
                self._captures(True)
            try:
                return begin(self_, *args, **kwargs)
            except BaseException:
                # It did not begin, and nothing will end it.
                if self.capturing:
                    self._captures(False)
                raise

        @untraced_itself
        @wraps(end)
        def ending(self_: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return end(self_, *args, **kwargs)
            finally:
                if not _is_over(ending) and self.capturing:
                    self.captured += self.steps - before
                    self._captures(False)

        def restore() -> None:
            _put_back(graph, "capture_end", ending)
            _put_back(graph, "capture_begin", beginning)

        graph.capture_begin, graph.capture_end = beginning, ending
        return restore

    def _captures(self, begins: bool) -> None:
        with self._guard:
            self.capturing = begins
            self._watcher.captures(begins)


def _nobody() -> None:
    """Who leads before anyone has stepped."""


def _put_back(holder: Any, name: str, ours: Any) -> None:
    """Put back what a function of ours stands for; where another stands on it, do nothing more.

    Clocks may stop in another order than they started. Theirs are the ones looked through here.
    """
    ours.over = True
    while _is_over(standing := getattr(holder, name)):
        setattr(holder, name, standing.__wrapped__)


def _is_over(function: Any) -> bool:
    return getattr(function, "over", False)


def _below(base: type) -> Iterator[Any]:
    made: Any
    for made in base.__subclasses__():
        yield made
        yield from _below(made)
