"""`leak`: a rectifier lets a little of what is below zero through, and no unit of it is dead.

Where a module is the function, another stands in its place. Where a `forward` calls the function,
that very call is met by a mode that is on while the module's `forward` runs: however the script
came by the name, it calls what it called, and no other call is touched.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import local
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint

from reluctant import nn as own
from reluctant.calls import KNOWN, recognise, standing_for
from reluctant.remedy.refusal import Refused

# Of what is below zero, this share comes through: enough to learn by, and next to no change.
SLOPE = 0.01

# A leak in place of another function would change what living units give.
_RECTIFIERS = frozenset(["relu", "relu6"])
_MODULES = (nn.ReLU, nn.ReLU6, own.ReLU, own.ReLU6)

# These learn a parameter that comes to them later as they learn the others.
_LATE = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop)

# Evaluating, torch's encoder layer fuses what it takes for ReLU or GELU.
_NOT_FUSED: Any = 0

_CHECKPOINT = checkpoint.__file__
_CALL_IMPL = nn.Module._call_impl.__code__


@dataclass(frozen=True)
class Spot:
    """Where a function is called: the `turn`-th time in a pass of `module`.

    `model` is the outermost module, and `path` leads from it to `module`, which the record calls
    `place`.
    """

    model: nn.Module
    module: nn.Module
    path: str
    place: str
    function: str
    turn: int = 0

    @classmethod
    def of(cls, model: nn.Module, name: str, module: nn.Module | None = None) -> "Spot":
        """That of the site `path:function#turn`; `module` is what stands there, where known."""
        place, function, turn = _parts(name)
        module = module if module is not None else model.get_submodule(place)
        path = next(path for path, at in model.named_modules() if at is module)
        return cls(model, module, path, place, function, turn)

    def is_called_in(self, name: str) -> bool:
        """Whether the same function is called in the same place at the site of that name."""
        return _parts(name)[:2] == (self.place, self.function)


def _parts(name: str) -> tuple[str, str, int]:
    place, _, call = name.rpartition(":")
    function, _, turn = call.partition("#")
    return place, function, int(turn or 0)


Undo = Callable[[], None]


@dataclass(frozen=True)
class Leak:
    """One that can be made: what is to be known of it, and steps that say how each is undone."""

    text: str
    steps: tuple[Callable[[], Undo], ...]


def plan(
    spots: Sequence[Spot],
    others: Collection[str] = (),
    beside: Tensor | None = None,
    trained_by: Sequence[Optimizer] | None = None,
) -> Leak:
    """How to have the function at some spots of one module leak.

    Args:
        spots: all in the same module, and of one function.
        others: the names of the model's other sites: none of them is to change.
        beside: the weight of the layer in front.
        trained_by: the optimizers that train that weight. Where given, the slope is learnt with it.

    Raises:
        Refused: no leak can be made there alone.
    """
    spot = spots[0]
    if spot.function not in _RECTIFIERS:
        raise Refused(f"A leak in place of {spot.function} would change what living units give.")
    slope = None
    if trained_by is not None:
        if beside is None or not trained_by:
            raise Refused("No optimizer is known to train the layer in front.")
        _check_late(trained_by)
        slope = nn.Parameter(torch.full((1,), SLOPE, dtype=beside.dtype, device=beside.device))
    if type(spot.module) in _MODULES:
        made = _replaced(spot, others, slope)
    else:
        made = _met(spot, frozenset(at.turn for at in spots), slope)
    if slope is None or beside is None:
        return made
    return Leak(made.text, (*made.steps, partial(_join, slope, beside, trained_by or ())))


def apply(leak: Leak) -> Undo:
    """Make it. What is returned has it away again, and everything as it was."""
    undone = [step() for step in leak.steps]

    def undo() -> None:
        while undone:
            undone.pop()()

    return undo


# -- modules -----------------------------------------------------------------------------------


def _replaced(spot: Spot, others: Collection[str], slope: nn.Parameter | None) -> Leak:
    """A leaky module in a module's place."""
    old, path = spot.module, spot.path
    homes = list(_homes(spot))
    if len(homes) != 1 or any(map(spot.is_called_in, others)):
        raise Refused(f"The module {path} stands in several places, and all would change.")
    new: nn.Module
    if slope is None:
        new = nn.LeakyReLU(SLOPE, inplace=bool(getattr(old, "inplace", False)))
        text = _stays(f"nn.LeakyReLU({SLOPE}) as {path}")
    else:
        new = nn.PReLU(init=SLOPE)
        new.weight = slope
        text = _gains(f"{path}.weight", f"nn.PReLU() as {path}")
    if any(_is_compiled(at) for at in _around(spot)):
        text += " What was compiled of the model is compiled anew."
    step = partial(_replace, *homes[0], old, new.train(old.training))
    return Leak(f"{path} is {type(new).__name__}({SLOPE}) now.{text}", (step,))


def _replace(parent: nn.Module, name: str, old: nn.Module, new: nn.Module) -> Undo:
    fuses = isinstance(parent, nn.TransformerEncoderLayer)
    kind: Any = parent.activation_relu_or_gelu if fuses else None
    setattr(parent, name, new)
    if fuses:
        parent.activation_relu_or_gelu = _NOT_FUSED

    def undo() -> None:
        setattr(parent, name, old)
        if fuses:
            parent.activation_relu_or_gelu = kind

    return undo


def _homes(spot: Spot) -> Iterator[tuple[nn.Module, str]]:
    """The modules that hold this one, and by which name."""
    for parent in spot.model.modules():
        for name, child in parent._modules.items():
            if child is spot.module:
                yield parent, name


def _around(spot: Spot) -> Iterator[nn.Module]:
    """The modules that hold this one, however far in, and itself."""
    return (at for at in spot.model.modules() if any(spot.module is one for one in at.modules()))


def _is_compiled(module: nn.Module) -> bool:
    compiled = getattr(module, "_compiled_call_impl", None) is not None
    return compiled or type(module).__name__ == "OptimizedModule"


def _has_compiled() -> bool:
    """Whether anything has been compiled in this process: a function tells nobody that it is."""
    dynamo: Any = sys.modules.get("torch._dynamo")
    return dynamo is not None and any(dynamo.utils.counters["frames"].values())


def _stays(what: str) -> str:
    return (
        " Weights that are saved from here on load as ever, and are meant for a model that has "
        f"{what}."
    )


def _gains(key: str, what: str) -> str:
    return (
        f" Weights that are saved from here on hold {key} as well: load them into a model that has "
        f"{what}."
    )


# -- calls -------------------------------------------------------------------------------------


def _met(spot: Spot, turns: frozenset[int], slope: nn.Parameter | None) -> Leak:
    """Calls in a module's `forward` are met."""
    module = spot.module
    if any(_is_compiled(at) for at in _around(spot)) or _has_compiled():
        # What was compiled would go on as it was; compiled anew, it might not be one graph.
        raise Refused("The function is called in code, and code has been compiled here.")
    where = f"in {spot.path or type(module).__name__}"
    name, text = "", _stays(f"F.leaky_relu(x, {SLOPE}) {where}")
    if slope is not None:
        name = next(at for at in map("leak_{}".format, count()) if not hasattr(module, at))
        text = _gains(f"{spot.path}.{name}".lstrip("."), f"F.prelu(x, self.{name}) {where}")
    calls = " ".join([spot.function, *(f"#{turn}" for turn in sorted(turns) if turn)])
    step = partial(_meet, module, _Meeting(spot.function, turns, name), slope)
    return Leak(f"The call of {calls} {where} leaks {SLOPE} now.{text}", (step,))


def _meet(module: nn.Module, meeting: "_Meeting", slope: nn.Parameter | None) -> Undo:
    if slope is not None:
        module.register_parameter(meeting.slope, slope)
    handles = (
        module.register_forward_pre_hook(meeting.enter),
        module.register_forward_hook(meeting.leave, always_call=True),
    )

    def undo() -> None:
        for handle in handles:
            handle.remove()
        if slope is not None:
            delattr(module, meeting.slope)

    return undo


class _Meeting:
    """The two hooks of a module in whose `forward` calls are met.

    A copy of the module takes a copy of them along, and so does a pickle.
    """

    def __init__(
        self, function: str, turns: frozenset[int], slope: str, places: frozenset[int] = frozenset()
    ) -> None:
        self.function, self.turns, self.slope = function, turns, slope
        # Which of all calls those are, learned in training: where no gradient is wanted, it cannot
        # be told which calls the record counts.
        self.places = places
        self._on = local()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Meeting, (self.function, self.turns, self.slope, self.places)

    def enter(self, module: nn.Module, args: Any) -> None:
        """The module's `forward` begins."""
        mode = _Mode(self, module)
        self._on.__dict__.setdefault("modes", []).append(mode)
        mode.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, module: nn.Module, args: Any, result: Any) -> None:
        """It is over, or has failed."""
        with suppress(AttributeError, IndexError):  # where a hook before ours has failed
            self._on.modes.pop().__exit__(None, None, None)


class _Mode(TorchFunctionMode):
    """Meets the calls of one function in one pass of a module."""

    def __init__(self, meeting: _Meeting, module: nn.Module) -> None:
        super().__init__()
        self._meeting, self._module = meeting, module
        self._inside = frozenset(map(id, module.modules()))
        self._turn = self._place = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        """Pass every other call on."""
        kwargs = kwargs or {}
        if func in KNOWN and self._is_met(func, args, kwargs):
            return self._leaking(func, args, kwargs)
        return func(*args, **kwargs)

    def _is_met(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> bool:
        call, function = recognise(func, args, kwargs), self._meeting.function
        stands = standing_for.get()  # where another leak in the same module has met the call
        name = stands or (call.activation.name if call is not None else "")
        if name != function or not self._is_here(sys._getframe()):
            return False
        z: Tensor = args[0] if args else kwargs["input"]
        place, self._place = self._place, self._place + 1
        if not torch.is_grad_enabled():
            return place in (self._meeting.places or self._meeting.turns)
        if not z.requires_grad:
            return False
        turn, self._turn = self._turn, self._turn + 1
        if turn not in self._meeting.turns:
            return False
        self._meeting.places |= {place}
        return True

    def _is_here(self, frame: FrameType | None) -> bool:
        """Whether the call is made by the module itself, and by none in it.

        Activation checkpointing will repeat what is within it when the module's pass is over, and
        has to find the same.
        """
        while frame is not None and frame.f_code.co_filename != _CHECKPOINT:
            if frame.f_code is _CALL_IMPL and id(frame.f_locals["self"]) in self._inside:
                return frame.f_locals["self"] is self._module
            frame = frame.f_back
        return False

    def _leaking(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Tensor:
        z: Tensor = args[0] if args else kwargs["input"]
        inplace = func.__name__.endswith("_") or kwargs.get("inplace", False) is True
        inplace = inplace or any(at is True for at in args[1:])
        # What the backward pass may keep is a copy, and not what is about to be overwritten.
        x = z.clone() if inplace else z
        token = standing_for.set(self._meeting.function)
        try:
            if self._meeting.slope:
                slope = self._module.get_parameter(self._meeting.slope)
                output = F.prelu(x, slope.to(x.dtype))
            else:
                output = F.leaky_relu(x, SLOPE)
        finally:
            standing_for.reset(token)
        return z.copy_(output) if inplace else output


# -- slopes that are learnt --------------------------------------------------------------------


def _check_late(trained_by: Sequence[Optimizer]) -> None:
    for optimizer in trained_by:
        if type(optimizer) not in _LATE:
            name = type(optimizer).__name__
            raise Refused(f"{name} may not take a parameter that comes to it later.")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise Refused("Processes that train together would each learn a slope of their own.")


def _join(slope: nn.Parameter, beside: Tensor, trained_by: Sequence[Optimizer]) -> Undo:
    """Have the optimizers that train a weight train the slope with it."""
    groups = [
        (optimizer, group)
        for optimizer in trained_by
        for group in optimizer.param_groups
        if any(at is beside for at in group["params"])
    ]
    for _, group in groups:
        group["params"].append(slope)

    def undo() -> None:
        for optimizer, group in groups:
            group["params"][:] = [at for at in group["params"] if at is not slope]
            optimizer.state.pop(slope, None)

    return undo
