"""What a fast twin is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


def _always(**parameters: float) -> bool:
    return True


@dataclass(frozen=True)
class Kernel:
    """One function as whole-tensor operations, with what it keeps for the backward pass.

    `forward` maps z and the parameters to the output, of z's shape; `backward` maps the gradient
    of the output, what was kept and the parameters to the gradient of z, by operations that can
    be differentiated again. `applies` tells for which parameters that is right. `free` is the
    number of float32 elements (in 16 bits twice as many) from which it is not slower than torch's
    own function, the 25 microseconds counted that a backward pass written in Python costs; below,
    and where it never is (None), it is used with `lean=True` only. Measured:
    benchmarks/LOG.md. `exact` says that torch's own is wrong in float64's last digits, so that
    there the twin is used whatever it costs; `narrow`, that it is worth its while in 16 bits.
    """

    forward: Callable[..., Tensor]
    backward: Callable[..., Tensor]
    keeps: Literal["input", "output"] = "output"
    applies: Callable[..., bool] = _always
    free: int | None = 1 << 20
    exact: bool = False
    narrow: bool = True

    def bind(self, parameters: Mapping[str, float]) -> "Bound":
        """This kernel with its parameters filled in."""
        return Bound(self, tuple(parameters.items()))


@dataclass(frozen=True)
class Bound:
    """A kernel and its parameters: maps tensors to tensors."""

    kernel: Kernel
    parameters: tuple[tuple[str, float], ...]

    def forward(self, z: Tensor) -> Tensor:
        """The output at `z`, of its shape."""
        return self.kernel.forward(z, **dict(self.parameters))

    def backward(self, gradient: Tensor, kept: Tensor) -> Tensor:
        """The gradient of z from that of the output and what was kept."""
        return self.kernel.backward(gradient, kept, **dict(self.parameters))
