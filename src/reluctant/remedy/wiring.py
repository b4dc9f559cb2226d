"""Where the units of a layer go: what lies between them and their function, and who reads them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from reluctant.calls import Call
from reluctant.initialization.passing import Product


@dataclass(frozen=True)
class Norm:
    """A normalisation between a layer and its function, with a scale and a shift of each unit.

    `running` are the mean and the variance that it keeps of each unit; `alone` says that it
    normalises each unit by itself. `eps` is that of a normalisation over the units, and over
    nothing else; None of others.
    """

    weight: Tensor
    bias: Tensor
    running: tuple[Tensor, Tensor] | None
    alone: bool
    eps: float | None = None


@dataclass(frozen=True)
class Reader:
    """A layer that reads units: the product, and for each of its inputs which unit it is, or -1.

    `shift` is a constant that a normalisation on the way adds to each unit; None if none does.
    """

    product: Product
    units: Tensor
    shift: Tensor | None = None


@dataclass
class Wiring:
    """One layer's, in one pass.

    `bias` is added to each unit, by the product or after it; None if nothing that trains is.
    `obstacle` is why it is not all there is to know, a noun phrase; '' if it is.
    """

    product: Product
    bias: Tensor | None = None
    norms: list[Norm] = field(default_factory=list)
    function: Call | None = None
    readers: list[Reader] = field(default_factory=list)
    obstacle: str = ""


@dataclass(frozen=True)
class Trace:
    """A tensor that carries a layer's units: along which dimension, and which is where, or -1.

    `before` says that they are still on their way to the function.
    """

    wiring: Wiring
    axis: int
    units: Tensor
    before: bool = True
    shift: Tensor | None = None

    def is_like(self, other: "Trace", moving: bool) -> bool:
        """Whether the units are as far as those of another trace, and, unless moving, in place."""
        far = self.before == other.before and self.shift is other.shift
        return far and (
            moving or (self.axis == other.axis and torch.equal(self.units, other.units))
        )
