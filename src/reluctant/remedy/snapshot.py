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
        return _size([copy for _, copy in self._tensors]) + _size(
            [state for _, states in self._states for state in states.values()]
        )

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


def _copy(kept: Any) -> Any:
    """Whatever it is in: LBFGS adds to lists of tensors."""
    if isinstance(kept, Tensor):
        return kept.clone()
    if isinstance(kept, dict):
        return {name: _copy(value) for name, value in kept.items()}
    return [_copy(value) for value in kept] if isinstance(kept, list) else kept


def _size(kept: Any) -> int:
    if isinstance(kept, Tensor):
        return kept.numel() * kept.element_size()
    if isinstance(kept, dict):
        return _size(list(kept.values()))
    return sum(map(_size, kept)) if isinstance(kept, list) else 0
