"""Sees every activation call while a sample is open: where it is, what feeds it, what it is fed.

A `TorchFunctionMode` sees module and functional calls alike. The module path is read off the
Python stack rather than from module hooks: with a hook registered, torch calls modules another
way, which shows in tracebacks and switches off its fast paths.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from types import FrameType
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reluctant.calls import KNOWN, PRODUCTS, Call, recognise, standing_for
from reluctant.observe import feeding, graph, stack
from reluctant.observe.clock import BACKWARDS
from reluctant.observe.guard import Guard
from reluctant.observe.heads import LOSSES, Given, Heads
from reluctant.observe.layers import Layers
from reluctant.observe.names import Names
from reluctant.observe.parameters import Parameters
from reluctant.observe.probes import Activity, Gradient, Intervals, Shelf
from reluctant.observe.scope import Scope
from reluctant.observe.ways import Ways
from reluctant.record.observation import Ending, NewSite
from reluctant.record.run import Function, Head
from reluctant.untraced import untraced

# What handing one call of a torch function through a Python mode costs, in seconds, beside the
# call itself (measured: 0.7 to 1.5 microseconds).
PASSING_SECONDS = 1.5e-6

# A sample that has taken this long looks no further. Only a sample that no optimizer step ends,
# as in a script that has no optimizer, comes to this.
MOST_SECONDS = 5.0

# Calls of one function in one module are told apart up to this many between two backward passes:
# enough for a module used several times, and an unrolled loop does not become a site a turn. Later
# calls are told apart by the layers that feed them.
MOST_CALLS = 8

_CALL_IMPL = nn.Module._call_impl.__code__
_BACKWARD = Tensor.backward

# What a tensor's attributes are read and set by: `zero_grad` and the like, no computation.
_ATTRIBUTE = ("__get__", "__set__", "__delete__")

# Under it a script's own kind of tensor is to us a tensor like any other.
_PLAINLY = torch._C.DisableTorchFunctionSubclass


@dataclass
class Met:
    """A site as it stands in the script, from the moment it is first met."""

    index: int
    axis: int
    units: int
    step: int  # every which unit is read
    flat: Intervals


@dataclass
class Seen:
    """What one sample holds of one site."""

    activity: Activity = field(default_factory=Activity)
    gradient_in: Gradient = field(default_factory=Gradient)
    gradient_out: Gradient = field(default_factory=Gradient)


@dataclass
class Glimpse:
    """What was seen since the last time somebody asked, and what seeing it cost.

    `evaluated` are passes of a model in evaluation mode, apart.
    """

    sites: dict[int, Seen] = field(default_factory=dict)
    evaluated: dict[int, Seen] = field(default_factory=dict)
    losses: list[Tensor] = field(default_factory=list)
    new_sites: list[NewSite] = field(default_factory=list)
    new_functions: list[Function] = field(default_factory=list)
    feeds: set[tuple[int, int]] = field(default_factory=set)
    outputs: set[int] = field(default_factory=set)
    new_heads: list[Head] = field(default_factory=list)
    heads: dict[int, Given] = field(default_factory=dict)
    fed: dict[int, list[Tensor]] = field(default_factory=dict)
    seconds: float = 0.0
    calls: int = 0
    on_device: bool = False

    def close(self) -> None:
        """Take in no gradient any more: it would depend on when this is written."""
        for seen in self.sites.values():
            seen.gradient_in.over = seen.gradient_out.over = True

    @property
    def cost(self) -> float:
        """Seconds that the script waited for us."""
        return self.seconds + self.calls * PASSING_SECONDS


class SiteMode(TorchFunctionMode):
    """The open eye: entered when a sample begins, left when it ends."""

    def __init__(
        self,
        names: Names,
        layers: Layers,
        parameters: Parameters,
        guard: Guard,
        scope: Scope | None = None,
    ) -> None:
        super().__init__()
        self._parameters = parameters
        self._heads = Heads(self)
        self._feeding = feeding.Feeding(layers)
        self._ways = Ways(layers, self)
        self._scope = scope
        self._names = names
        self._layers = layers
        self._guard = guard
        self._sites: dict[tuple[str, str, str, int], Met] = {}
        self._functions: dict[str, Function] = {}
        self._calls: dict[tuple[str, str, str, bool], int] = {}
        self._take = Glimpse()
        self._shelf = Shelf()
        self._fed_off: list[ReferenceType[Tensor]] = []
        self._looking = False

    # -- looking -----------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to look."""
        if not self._looking:
            self._looking = True
            stack.enter(self)

    def shut(self) -> None:
        """Look away."""
        self._looking = False
        stack.leave(self)

    def take(self) -> "Glimpse":
        """Hand over what was seen since the last time, which `settle` may still have to read."""
        taken, self._take = self._take, Glimpse()
        taken.on_device, self._shelf.on_device = self._shelf.on_device, False
        if taken.on_device:
            # A device reads while the script goes on; here it is cheaper to read more at once.
            self._shelf.settle()
        self._calls.clear()
        taken.heads, taken.fed = self._heads.take(), self._feeding.take()
        taken.new_heads, self._heads.new = self._heads.new, []
        # Some train a model in evaluation mode, to leave its normalisation as it is.
        for site, seen in taken.evaluated.items():
            if seen.gradient_in.came or seen.gradient_out.came:
                taken.sites.setdefault(site, seen)
        return taken

    def rectified(self) -> set[int]:
        """The ids of the weights whose output is what a function gets that switches units off."""
        return {id(weight) for at in self._fed_off if (weight := at()) is not None}

    def ending(self, weights: bool) -> Ending:
        """How the inputs of sites came about, what data were, and, if wanted, the weights."""
        kept = tuple(self._ways.weights()) if weights else ()
        return Ending(self._ways.take(), kept, self._feeding.limits())

    def settle(self) -> None:
        """Read what was put by since the last time, also what came back in another's turn."""
        with _PLAINLY():
            self._shelf.settle()
            self._heads.settle()

    # -- the calls ---------------------------------------------------------------------------

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pass every call on; look at activations and at `backward()`."""
        kwargs = kwargs or {}
        take = self._take
        take.calls += 1
        if not self._looking or take.seconds > MOST_SECONDS:
            return func(*args, **kwargs)
        parameters = self._parameters
        if not (parameters.unused or parameters.searching):
            return self._pass_on(func, args, kwargs)
        if getattr(func, "__name__", "") not in _ATTRIBUTE:
            parameters.saw(args)
        result = self._pass_on(func, args, kwargs)
        if parameters.searching:
            began = perf_counter()
            with self._guard, _PLAINLY():
                parameters.passed(func, args, result)
            take.seconds += perf_counter() - began
        return result

    def _pass_on(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if func in KNOWN:
            return self._activation(func, args, kwargs)
        if func in LOSSES:
            return self._loss(func, args, kwargs)
        if func in PRODUCTS:
            self._product(func, args, kwargs)
        if func in BACKWARDS:
            func = _BACKWARD
            self._backward(args)
        return func(*args, **kwargs)

    def _backward(self, args: tuple[Any, ...]) -> None:
        began = perf_counter()
        with self._guard, _PLAINLY():
            self._calls.clear()
            loss = args[0]
            if _is_plain(loss) and loss.numel() == 1:
                # A copy: the script may go on to add to its own.
                self._take.losses.append(loss.detach().clone())
                self._parameters.reached(loss)
            if _is_plain(loss) and self._take.new_sites:
                self._trace(loss)
        self._take.seconds += perf_counter() - began

    def _trace(self, loss: Tensor) -> None:
        """Learn which sites reach which layers. Once, when sites are new: the graph is large."""
        for feed in filter(lambda at: self._layers.watched(at.weight), graph.products(loss)):
            layer = self._layers.of(*feed[:3]).definition.index
            self._take.feeds |= {(site, layer) for site in graph.sites_behind(feed.inputs, self)}
        self._take.outputs |= graph.sites_behind([loss.grad_fn], self)

    def _loss(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        loss = func(*args, **kwargs)
        began = perf_counter()
        with self._guard, _PLAINLY():
            self._heads.given(func, args, kwargs, loss)
        self._take.seconds += perf_counter() - began
        return loss

    def _product(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        began = perf_counter()
        with self._guard, _PLAINLY():
            self._feeding.product(func, args, kwargs)
        self._take.seconds += perf_counter() - began

    def _activation(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        take = self._take
        began = perf_counter()
        looked = None
        with self._guard, _PLAINLY():
            z: Any = args[0] if args else kwargs.get("input")
            call = recognise(func, args, kwargs) if _observable(z) else None
            if call is not None:
                looked = self._look(call, z)
        take.seconds += perf_counter() - began
        output = func(*args, **kwargs)
        if looked is not None:
            began = perf_counter()
            with self._guard, _PLAINLY():
                met, seen = looked
                if isinstance(output, Tensor):
                    graph.mark(output, met.index, self)
                    if output.requires_grad:
                        output.register_hook(partial(self._returned, seen.gradient_out, met))
            take.seconds += perf_counter() - began
        return output

    def _look(self, call: Call, z: Tensor) -> tuple[Met, Seen] | None:
        """Read the pre-activation, before the call: it may be overwritten in place."""
        found = self._meet(call, z)
        if found is None:
            return None
        met, training = found
        if z.dim() <= met.axis or z.shape[met.axis] != met.units:
            return None  # called with another width than at first: other units
        sites = self._take.sites if training else self._take.evaluated
        seen = sites.get(met.index)
        if seen is None:
            seen = sites[met.index] = Seen()
        self._ways.see(met.index, met.axis, z)
        self._shelf.activity(z, met.axis, met.step, met.flat, seen.activity)
        if not z.is_leaf:
            z.register_hook(partial(self._returned, seen.gradient_in, met))
        return met, seen

    @untraced
    def _returned(self, into: Gradient, met: Met, gradient: Tensor) -> None:
        """A gradient came back; also called in autograd's own threads."""
        began = perf_counter()
        with self._guard, _PLAINLY():
            if _is_plain(gradient) and not gradient.is_sparse:
                self._shelf.gradient(gradient, met.axis, met.step, into)
        self._take.seconds += perf_counter() - began

    # -- the names ---------------------------------------------------------------------------

    def _meet(self, call: Call, z: Tensor) -> tuple[Met, bool] | None:
        """The site of this call, and whether the model that makes it is in training mode.

        None if the call is not one that is looked at.
        """
        modules = _modules(sys._getframe())
        if self._scope is not None and not self._scope.holds(modules):
            return None
        place = self._names.of_call(modules)
        training = not modules or bool(modules[-1].training)
        root, path = (place.root, place.path) if place is not None else ("", "")
        name = call.activation.name
        # One that stands in another's place takes its turn: those behind it keep theirs.
        counted = standing_for.get() or name
        turn = self._calls.get((root, path, counted, training), 0)
        self._calls[root, path, counted, training] = turn + 1
        key = (root, path, name, turn if turn < MOST_CALLS else self._fed_by(z))
        met = self._sites.get(key)
        if met is None:
            where = f"{path}:{name}" + (f"#{turn}" if turn else "")
            met = self._sites[key] = self._first(call, z, root, where)
        return met, training

    def _fed_by(self, z: Tensor) -> int:
        """A number below zero for the layer that feeds a call."""
        feed = graph.feed(z)
        if feed is None or not self._layers.watched(feed.weight):
            return -1
        return -2 - self._layers.of(*feed[:3]).definition.index

    def _first(self, call: Call, z: Tensor, root: str, name: str) -> Met:
        function = self._function(call)
        feed = graph.feed(z)
        known = feed is not None and self._layers.watched(feed.weight)
        layer = self._layers.of(*feed[:3]).definition if feed is not None and known else None
        axis = _axis(z, feed)
        if feed is not None and layer is not None and function.switches_off:
            self._fed_off.append(ref(feed.weight))
        index = len(self._sites)
        self._take.new_sites.append(
            NewSite(
                index,
                name=name,
                root=root,
                function=function.index,
                layer=layer.index if layer is not None else None,
                units=z.shape[axis],
                aligned=layer is not None and layer.units == z.shape[axis],
                inside=layer is None or layer.root == root,
                stride=(step := self._layers.stride(z.shape[axis])),
            )
        )
        return Met(index, axis, z.shape[axis], step, function.flat)

    def _function(self, call: Call) -> Function:
        activation, parameters = call
        function = Function(len(self._functions), activation.name, parameters)
        known = self._functions.get(function.label)
        if known is None:
            rise, straight = activation.rise(**parameters)
            known = self._functions[function.label] = replace(
                function,
                flat=activation.flat_regions(**parameters),
                switches_off=activation.switches_off,
                zero_centred=activation.zero_centred,
                curve=activation.curve(**parameters),
                rise=rise,
                straight=straight,
            )
            self._take.new_functions.append(known)
        return known


def _modules(frame: FrameType | None) -> list[nn.Module]:
    """The modules that are being called, the innermost first."""
    modules: list[nn.Module] = []
    while frame is not None:
        if frame.f_code is _CALL_IMPL:
            modules.append(frame.f_locals["self"])
        frame = frame.f_back
    return modules


def _is_plain(z: Any) -> bool:
    """Whether this is a tensor that torch computes with itself, were its class the script's."""
    return isinstance(z, Tensor) and type(z).__torch_dispatch__ is Tensor.__torch_dispatch__


def _observable(z: Any) -> bool:
    """Whether this is a plain tensor in an ordinary training pass."""
    return (
        _is_plain(z)
        and not isinstance(z, nn.Parameter)  # weights that are kept positive are no activations
        and z.requires_grad
        and torch.is_grad_enabled()
        and z.dim() > 0
        and z.numel() > 0
        and z.layout is torch.strided
        and z.is_floating_point()
        # Under a transform, a trace or a mode of the script's own, what we compute would be
        # transformed, traced or counted with it.
        and not torch._C._are_functorch_transforms_active()
        and torch._C._get_tracing_state() is None
        and torch._C._len_torch_dispatch_stack() == 0
        # Activation checkpointing repeats a forward pass within the backward pass.
        and torch._C._current_graph_task_id() == -1
    )


def _axis(z: Tensor, feed: graph.Feed | None) -> int:
    """The dimension that numbers units: 1 behind a convolution, otherwise the last."""
    if feed is not None:
        units = feed.weight.shape[feed.axis]
        channels = feed.weight.dim() > 2 and z.dim() > 2
        likely = [1, z.dim() - 1] if channels else [z.dim() - 1, min(1, z.dim() - 1)]
        return next((axis for axis in likely if z.shape[axis] == units), likely[0])
    return 1 if z.dim() > 3 else z.dim() - 1
