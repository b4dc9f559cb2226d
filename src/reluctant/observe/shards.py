"""Parameters of which this process holds a part: which rows, and how to read them.

A sharded parameter is a `DTensor`. Nothing here talks to another process.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn


class Part(NamedTuple):
    """The rows `start` to `stop` of a layer, numbered along dimension `axis`."""

    start: int
    stop: int
    axis: int

    def first(self, step: int) -> int:
        """Of every `step`-th row of the layer, the number of the first in this part."""
        return -(-self.start // step)

    def of(self, step: int) -> slice:
        """Those of every `step`-th row that lie in this part."""
        return slice(self.first(step) * step - self.start, None, step)

    def thinned(self, tensor: Tensor, step: int) -> Tensor:
        """A view of those rows of a weight or its gradient."""
        rows = local(tensor).detach()
        return rows if step == 1 else rows[(slice(None),) * self.axis + (self.of(step),)]

    def of_bias(self, bias: Tensor, step: int) -> Tensor:
        """A copy of the biases of those rows."""
        held = local(bias).detach().flatten()
        return (held if step == 1 else held[self.of(step)]).clone()


def _sharded() -> type | None:
    module: Any = sys.modules.get("torch.distributed.tensor")
    return getattr(module, "DTensor", None)


def readable(parameter: Tensor) -> bool:
    """Whether this is a plain tensor, or a plain part of one."""
    return type(parameter) in (Tensor, nn.Parameter) or type(parameter) is _sharded()


def is_shared_out(tensor: Tensor) -> bool:
    """Whether this process holds a part of it, in either of torch's ways, or may not for long."""
    return type(tensor) is _sharded() or bool(getattr(tensor, "_fsdp_flattened", False))


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    if type(tensor) is _sharded():
        part: Tensor = tensor.to_local()  # type: ignore[attr-defined]
        return part
    return tensor


def rows(weight: Any, axis: int) -> Part | None:
    """The rows held here; None if whole rows are not, or none."""
    sharded = _sharded()
    if sharded is None or type(weight) is not sharded:
        return Part(0, int(weight.shape[axis]), axis) if readable(weight) else None
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    part: Any = weight
    for placement in part.placements:
        if not isinstance(placement, Replicate) and placement != Shard(axis):
            return None
    shape, offset = compute_local_shape_and_global_offset(
        part.shape, part.device_mesh, part.placements
    )
    if 0 in shape:
        return None
    return Part(int(offset[axis]), int(offset[axis] + shape[axis]), axis)


def gathered(root: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """The tensors that stand for sharded parameters in a forward pass: owner, name and tensor.

    They belong to their modules only while these are called.
    """
    for module in root.modules():
        # What torch keeps of a module that is sharded has no public name.
        state = getattr(module, "_get_fsdp_state", None)
        group = getattr(state(), "_fsdp_param_group", None) if callable(state) else None
        for parameter in getattr(group, "fsdp_params", ()):
            whole, info = getattr(parameter, "_unsharded_param", None), parameter._module_info
            if isinstance(whole, Tensor):
                yield info.module, info.param_name, whole
