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
        """Copy them, and of what optimizers remember all that is about them."""
        tensors = list(tensors)
        with torch.no_grad():
            return cls(
                step,
                tuple((at, at.detach().clone()) for at in tensors),
                tuple(
                    (
                        optimizer,
                        {at: _copy(optimizer.state[at]) for at in tensors if at in optimizer.state},
                    )
                    for optimizer in optimizers
                ),
            )

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        return _size([copy for _, copy in self._tensors]) + _size(
            [state for _, states in self._states for state in states.values()]
        )

    def restore(self, later: Iterable[Optimizer] = ()) -> None:
        """Put it all back, in place; it can be done again.

        Of the optimizers in `later`, those that were not there yet remember nothing any more.
        """
        known = {id(optimizer) for optimizer, _ in self._states}
        states: dict[Tensor, dict[str, Any]] = {}
        new = [(optimizer, states) for optimizer in later if id(optimizer) not in known]
        with torch.no_grad():
            for tensor, copy in self._tensors:
                tensor.detach().copy_(copy)
            for optimizer, states in (*self._states, *new):
                for tensor, _ in self._tensors:
                    if tensor not in states:
                        optimizer.state.pop(tensor, None)
                for parameter, state in states.items():
                    optimizer.state[parameter] = _restored(optimizer.state[parameter], state)


def _copy(kept: Any) -> Any:
    """Whatever it is in: LBFGS adds to lists of tensors."""
    if isinstance(kept, Tensor):
        return kept.clone()
    if isinstance(kept, dict):
        return {name: _copy(value) for name, value in kept.items()}
    return [_copy(value) for value in kept] if isinstance(kept, list) else kept


def _restored(now: Any, kept: Any) -> Any:
    """What was kept, in the place of what is there now: a compiled step reads it where it is."""
    if isinstance(kept, dict) and isinstance(now, dict):
        restored = {name: _restored(now.get(name), value) for name, value in kept.items()}
        now.clear()
        now.update(restored)
        return now
    if isinstance(kept, Tensor) and isinstance(now, Tensor):
        same = (now.shape, now.dtype, now.device) == (kept.shape, kept.dtype, kept.device)
        return now.copy_(kept) if same else kept.clone()
    return _copy(kept)


def _size(kept: Any) -> int:
    if isinstance(kept, Tensor):
        return kept.numel() * kept.element_size()
    if isinstance(kept, dict):
        return _size(list(kept.values()))
    return sum(map(_size, kept)) if isinstance(kept, list) else 0
