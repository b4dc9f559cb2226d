"""Passes of a model after which all is as it was: random numbers, what it keeps, its batch."""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping
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
def undone(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Put back what the body draws, and what the model's modules keep, buffers and all.

    With a `seed` the body draws the same each time.
    """
    attributes = [(module, dict(vars(module))) for module in model.modules()]
    buffers = [
        (module, dict(module._buffers), [at.clone() for at in _stored(module)])
        for module in model.modules()
    ]
    try:
        with drawing_nothing(model, seed), torch.enable_grad():
            yield
    finally:
        torch.clear_autocast_cache()  # it has casts of the weights as they were
        for module, kept in attributes:
            vars(module).clear()
            vars(module).update(kept)
        for module, held, values in buffers:
            module._buffers.clear()
            module._buffers.update(held)
            for buffer, value in zip(_stored(module), values, strict=True):
                with torch.no_grad():
                    buffer.detach().copy_(value)


def _stored(module: nn.Module) -> list[Tensor]:
    """The module's own buffers that hold anything."""
    return [at for at in module.buffers(recurse=False) if not (is_lazy(at) or at.is_meta)]


@contextmanager
def drawing_nothing(model: nn.Module, seed: int | None = None) -> Iterator[None]:
    """Put back the streams of random numbers that the body draws from, begun anew by a `seed`."""
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    drawn = None if numpy is None else numpy.random.get_state()
    devices = {at.device for at in model.parameters() if at.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=list(devices)):
            if seed is not None:
                _begin_anew(seed, devices)
            yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(drawn)


def _begin_anew(seed: int, devices: Iterable[torch.device]) -> None:
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    # `torch.manual_seed` would reach devices that nobody puts back.
    torch.default_generator.manual_seed(seed)
    for at in devices:
        with torch.cuda.device(at):
            torch.cuda.manual_seed(seed)


def make_lazy_layers(model: nn.Module, inputs: Inputs) -> None:
    """Have layers learn their sizes in a pass in evaluation, which changes nothing else."""
    training = [(module, module.training) for module in model.modules()]
    args, kwargs = copied(inputs)
    try:
        with drawing_nothing(model), torch.no_grad():
            model.eval()(*args, **kwargs)
    finally:
        for module, was in training:
            module.training = was
