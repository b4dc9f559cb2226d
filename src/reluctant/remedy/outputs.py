"""What a model gives, and whether another gives the same but for rounding."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Passes one batch through a model.
Forward = Callable[[nn.Module, Any], Any]


def call(model: nn.Module, batch: Any) -> Any:
    """Pass a batch through: a tensor, positional arguments, or arguments by name."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, list | tuple) else model(batch)


@contextmanager
def as_written() -> Iterator[None]:
    """Have a model call its modules one by one: nothing is compiled, nothing fused."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def outputs(model: nn.Module, batch: Any, forward: Forward) -> list[Tensor]:
    """All tensors that the model gives."""
    with torch.no_grad(), as_written():
        return tensors(forward(model, batch))


def tensors(value: Any) -> list[Tensor]:
    """All tensors in a structure of lists, tuples and mappings."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [at for part in value for at in tensors(part)] if isinstance(value, list | tuple) else []


@dataclass(frozen=True)
class Difference:
    """By how much outputs differ at most, and whether rounding can account for all of it."""

    largest: float = 0.0
    is_rounding: bool = True

    def __or__(self, other: "Difference") -> "Difference":
        """Of both."""
        return Difference(max(self.largest, other.largest), self.is_rounding and other.is_rounding)


def difference(before: Sequence[Tensor], after: Sequence[Tensor]) -> Difference:
    """Between the outputs of two models on the same batch."""
    if [at.shape for at in before] != [at.shape for at in after]:
        return Difference(float("inf"), False)
    found = Difference()
    for one, other in zip(before, after, strict=True):
        if one.numel():
            found |= _difference(one, other)
    return found


def _difference(one: Tensor, other: Tensor) -> Difference:
    wide = torch.complex128 if one.is_complex() else torch.float64
    rounding = _rounding(one)
    one, other = one.detach().cpu().to(wide), other.detach().cpu().to(wide)
    same = (one == other) | (one.isnan() & other.isnan())
    apart = torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=float("inf"))
    largest = float(apart.max())
    size = float(one.abs().nan_to_num(posinf=0.0).max())
    return Difference(largest, largest <= rounding * size)


def _rounding(output: Tensor) -> float:
    """As a share of the largest output, what sums in another order may come to in a deep network.

    A removed unit that was not silent moves them by more.
    """
    if not (output.is_floating_point() or output.is_complex()):
        return 0.0
    eps = torch.finfo(output.dtype).eps
    if output.is_cuda and output.dtype == torch.float32:
        eps = 2.0**-10  # where products may be in TF32
    return float(eps ** (2 / 3))
