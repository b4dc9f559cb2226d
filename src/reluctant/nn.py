"""Activation functions as modules: those of `torch.nn`, and those it lacks.

A class that torch has too is a subclass of torch's: the same arguments, attributes and state-dict
keys, so that checkpoints load both ways and `isinstance` goes on to hold. All take a keyword
`lean`, as in `reluctant.functional`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from reluctant import functional
from reluctant.activations import CATALOGUE, SHAPED, Activation, Shaped, lookup
from reluctant.activations.definition import check


class _Lean(nn.Module):
    """What all have in common: the argument `lean`, shown where it was given."""

    lean: functional.Lean = None

    def __init__(self, *args: Any, lean: functional.Lean = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lean = lean

    def extra_repr(self) -> str:
        """The arguments, as torch shows them."""
        shown = super().extra_repr()
        own = f"lean={self.lean!r}" if self.lean is not None else ""
        return ", ".join(filter(None, (shown, own)))


class _Plain(nn.Module):
    """A module of numbers given by name or in order; for functions that torch has no class for."""

    _defaults: dict[str, float]
    _constraints: tuple[str, ...] = ()

    def __init__(self, *args: float, **kwargs: float) -> None:
        super().__init__()
        given = dict(zip(self._defaults, args, strict=False), **kwargs)
        if len(args) > len(self._defaults) or not given.keys() <= self._defaults.keys():
            expected = ", ".join(self._defaults) or "no arguments"
            raise TypeError(f"{type(self).__name__} takes {expected}")
        self._named = {**self._defaults, **given}
        check(type(self).__name__, self._constraints, self._named)
        for name, value in self._named.items():
            setattr(self, name, value)

    def extra_repr(self) -> str:
        """The arguments."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._defaults)


class _Registered(_Plain):
    """One whose numbers are learnt: of each there is one, which starts at what is given."""

    def __init__(self, *args: float, **kwargs: float) -> None:
        super().__init__(*args, **kwargs)
        for name, value in self._named.items():
            delattr(self, name)
            setattr(self, name, nn.Parameter(torch.tensor([float(value)])))

    def extra_repr(self) -> str:
        """The arguments."""
        return ", ".join(f"{name}={value}" for name, value in self._named.items())


def _made(of: Activation | Shaped) -> type[nn.Module]:
    """The class of a definition whose parameters are numbers."""
    call = functional.function(of.name)
    learnt = isinstance(of, Activation) and bool(of.trainable)
    home: type[nn.Module] = getattr(nn, of.module, _Registered if learnt else _Plain)
    drawn = of.name == "rrelu"
    names = tuple(of.parameters) if isinstance(of, Activation) else (*of.parameters, "dim")

    def forward(self: Any, input: Tensor) -> Tensor:
        arguments = {name: getattr(self, name) for name in names}
        if getattr(self, "inplace", False):
            arguments["inplace"] = True
        if drawn:
            arguments["training"] = self.training
        return call(input, **arguments, lean=self.lean)

    content = {
        "forward": forward,
        "__module__": __name__,
        "__qualname__": of.module,
        "__doc__": f"{of.name}: {of.formula}\n\n{of.reference}.",
    }
    if issubclass(home, _Plain):
        dim = {"dim": of.dim} if isinstance(of, Shaped) else {}
        content |= {"_defaults": {**of.parameters, **dim}, "_constraints": of.constraints}
    return type(of.module, (_Lean, home), content)


class PReLU(_Lean, nn.PReLU):
    """prelu: one slope, or one per channel (dimension 1), learnt; torch's key is `weight`."""

    def forward(self, input: Tensor) -> Tensor:
        """Of the input's shape."""
        return functional.prelu(input, self.weight, lean=self.lean)


class GELU(_Lean, nn.GELU):
    """gelu: z times the normal distribution function; approximate="tanh" for the usual formula."""

    def forward(self, input: Tensor) -> Tensor:
        """Of the input's shape."""
        return functional.gelu(input, approximate=self.approximate, lean=self.lean)


class Identity(_Lean, nn.Identity):
    """identity: the input itself; like torch's, it takes any arguments."""

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input


class Swish(_Lean):
    """swish: z sigmoid(beta z), `beta` learnt.

    Args:
        num_parameters: how many: 1, or one per channel (dimension 1 of the input).
        init: what they start at.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 1.0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        lean: functional.Lean = None,
    ) -> None:
        super().__init__(lean=lean)
        self.num_parameters, self.init = num_parameters, init
        self.beta = nn.Parameter(torch.full((num_parameters,), init, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        """Of the input's shape."""
        return functional.swish(input, self.beta, lean=self.lean)


class JumpReLU(_Lean):
    """jumprelu: z where it is above `threshold`, which is learnt; otherwise 0.

    Args:
        num_parameters: how many thresholds: 1, or one per channel (dimension 1 of the input).
        init: what they start at.
        bandwidth: how wide a band of inputs around it a threshold learns from.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.001,
        bandwidth: float = 0.001,
        device: Any = None,
        dtype: torch.dtype | None = None,
        lean: functional.Lean = None,
    ) -> None:
        super().__init__(lean=lean)
        self.num_parameters, self.init, self.bandwidth = num_parameters, init, bandwidth
        values = torch.full((num_parameters,), init, device=device, dtype=dtype)
        self.threshold = nn.Parameter(values)

    def forward(self, input: Tensor) -> Tensor:
        """Of the input's shape."""
        return functional.jumprelu(input, self.threshold, self.bandwidth, lean=self.lean)


_WRITTEN = {"prelu": PReLU, "gelu": GELU, "identity": Identity, "swish": Swish}
_WRITTEN |= {"jumprelu": JumpReLU}


def module(name: str) -> type[nn.Module]:
    """The class of the function called `name`.

    Raises:
        UnknownActivation: there is none; it names the nearest.
    """
    of = lookup(name)
    found = _WRITTEN.get(of.name)
    if found is None:
        found = _WRITTEN[of.name] = _made(of)
        globals()[of.module] = found
    return found


for _name in (*CATALOGUE, *SHAPED):
    module(_name)


def __getattr__(name: str) -> type[nn.Module]:
    for of in CATALOGUE.values():
        if of.module == name:
            return module(of.name)
    raise AttributeError(f"module 'reluctant.nn' has no class {name!r}")
