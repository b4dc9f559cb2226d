"""Activation functions as calls: `torch.nn.functional`'s names and arguments, and those it lacks.

All take a keyword `lean`, how little to keep for the backward pass:

    None    the least that costs no time against torch (the default): small tensors are torch's
    True    the least from which the gradient is exact, whatever it costs in time
    "bit"   the output and one bit an element, where torch keeps the input too: the derivative is
            then within about 1e-4 (float32) or 1e-2 (16 bits) of the true one; float64 stays exact
    False   what torch keeps

What each costs is in benchmarks/LOG.md. Under `torch.compile` the compiler decides what is kept.
torch's functions are imported by name: `run --swap` replaces those names later, and not for us.
"""

from collections.abc import Callable
from functools import reduce, wraps
from math import inf
from types import BuiltinFunctionType
from typing import Any, Literal

import torch
from torch import Tensor
from torch import rrelu as _rrelu
from torch import rrelu_ as _rrelu_
from torch import sigmoid as _sigmoid
from torch.nn.functional import gelu as _gelu
from torch.nn.functional import glu as _glu
from torch.nn.functional import prelu as _prelu
from torch.overrides import handle_torch_function, has_torch_function_unary

from reluctant.activations import CATALOGUE, SHAPED, Activation, Shaped, halves, learnt, lookup
from reluctant.activations.kernels import Kernel, aten, compiled
from reluctant.activations.lean import Elementwise, OneBit, apply
from reluctant.errors import WrongArgument

Lean = Literal["bit"] | bool | None

# Those that can be kept as their output and a bit: they fall to one minimum, then rise.
ONE_BIT = frozenset({"silu", "gelu", "gelu_tanh", "quick_gelu", "mish", "hardswish"})

_FUNCTIONS: dict[str, Callable[..., Tensor]] = {}


def _public(of: Activation | Shaped) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Make a function one of torch's kind: overridable as torch's are, and strict about input."""

    def decorate(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @wraps(function)
        def call(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if has_torch_function_unary(input):
                return handle_torch_function(call, (input,), input, *args, **kwargs)
            if not (input.is_floating_point() or input.is_complex()):
                raise WrongArgument(
                    f"{of.name} takes an input of floating-point numbers, not {input.dtype}.",
                    "Convert it, as with input.float().",
                )
            return function(input, *args, **kwargs)

        call.__name__ = call.__qualname__ = of.name
        call.__doc__ = f"{of.name}: {of.formula}\n\n{function.__doc__ or ''}\n{of.reference}."
        _FUNCTIONS[of.name] = call
        return call

    return decorate


def spellings(activation: Activation) -> tuple[Callable[..., Tensor], ...]:
    """torch's own functions for it, in all the ways in which they can be called."""
    found = []
    for path in activation.calls:
        home: Any = torch
        for name in path.split("."):
            home = getattr(home, name, None)
        if home is not None:
            found.append(home)
    return tuple(found)


def _native(activation: Activation) -> Callable[..., Tensor] | None:
    """torch's own function for it."""
    if activation.name == "gelu_tanh":
        return lambda input: _gelu(input, approximate="tanh")
    if activation.name == "quick_gelu":
        return lambda input: input * _sigmoid(1.702 * input)
    if activation.differentiable:
        return activation.compute
    found = [at for at in spellings(activation) if not at.__name__.endswith("_")]
    # torch's functions written in Python look up others by name, and that may be replaced.
    return next((at for at in found if isinstance(at, BuiltinFunctionType)), (*found, None)[0])


def _own_arithmetic(activation: Activation) -> Kernel:
    """What a definition without a twin says of itself."""
    return Kernel(
        activation.compute,
        lambda gradient, z, **parameters: gradient * activation.derivative(z, **parameters),
        keeps="input",
    )


def _elementwise(activation: Activation) -> Callable[..., Tensor]:
    """The function of a definition whose parameters are numbers."""
    native = _native(activation)
    kernel = aten.KERNELS.get(activation.name)
    own = kernel or _own_arithmetic(activation)
    torchs = spellings(activation)
    whole = (*torchs, native or activation.compute)[0]
    fused = compiled.KERNELS.get(activation.name)
    can_bit = activation.name in ONE_BIT
    slots = (*activation.parameters, "inplace")
    usual = activation.values()
    # Bytes from which the default is not torch's own.
    least = inf if own.free is None else 4 * own.free

    @_public(activation)
    def function(input: Tensor, *args: Any, lean: Lean = None, **kwargs: Any) -> Tensor:
        # The way of nearly every call, kept short: behind a product of matrices the caches are
        # cold, and each line of python costs ten times what it does alone.
        if not args and not kwargs and lean is None and native is not None:
            small = input.nbytes < least and (not own.exact or input.dtype != torch.float64)
            if small and not torch.compiler.is_compiling():
                return native(input, **usual)
        given = dict(zip(slots, args, strict=False), **kwargs)
        if len(args) > len(slots) or not given.keys() <= set(slots):
            raise TypeError(f"{activation.name}() takes input, {', '.join(slots)} and lean")
        inplace = given.pop("inplace", False)
        parameters = activation.values(**given)
        if _emitted():
            if inplace or fused is None or not fused.applies(**parameters):
                return whole(input, **parameters, **({"inplace": True} if inplace else {}))
            return compiled.Fused.apply(input, fused, parameters)
        if activation.constraints:
            activation.check(**parameters)
        if inplace:
            return _in_place(activation, torchs, input, parameters)
        if lean == "bit" and can_bit and input.dtype != torch.float64 and not _transformed():
            return apply(OneBit, input, activation, native or own.bind(parameters).forward)
        fits = kernel is not None and kernel.applies(**parameters)
        # In float64, where gradients are checked, exactness is worth more than time.
        exact = input.dtype == torch.float64 and own.exact
        free = exact or (own.free is not None and input.nbytes >= 4 * own.free)
        if input.itemsize == 2 and not own.narrow:
            free = False
        worth = lean is True or (lean is not False and free)
        if lean is True and kernel is not None and not kernel.applies(**parameters):
            raise WrongArgument(
                f"{activation.name} cannot be lean with "
                f"{' and '.join(f'{name} = {value}' for name, value in parameters.items())}: "
                "its derivative does not follow from its output.",
                "Give parameters above zero, or leave lean at None.",
            )
        exporting = torch.compiler.is_exporting()
        if native is not None and (exporting or not (fits and worth)):
            return native(input, **parameters)
        if exporting or not input.is_floating_point():
            return activation.compute(input, **parameters)
        return apply(Elementwise, input, own.bind(parameters))

    return function


def _in_place(
    activation: Activation,
    torchs: tuple[Callable[..., Tensor], ...],
    input: Tensor,
    parameters: dict[str, float],
) -> Tensor:
    for function in torchs[:1]:
        return function(input, **parameters, inplace=True)
    raise WrongArgument(f"{activation.name} has no in-place form.", "Leave out inplace=True.")


def _emitted() -> bool:
    """Whether a compiler is to make loops of what is called; an exporter wants torch's own."""
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()


def _transformed() -> bool:
    """Whether a transform of torch.func is at work, which cannot look into packed bits."""
    return torch._C._are_functorch_transforms_active()


def _learnt(name: str, parameter: Any, input: Tensor) -> Tensor:
    """A learnt parameter as a tensor that goes with the input's channels."""
    if not isinstance(parameter, Tensor):
        return torch.tensor([float(parameter)], dtype=input.dtype, device=input.device)
    channels = input.shape[1] if input.dim() > 1 else 1
    if parameter.numel() not in (1, channels):
        raise WrongArgument(
            f"{name} was given {parameter.numel()} parameters for an input of {channels} channels.",
            f"Give one, or {channels}: dimension 1 of the input numbers the channels.",
        )
    return parameter


@_public(CATALOGUE["prelu"])
def prelu(input: Tensor, weight: Tensor | float, lean: Lean = None) -> Tensor:
    """`weight`: one slope, or one per channel (dimension 1).

    On the CPU the output alone is kept where all slopes are above zero; elsewhere only with
    `lean=True`, since finding out waits for the device.
    """
    weight = _learnt("prelu", weight, input)
    if torch.compiler.is_compiling():
        return compiled.FusedPReLU.apply(input, learnt.along_channels(weight, input))
    wanted = lean if lean is not None else input.device.type == "cpu"
    if not wanted or input.dim() == 0 or input.dtype != weight.dtype:
        return _prelu(input, weight)
    if _transformed() or weight.is_meta:
        return _prelu(input, weight)
    positive = bool((weight.detach() > 0).all())
    if lean is True and not positive:
        raise WrongArgument(
            "prelu cannot be lean with a weight that is not above zero: "
            "its derivative does not follow from its output.",
            "Leave lean at None.",
        )
    return apply(learnt.PReLU, input, weight, positive)


@_public(CATALOGUE["swish"])
def swish(input: Tensor, beta: Tensor | float = 1.0, lean: Lean = None) -> Tensor:
    """`beta`: one, or one per channel (dimension 1); a tensor of them can be learnt."""
    beta = _learnt("swish", beta, input)
    # In half precision the composition is faster, and rounds at every step.
    plain = lean is False or (lean is None and input.dtype in (torch.float16, torch.bfloat16))
    if torch.compiler.is_compiling() or plain:
        return input * _sigmoid(learnt.along_channels(beta, input) * input)
    return apply(learnt.Swish, input, beta)


@_public(CATALOGUE["jumprelu"])
def jumprelu(
    input: Tensor,
    threshold: Tensor | float = 0.001,
    bandwidth: float = 0.001,
    lean: Lean = None,
) -> Tensor:
    """`threshold`: one, or one per channel (dimension 1); learnt through a band of `bandwidth`."""
    if bandwidth <= 0:
        raise WrongArgument.against("jumprelu", "bandwidth > 0", {"bandwidth": bandwidth})
    threshold = _learnt("jumprelu", threshold, input)
    if _emitted():
        edges = learnt.along_channels(threshold, input)
        return compiled.FusedJumpReLU.apply(input, edges, bandwidth)
    return apply(learnt.JumpReLU, input, threshold, bandwidth)


@_public(CATALOGUE["rrelu"])
def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    lean: Lean = None,
) -> Tensor:
    """In training the slope is drawn from [lower, upper] for each element; otherwise their mean.

    Lean or compiled, it keeps a seed in place of the slopes. Lean, it needs them above zero;
    compiled, other ones than in (0, 1] are drawn and kept as torch does.
    """
    if not torch.compiler.is_compiling():
        CATALOGUE["rrelu"].check(lower=lower, upper=upper)
    if not (training or inplace):
        return learnt.rrelu(input, lower, upper, training)
    if _emitted() and not inplace and 0 < lower <= upper <= 1 and input.numel() < 1 << 31:
        seed = torch.randint(
            -(1 << 31), (1 << 31) - 1, (2,), dtype=torch.int32, device=input.device
        )
        return compiled.FusedRReLU.apply(input, seed, lower, upper)
    if inplace or lean is not True or torch.compiler.is_compiling():
        return (_rrelu_ if inplace else _rrelu)(input, lower, upper, training)
    if lower <= 0:
        raise WrongArgument.against("rrelu with lean=True", "lower > 0", {"lower": lower})
    return learnt.rrelu(input, lower, upper, training)


@_public(CATALOGUE["gelu"])
def gelu(input: Tensor, approximate: str = "none", lean: Lean = None) -> Tensor:
    """`approximate`: "none" for the normal distribution itself, "tanh" for the usual formula."""
    if approximate not in ("none", "tanh"):
        raise WrongArgument(
            f"gelu knows no approximate={approximate!r}.", 'It takes "none" or "tanh".'
        )
    return _GELUS[approximate](input, lean=lean)


@_public(CATALOGUE["identity"])
def identity(input: Tensor, lean: Lean = None) -> Tensor:
    """The input itself."""
    return input


# -- shapes ----------------------------------------------------------------------------------


def _divided(name: str, input: Tensor, dim: int, parts: int) -> None:
    if input.dim() == 0 or not -input.dim() <= dim < input.dim():
        raise WrongArgument(
            f"{name} was given dim={dim} for an input of {input.dim()} dimensions.",
            "Name a dimension that it has.",
        )
    if input.shape[dim] % parts:
        raise WrongArgument(
            f"{name} splits dim {dim} into {parts} parts, and its size is {input.shape[dim]}.",
            f"Make it a multiple of {parts}.",
        )


@_public(SHAPED["crelu"])
def crelu(input: Tensor, dim: int = 1, lean: Lean = None) -> Tensor:
    """(..., U, ...) to (..., 2 U, ...) along `dim`."""
    _divided("crelu", input, dim, 1)
    if _emitted():
        rule = compiled.KERNELS["relu"]
        return torch.cat([compiled.Fused.apply(at, rule, {}) for at in (input, -input)], dim)
    if torch.compiler.is_exporting() or lean is False:
        return SHAPED["crelu"].compute(input, dim=dim)
    return apply(halves.CReLU, input, dim)


@_public(SHAPED["maxout"])
def maxout(input: Tensor, pieces: int = 2, dim: int = -1, lean: Lean = None) -> Tensor:
    """(..., pieces U, ...) to (..., U, ...) along `dim`, the first pieces of all units first."""
    if not torch.compiler.is_compiling():
        SHAPED["maxout"].check(pieces=pieces)
    _divided("maxout", input, dim, pieces)
    if _emitted():
        return reduce(compiled.Larger.apply, input.chunk(pieces, dim))
    if torch.compiler.is_exporting() or lean is False or _transformed():
        return SHAPED["maxout"].compute(input, pieces=pieces, dim=dim)
    return apply(halves.Maxout, input, pieces, dim)[0]


@_public(SHAPED["topk"])
def topk(input: Tensor, k: int = 32, dim: int = -1, lean: Lean = None) -> Tensor:
    """The `k` largest along `dim` stay, all others become zero; k at most the size there."""
    _divided("topk", input, dim, 1)
    if not 1 <= k <= input.shape[dim]:
        size = input.shape[dim]
        raise WrongArgument(f"topk was given k={k} for a dimension of {size}.", "Choose less.")
    return SHAPED["topk"].compute(input, k=k, dim=dim)


def _gated(shaped: Shaped) -> Callable[..., Tensor]:
    @_public(shaped)
    def function(input: Tensor, dim: int = -1, lean: Lean = None) -> Tensor:
        """(..., 2 U, ...) to (..., U, ...): the first half times the gate of the second."""
        _divided(shaped.name, input, dim, 2)
        if shaped.gate == "sigmoid":
            return _glu(input, dim)
        if torch.compiler.is_compiling() or not lean:
            return shaped.compute(input, dim=dim)
        return apply(halves.Gated, input, shaped.gate, dim)

    return function


_GELUS = {"none": _elementwise(CATALOGUE["gelu"]), "tanh": _elementwise(CATALOGUE["gelu_tanh"])}
_FUNCTIONS["gelu"] = gelu  # the one with `approximate`
for _activation in CATALOGUE.values():
    if _activation.name not in _FUNCTIONS:
        _elementwise(_activation)
for _shaped in SHAPED.values():
    if _shaped.gate:
        _gated(_shaped)


def function(name: str) -> Callable[..., Tensor]:
    """The function of that name; one that was registered later is made when it is asked for.

    Raises:
        UnknownActivation: there is none; it names the nearest.
    """
    found = lookup(name)
    if found.name not in _FUNCTIONS:
        assert isinstance(found, Activation)
        _elementwise(found)
    return _FUNCTIONS[found.name]


def __getattr__(name: str) -> Callable[..., Tensor]:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in CATALOGUE:
        return function(name)
    raise AttributeError(f"module 'reluctant.functional' has no function {name!r}")


def __dir__() -> list[str]:
    return sorted(_FUNCTIONS)
