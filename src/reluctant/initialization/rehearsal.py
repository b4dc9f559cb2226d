"""Passes of a model after which all is as it was: random numbers, buffers, what it was given."""

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

Inputs = tuple[tuple[Any, ...], Mapping[str, Any]]


def inputs_of(batch: Any) -> Inputs:
    """The arguments that a batch stands for: a tuple of them, a mapping of names, or the first."""
    if isinstance(batch, tuple):
        return batch, {}
    if isinstance(batch, Mapping):
        return (), batch
    return (batch,), {}


def copied(inputs: Inputs) -> Inputs:
    """The same with tensors of its own: a pass may write into them."""

    def copy(at: Any) -> Any:
        return at.detach().clone().requires_grad_(at.requires_grad) if _is_plain(at) else at

    made: Inputs = tree_map(copy, inputs)
    return made


def _is_plain(at: Any) -> bool:
    return isinstance(at, Tensor) and at.layout is torch.strided


@contextmanager
def undone(model: nn.Module) -> Iterator[None]:
    """Put back what the body draws from any stream of random numbers, and the model's buffers."""
    owners = [
        (module, name, buffer, None if is_lazy(buffer) or buffer.is_meta else buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    drawn = None if numpy is None else numpy.random.get_state()
    devices = {at.device for at in model.parameters() if at.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=list(devices)), torch.enable_grad():
            yield
    finally:
        torch.clear_autocast_cache()  # it has casts of the weights as they were
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(drawn)
        with torch.no_grad():
            for module, name, buffer, before in owners:
                if before is not None:
                    module._buffers[name] = buffer
                    buffer.detach().copy_(before)
