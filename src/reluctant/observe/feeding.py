"""What layers are fed that nothing trains: the data, before any layer has had them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reluctant.calls import PRODUCTS
from reluctant.observe import graph
from reluctant.observe.layers import Layers
from reluctant.observe.probes import by_unit, to_floats, wide
from reluctant.record.observation import InputRow, Limits

# What the data are like changes seldom: after so many readings of a layer's input, only every so
# many-th is taken.
ENOUGH = 16
SELDOM = 4

# A spread of less than this share of a feature's size is rounding.
ROUNDING = 1e-6

Numbers = list[Tensor]


@dataclass
class _Box:
    """Of each feature the least and the most, (F,)."""

    low: Tensor
    high: Tensor

    def widen(self, by: "_Box") -> None:
        self.low = torch.minimum(self.low, by.low)
        self.high = torch.maximum(self.high, by.high)


class Feeding:
    """Reads what layers are fed: its limits always, the rest seldom."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._fed: dict[int, tuple[Tensor, _Box, Numbers | None]] = {}
        self._limits: dict[int, _Box] = {}
        self._met: dict[int, int] = {}  # in how many samples

    def product(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Read the input of one product, if nothing trains it."""
        first, second, dim = PRODUCTS[func]
        x: Any = args[first] if len(args) > first else kwargs.get("input")
        weight: Any = args[second] if len(args) > second else kwargs.get("weight")
        if isinstance(weight, list | tuple) and weight:
            weight = weight[0]
        weight = _trained(weight) if _data(x) else None
        if weight is None or not self._layers.watched(weight):
            return
        key = id(weight)
        with torch.no_grad():
            # An example alone has no batch in front of its features.
            batched = x if x.dim() > (2 if dim == 1 else 1) else x.unsqueeze(0)
            values = by_unit(batched, dim % batched.dim())
            over = (0, 2)[: values.dim() - 1]
            box = _Box(values.amin(over), values.amax(over))
            if key in self._fed:
                known = self._fed[key][1]
                if known.low.shape == box.low.shape:  # of another, the product will fail
                    known.widen(box)
                return
            # Of the rest a sample's first.
            met = self._met[key] = self._met.get(key, 0) + 1
            numbers = _numbers(values) if met <= ENOUGH or met % SELDOM == 0 else None
            self._fed[key] = weight, box, numbers

    def take(self) -> dict[int, Numbers]:
        """Hand over what was read since the last time, by the layer's number."""
        # Only now: a model is named after it has been called, and its layers with it.
        taken, self._fed = self._fed, {}
        read = {}
        for weight, box, numbers in taken.values():
            layer = self._layers.of(weight).definition.index
            if numbers is not None:
                read[layer] = numbers
            known = self._limits.setdefault(layer, box)
            if known.low.shape == box.low.shape:
                known.widen(box)
            else:  # another layer of the same name
                self._limits[layer] = box
        return read

    def limits(self) -> tuple[Limits, ...]:
        """The least and the most of each feature, over all samples that were taken."""
        return tuple(
            Limits(layer, box.low.float().cpu().numpy(), box.high.float().cpu().numpy())
            for layer, box in self._limits.items()
        )


def rows(fed: Mapping[int, Numbers]) -> tuple[InputRow, ...]:
    """What `take` gave as numbers on the host."""
    return tuple(InputRow(layer, to_floats(numbers)) for layer, numbers in fed.items())


def _data(x: Any) -> bool:
    return (
        isinstance(x, Tensor)
        and not x.requires_grad
        and x.is_floating_point()
        and x.dim() > 0
        and x.numel() > 0
        and x.layout is torch.strided
        and torch.is_grad_enabled()
        and not torch._C._are_functorch_transforms_active()
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._current_graph_task_id() == -1
    )


def _trained(weight: Any) -> Tensor | None:
    """The parameter that the weight is or is computed from, if it is one that trains."""
    if not isinstance(weight, Tensor) or not weight.requires_grad:
        return None
    return graph.parameter(weight)


def _numbers(values: Tensor) -> Numbers:
    """As `InputSeries` has them, of what `by_unit` gave."""
    values = wide(values)
    low, high = values.aminmax()
    std, mean = torch.std_mean(values, dim=(0, 2)[: values.dim() - 1], correction=0)
    varies = std > ROUNDING * mean.abs().clamp(min=1e-30)
    some = torch.where(varies, std, torch.inf)
    return [
        mean.mean(),
        torch.sqrt(std.square().mean() + mean.var(correction=0)),
        low,
        high,
        1 - varies.float().mean(),
        some.min(),
        std.max(),
        (mean.abs() / some).max(),
    ]
