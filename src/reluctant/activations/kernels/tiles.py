"""Several passes over a tensor, a piece at a time that stays in the cache."""

from collections.abc import Callable

import torch
from torch import Tensor

# Elements of a tile for each thread. Smaller ones lose more by the 2 microseconds that a call of
# torch costs than they gain by nearer caches.
TILE = 131_072


def in_tiles(run: Callable[..., None], *tensors: Tensor) -> Tensor:
    """What `run` writes into its last argument, for tensors of one shape; computed in float32.

    Tensors in half precision are widened tile by tile: several operations would each round. Not
    differentiable: for use where no graph is recorded.
    """
    first = tensors[0]
    out = torch.empty_like(first)
    size = TILE * torch.get_num_threads()
    dense = all(tensor.is_contiguous() for tensor in (*tensors, out))
    plain = not torch._C._are_functorch_transforms_active()
    if first.numel() <= size or not dense or not plain or first.device.type != "cpu":
        _one(run, *tensors, out)
        return out
    flat = [tensor.view(-1) for tensor in (*tensors, out)]
    for start in range(0, first.numel(), size):
        _one(run, *(tensor[start : start + size] for tensor in flat))
    return out


def _one(run: Callable[..., None], *tensors: Tensor) -> None:
    *inputs, out = tensors
    half = out.dtype in (torch.float16, torch.bfloat16)
    run(*(tensor.float() for tensor in inputs) if half else inputs, out)
