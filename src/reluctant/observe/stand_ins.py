"""`run --swap`: before the script sees them, torch's names for one function give another.

Classes, functions and methods are replaced, so that a script's own modules and its calls change
alike; `x.clamp(min=0)` stays what it is. Where the new function learns parameters and is called
from code, each place of a module gets its own, which joins the optimizer that trains the module.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from reluctant import functional
from reluctant.calls import know, know_ours
from reluctant.record.info import NOT_MET
from reluctant.swapping import Replacement, elementwise, replacement

_CALL_IMPL = nn.Module._call_impl.__code__
_PACKAGE = str(Path(__file__).parents[1])
_TORCH = str(Path(torch.__file__).parent)


@dataclass
class StandIn:
    """One function in another's place, and where it stood in."""

    old: str
    new: Replacement
    modules: int = 0
    calls: dict[str, None] = field(default_factory=dict)

    def __str__(self) -> str:
        places = [f"{self.modules} modules" if self.modules != 1 else "1 module"]
        places = places if self.modules else []
        shown = list(self.calls)[:6]
        more = len(self.calls) - len(shown)
        places += [f"the call at {at}" for at in shown] + ([f"{more} more calls"] if more else [])
        where = ", ".join(places) or NOT_MET
        return f"{self.new} instead of {self.old} in {where}"


def install(specifications: tuple[str, ...], sites: tuple[str, ...] = ()) -> tuple[StandIn, ...]:
    """Replace torch's names, as in `relu=leaky_relu:0.1`; at these sites, or wherever they stand.

    Raises:
        UnknownActivation: a name is none; it names the nearest.
        WrongArgument: the new function cannot stand there.
    """
    made = []
    for text in specifications:
        old, _, new = text.partition("=")
        made.append((elementwise(old), replacement(new)))
    know_ours()  # functions that were written out are new
    stand_ins = []
    for of, after in made:
        stand_in = StandIn(of.name, after)
        stand_ins.append(stand_in)
        # Where it stands is known when it is called, and not yet when it is made.
        if not sites and hasattr(nn, of.module) and of.name != "gelu_tanh":
            _replace_class(of.module, stand_in)
        chosen = _Chosen(of.name, sites) if sites else None
        for path in of.calls:
            _replace_function(path, stand_in, chosen)
        # Evaluating, torch's transformer layers fuse what they take for ReLU or GELU.
        torch.backends.mha.set_fastpath_enabled(False)
    return tuple(stand_ins)


def _replace_class(name: str, stand_in: StandIn) -> None:
    new = type(stand_in.new.module())

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        stand_in.modules += 1
        new.__init__(self, *stand_in.new.values)

    # Under torch's name, so that a pickled module is found again, here or without us.
    content = {"__init__": init, "__module__": "torch.nn", "__qualname__": name}
    made = type(new.__name__, (new,), content)
    for home in (nn, nn.modules, nn.modules.activation):
        if hasattr(home, name):
            setattr(home, name, made)


def _replace_function(path: str, stand_in: StandIn, chosen: "_Chosen | None") -> None:
    *homes, name = path.split(".")
    home: Any = torch
    for part in homes:
        home = getattr(home, part)
    if not hasattr(home, name):
        return
    call, original = _call(stand_in), getattr(home, name)

    def replaced(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        site = "" if chosen is None else chosen.site(sys._getframe())
        if site is None:
            given = {"inplace": True, **kwargs} if inplace else kwargs
            untouched: Tensor = original(input, *args, **given)
            return untouched
        # F.relu(x, True): whatever the parameters before it are, `inplace` is a boolean.
        if not (inplace or name.endswith("_") or any(value is True for value in args)):
            return call(input, site)
        # What the backward pass may keep is a copy, and not what is about to be overwritten.
        return input.copy_(call(input.clone(), site))

    if chosen is not None:
        # Within torch's own, this is what its name now means.
        know(replaced, elementwise(stand_in.old))
    replaced.__name__ = replaced.__qualname__ = name
    setattr(home, name, replaced)


def _call(stand_in: StandIn) -> Callable[[Tensor, str], Tensor]:
    new = stand_in.new
    function = functional.function(new.of.name)
    learnt = _Learnt(new) if new.learns else None

    def call(input: Tensor, site: str) -> Tensor:
        if torch.compiler.is_compiling():
            return function(input, *new.values)
        place, owner = _place(sys._getframe())
        stand_in.calls[site or place or type(owner).__name__] = None
        if learnt is None:
            return function(input, *new.values)
        return function(input, *learnt.parameters(owner, place, input))

    return call


def _place(frame: FrameType | None) -> tuple[str, nn.Module | None]:
    """The line of the script that calls, and the module in whose forward that is."""
    place = ""
    while frame is not None:
        code = frame.f_code
        if code is _CALL_IMPL:
            return place, frame.f_locals["self"]
        if not place and not code.co_filename.startswith((_PACKAGE, _TORCH)):
            place = f"{Path(code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back
    return place, None


class _Chosen:
    """The sites of one function that were asked for, as `features.3:relu`."""

    def __init__(self, function: str, sites: tuple[str, ...]) -> None:
        self._function = function
        self._paths = {
            path for path, _, name in (at.rpartition(":") for at in sites) if name == function
        }
        self._known: WeakKeyDictionary[nn.Module, dict[nn.Module, str]] = WeakKeyDictionary()

    def site(self, frame: FrameType | None) -> str | None:
        """That at which the call is made from this frame; None if it is not one of them."""
        if torch.compiler.is_compiling():
            return None
        within: list[nn.Module] = []
        while frame is not None:
            if frame.f_code is _CALL_IMPL:
                within.append(frame.f_locals["self"])
            frame = frame.f_back
        path = self._path(within[-1], within[0]) if within else None
        return f"{path}:{self._function}" if path in self._paths else None

    def _path(self, root: nn.Module, module: nn.Module) -> str | None:
        known = self._known.get(root, {})
        if module not in known:
            known = self._known[root] = {at: name for name, at in root.named_modules()}
        return known.get(module)


class _Learnt:
    """Parameters of places in code, made when the place is first come by."""

    def __init__(self, new: Replacement) -> None:
        self._new = new
        self._made: WeakKeyDictionary[nn.Module, dict[str, tuple[nn.Parameter, ...]]] = (
            WeakKeyDictionary()
        )
        self._nobody = nn.Module()  # owns what is called outside any module
        self._waiting: list[tuple[nn.Module, nn.Parameter]] = []
        register_optimizer_step_pre_hook(self._join)

    def parameters(
        self, owner: nn.Module | None, place: str, input: Tensor
    ) -> tuple[nn.Parameter, ...]:
        """The parameters of this place in this module."""
        owner = owner if owner is not None else self._nobody
        made = self._made.setdefault(owner, {})
        if place not in made:
            values = dict(self._new.module().to(input.device, input.dtype).named_parameters())
            made[place] = tuple(values.values())
            for name, value in values.items():
                ours = [
                    self._new.of.module.lower(),
                    *[name] * (len(values) > 1),
                    str(len(made) - 1),
                ]
                owner.register_parameter("_".join(ours), value)
                self._waiting.append((owner, value))
        return made[place]

    def _join(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Have an optimizer train the parameters that its own modules have gained."""
        for owner, parameter in list(self._waiting):
            mates = {id(mate) for mate in owner.parameters()} - {id(parameter)}
            for group in optimizer.param_groups:
                trained = {id(mate) for mate in group["params"]}
                if not mates or mates & trained:
                    group["params"].append(parameter)
                    self._waiting.remove((owner, parameter))
                    break
