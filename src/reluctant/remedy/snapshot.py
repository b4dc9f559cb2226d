"""`roll-back`: weights, buffers and what optimizers remember, as they were at a step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


@dataclass(frozen=True)
class Snapshot:
    """What trains, as it was after so many steps."""

    step: int
    _tensors: tuple[tuple[Tensor, Tensor], ...]
    _states: tuple[tuple[Optimizer, dict[Tensor, dict[str, Any]]], ...]

    @classmethod
    def of(
        cls, step: int, tensors: Iterable[Tensor], optimizers: Iterable[Optimizer]
    ) -> "Snapshot":
        """Copy them."""
        with torch.no_grad():
            return cls(
                step,
                tuple((at, at.detach().clone()) for at in tensors),
                tuple(
                    (optimizer, {at: _copy(state) for at, state in optimizer.state.items()})
                    for optimizer in optimizers
                ),
            )

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        kept = [copy for _, copy in self._tensors]
        for _, states in self._states:
            for state in states.values():
                kept += [value for value in state.values() if isinstance(value, Tensor)]
        return sum(at.numel() * at.element_size() for at in kept)

    def restore(self) -> None:
        """Put it all back, in place; it can be done again."""
        with torch.no_grad():
            for tensor, copy in self._tensors:
                tensor.detach().copy_(copy)
            for optimizer, states in self._states:
                for parameter in list(optimizer.state):
                    if parameter not in states:
                        del optimizer.state[parameter]
                for parameter, state in states.items():
                    optimizer.state[parameter] = _copy(state)


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()
    }
