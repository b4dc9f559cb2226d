"""Weight layers: which parameters are one, and what an optimizer step does to their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.observe.names import Names
from reluctant.observe.probes import row_norms
from reluctant.record.store import NewLayer

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass
class WeightLayer:
    """A layer as it stands in the script: its parameter, and the dimension that numbers units."""

    definition: NewLayer
    weight: ReferenceType[Tensor]
    axis: int
    bias: ReferenceType[Tensor] | None


class Layers:
    """Every weight layer met so far; `new` are those that no sample has told of yet."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._met: dict[int, WeightLayer] = {}
        self._count = 0
        self.new: list[NewLayer] = []

    def of(
        self, weight: Tensor, axis: int | None = None, bias: Tensor | None = None
    ) -> WeightLayer:
        """The layer whose weight this is; `axis` and `bias` are used when it is first met."""
        layer = self._met.get(id(weight))
        if layer is None or layer.weight() is not weight:
            layer = self._met[id(weight)] = self._first(weight, axis, bias)
            self.new.append(layer.definition)
        return layer

    def _first(self, weight: Tensor, axis: int | None, bias: Tensor | None) -> WeightLayer:
        index = self._count
        self._count += 1
        owned = self._names.of_parameter(weight)
        if owned is None:
            # A bare matrix: `x @ W` has its units in the last dimension, a kernel in the first.
            axis = (weight.dim() - 1 if weight.dim() == 2 else 0) if axis is None else axis
            name, root, kind, position = f"weight{index}", "", "matrix", index
        else:
            module, place, parameter = owned
            root, kind, position = place.root, type(module).__name__, place.position
            # `weight` says nothing beside the module's path; other names do (`in_proj_weight`).
            plain = parameter in ("weight", "original", "original0", "original1")
            name = ".".join(filter(None, (place.path, "" if plain else parameter)))
            name = name.replace(".parametrizations.weight", "")
            axis = 1 if isinstance(module, _TRANSPOSED) else 0
            own_bias = getattr(
                module, "bias" if plain else parameter.replace("weight", "bias"), None
            )
            bias = own_bias if isinstance(own_bias, nn.Parameter) else bias
        units = weight.shape[axis]
        fitting = bias is not None and bias.numel() == units
        return WeightLayer(
            NewLayer(index, name, root, kind, tuple(weight.shape), units, position),
            ref(weight),
            axis,
            ref(bias) if fitting and bias is not None else None,
        )


@dataclass
class Rows:
    """What one optimizer step did to a layer's rows: (U,) tensors on the script's device."""

    layer: int
    gradient: Tensor
    weight: Tensor
    update: Tensor
    bias: Tensor | None


class RowProbe:
    """Reads rows before and after an optimizer's step."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._before: list[tuple[WeightLayer, Tensor, Rows]] = []

    def before(self, optimizer: Optimizer) -> None:
        """Read gradients and weights, and keep a copy of the weights until `after`."""
        self._before.clear()
        with torch.no_grad():
            for weight in _trained(optimizer):
                gradient = weight.grad
                if gradient is None or type(gradient) is not Tensor or gradient.is_sparse:
                    continue
                layer = self._layers.of(weight)
                bias = layer.bias() if layer.bias is not None else None
                rows = Rows(
                    layer.definition.index,
                    row_norms(gradient, layer.axis),
                    row_norms(weight, layer.axis),
                    torch.empty(0),
                    bias.detach().flatten().clone() if bias is not None else None,
                )
                self._before.append((layer, weight.detach().clone(), rows))

    def after(self) -> list[Rows]:
        """Compare with the weights as they are now."""
        found = []
        with torch.no_grad():
            for layer, copy, rows in self._before:
                weight = layer.weight()
                if weight is None:
                    continue
                change = row_norms(copy.sub_(weight), layer.axis)
                rows.update = torch.where(rows.weight > 0, change / rows.weight, torch.nan)
                found.append(rows)
        self._before.clear()
        return found


def _trained(optimizer: Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            plain = type(parameter) in (Tensor, nn.Parameter) and parameter.is_floating_point()
            if plain and parameter.dim() >= 2 and parameter.numel():
                yield parameter


def rate(optimizer: Optimizer) -> float | None:
    """The learning rate of the optimizer's first group; None if it keeps it on a device."""
    value: Any = optimizer.param_groups[0].get("lr")
    if isinstance(value, Tensor):
        value = value.item() if value.device.type == "cpu" and value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None
