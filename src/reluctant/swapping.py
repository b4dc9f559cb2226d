"""Puts one activation function in another's place, in a model that is there already."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from zlib import crc32

from torch import nn

from reluctant import functional
from reluctant import nn as own
from reluctant.activations import CATALOGUE, Activation, Shaped, lookup
from reluctant.activations.expression import Expression, expression, is_name
from reluctant.activations.register import define
from reluctant.errors import WrongArgument


@dataclass(frozen=True)
class Replacement:
    """A function and the numbers it is to have: what `leaky_relu:0.1` or `max(z, tanh(z))` says."""

    of: Activation
    values: tuple[float, ...]

    def __str__(self) -> str:
        return ":".join([self.of.name, ",".join(f"{value:g}" for value in self.values)]).rstrip(":")

    @property
    def parameters(self) -> dict[str, float]:
        """Those of the numbers that its formula has a name for."""
        values = self.values[1:] if _counted(self.of) else self.values
        return dict(zip(self.of.parameters, values, strict=False))

    def module(self) -> nn.Module:
        """A new module of it."""
        return own.module(self.of.name)(*self.values)

    @property
    def learns(self) -> bool:
        """Whether it has parameters that are learnt."""
        return bool(self.of.trainable)


@dataclass(frozen=True)
class Swapped:
    """One place where a module was replaced: its path in the model, and both modules as shown."""

    path: str
    old: str
    new: str


def replacement(text: str) -> Replacement:
    """What `NAME`, `NAME:VALUE,VALUE` or an expression in z asks for.

    Raises:
        UnknownActivation: there is no such function.
        WrongArgument: it is not elementwise, the values are none that it can have, or the
            expression cannot be read or computed.
    """
    if not is_name(text):
        return Replacement(written(expression(text)), ())
    name, _, rest = text.partition(":")
    of = elementwise(name)
    try:
        values = tuple(float(value) for value in rest.split(",")) if rest else ()
    except ValueError:
        raise WrongArgument(
            f"The values in {text!r} are no numbers.", "Write them as in leaky_relu:0.1."
        ) from None
    counted = _counted(of)
    names = ("num_parameters", "init") if counted else tuple(of.parameters)
    if len(values) > len(names):
        known = ", ".join(names) or "no values"
        raise WrongArgument(f"{text!r} gives too many values.", f"{of.name} takes {known}.")
    if counted and values:
        values = (int(values[0]), *values[1:])
    of.check(**dict(zip(names, values, strict=False)))
    return Replacement(of, values)


def _counted(of: Activation) -> bool:
    """Whether its module takes how many slopes there are before their value, as PReLU's does.

    A registered function's takes the values that are learnt as any others.
    """
    return bool(of.trainable) and not of.differentiable


def written(function: Expression) -> Activation:
    """The activation that an expression defines, the same one each time.

    Raises:
        WrongArgument: it gives no number somewhere.
    """
    name = str(function)
    known = CATALOGUE.get(name)
    module = f"Expression{crc32(name.encode()):08x}"
    return known or define(name, function, {}, "written out in another's place", module)


def elementwise(name: str) -> Activation:
    """The elementwise function of that name.

    Raises:
        UnknownActivation: there is none; it names the nearest.
        WrongArgument: it changes the shape of what it is given.
    """
    of = lookup(name)
    if isinstance(of, Shaped):
        raise WrongArgument(
            f"{of.name} gives an output of another shape, and cannot stand in another's place.",
            "Choose one that works on each element for itself: `reluctant functions`.",
        )
    return of


def swap(model: nn.Module, old: str, new: str) -> tuple[Swapped, ...]:
    """Replace every module of the function `old` below `model` by one of `new`.

    A module that stands in several places is replaced by one that does. Functions that a module
    holds as an attribute, as torch's transformer layers do, are replaced too; calls in the code
    of a `forward` are not: for those there is `reluctant run --swap`. Learnt parameters of the new
    modules go where the model's are; build the optimizer afterwards.

    Args:
        model: changed in place.
        old: the name of a function, as in `reluctant functions`.
        new: a name, with values after a colon: `"leaky_relu:0.1"`.

    Returns:
        What was replaced, in the model's order; empty if nothing was.

    Raises:
        UnknownActivation: there is no such function; it names the nearest.
        WrongArgument: `new` cannot stand there, or `model` is itself such a module.
    """
    before, after = elementwise(old), replacement(new)
    functions = {functional.function(before.name), *functional.spellings(before)}
    if _is(model, before):
        raise WrongArgument(
            f"The model is itself a {type(model).__name__}, and has nothing it stands in.",
            "Put it into an nn.Sequential first.",
        )
    like = next(chain(model.parameters(), model.buffers()), None)
    made: dict[nn.Module, nn.Module] = {}
    found: list[Swapped] = []
    for path, parent in list(model.named_modules(remove_duplicate=False)):
        for name, child in list(parent._modules.items()):
            if child is not None and _is(child, before):
                if child not in made:
                    made[child] = after.module().train(child.training)
                    if like is not None and like.is_floating_point():
                        made[child].to(like.device, like.dtype)
                setattr(parent, name, made[child])
                found.append(Swapped(_join(path, name), repr(child), repr(made[child])))
        found += _attributes(parent, path, functions, after)
    return tuple(dict.fromkeys(found))


def _is(module: nn.Module, of: Activation) -> bool:
    """Whether it computes this function: subclasses are something of their own."""
    if type(module) in (nn.GELU, own.module("gelu")):
        return of.name == ("gelu_tanh" if module.approximate == "tanh" else "gelu")
    return type(module) in (own.module(of.name), getattr(nn, of.module, None))


def _attributes(
    parent: nn.Module, path: str, functions: Collection[object], after: Replacement
) -> list[Swapped]:
    """Replace functions that a module holds by modules; its children then."""
    found = []
    for name, value in list(vars(parent).items()):
        if callable(value) and value in functions:
            delattr(parent, name)
            setattr(parent, name, after.module())
            if isinstance(parent, nn.TransformerEncoderLayer):
                parent.activation_relu_or_gelu = 0  # torch's fused path knows only these
            old = getattr(value, "__name__", repr(value))
            found.append(Swapped(_join(path, name), old, repr(getattr(parent, name))))
    return found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
