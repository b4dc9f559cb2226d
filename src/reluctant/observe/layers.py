"""Weight layers: which parameters are one, and what an optimizer step does to their rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.observe import shards
from reluctant.observe.names import Names, class_name
from reluctant.observe.probes import row_norms
from reluctant.observe.scope import Scope
from reluctant.record.observation import NewLayer

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass
class WeightLayer:
    """A layer as it stands in the script: its parameter, and the dimension that numbers units."""

    definition: NewLayer
    weight: ReferenceType[Tensor]
    axis: int
    bias: ReferenceType[Tensor] | None


# In networks of more rows than this, the largest layers are read in part, every so many units:
# a sample then stays below a megabyte, and its cost below that of one step.
MOST_ROWS = 20_000


class Layers:
    """Every weight layer met so far; `new` are those that no sample has told of yet."""

    def __init__(self, names: Names, scope: Scope | None = None) -> None:
        self._names = names
        self._scope = scope
        self._met: dict[int, WeightLayer] = {}
        self._named: dict[tuple[str, str], WeightLayer] = {}
        self._most: int | None = None
        self.new: list[NewLayer] = []

    def weights(self) -> list[Tensor]:
        """All weights: those of modules, and those met without one that are still there."""
        met = [layer.weight() for layer in self._met.values()]
        found = {id(at): at for at in (*self._names.weights(), *met) if at is not None}
        return list(found.values())

    def weight(self, name: str) -> Tensor | None:
        """That of the layer with this name, which is said with its model's or without."""
        for (root, path), layer in self._named.items():
            if name in (path, f"{root}.{path}", path or root):
                return layer.weight()
        return None

    def watched(self, weight: Tensor) -> bool:
        """Whether this weight is one of those that are looked at."""
        if self._scope is None:
            return True
        owned = self._names.of_parameter(weight)
        owner = owned.module() if owned is not None else None
        return owner is not None and self._scope.holds([owner])

    def stride(self, units: int) -> int:
        """Of a layer of so many units, every which one is read."""
        if self._most is None:
            rows = [int(weight.shape[0]) for weight in self._names.weights()]
            self._most = _level(rows, MOST_ROWS)
        return -(-units // self._most)

    def of(
        self, weight: Tensor, axis: int | None = None, bias: Tensor | None = None
    ) -> WeightLayer:
        """The layer whose weight this is; `axis` and `bias` are used when it is first met."""
        layer = self._met.get(id(weight))
        if layer is None or layer.weight() is not weight:
            made = self._first(weight, axis, bias)
            name = made.definition.root, made.definition.name
            # One layer may have several tensors: sharded ones, gathered for the forward pass.
            layer = self._named.setdefault(name, made)
            if layer is made:
                self.new.append(made.definition)
            self._met[id(weight)] = replace(made, definition=layer.definition)
        return self._met[id(weight)]

    def _first(self, weight: Tensor, axis: int | None, bias: Tensor | None) -> WeightLayer:
        index = len(self._named)
        owned = self._names.of_parameter(weight)
        module = owned.module() if owned is not None else None
        if owned is None or module is None:
            # A bare matrix: `x @ W` has its units in the last dimension, a kernel in the first.
            axis = (weight.dim() - 1 if weight.dim() == 2 else 0) if axis is None else axis
            name, root, kind, position = f"weight{index}", "", "matrix", index
        else:
            _, place, parameter = owned
            root, kind, position = place.root, class_name(module), place.position
            # `weight` says nothing beside the module's path; other names do (`in_proj_weight`).
            plain = parameter in ("weight", "original", "original0", "original1")
            name = ".".join(filter(None, (place.path, "" if plain else parameter)))
            name = name.replace(".parametrizations.weight", "")
            # A matrix of a module that is written by hand may stand on either side of the product.
            by_hand = weight.dim() == 2 and not type(module).__module__.startswith("torch.")
            fixed = 1 if isinstance(module, _TRANSPOSED) else 0
            axis = axis if by_hand and axis is not None else fixed
            own_bias = getattr(
                module, "bias" if plain else parameter.replace("weight", "bias"), None
            )
            bias = own_bias if isinstance(own_bias, nn.Parameter) else bias
        units = weight.shape[axis]
        fitting = bias is not None and bias.numel() == units
        return WeightLayer(
            NewLayer(
                index, name, root, kind, tuple(weight.shape), units, position, self.stride(units)
            ),
            ref(weight),
            axis,
            ref(bias) if fitting and bias is not None else None,
        )


@dataclass
class Rows:
    """What one optimizer step did to a layer's rows: (U,) tensors on the script's device.

    `first` is where they begin among the rows that are read of the layer: a rank may hold a part.
    """

    layer: int
    gradient: Tensor
    weight: Tensor
    change: Tensor
    bias: Tensor | None
    first: int = 0


class Reading(NamedTuple):
    """A parameter between the two readings: how the rows were that this process holds.

    `gradient` is None where it is still to come.
    """

    layer: WeightLayer
    part: shards.Part
    parameter: Tensor
    copy: Tensor
    weight: Tensor
    gradient: Tensor | None
    bias: Tensor | None


class RowProbe:
    """Reads rows before and after an optimizer's step.

    `overflow` is above zero, on the script's device, if the optimizer has been told to leave the
    step out; None if it has not been told anything.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._before: list[Reading] = []
        self.overflow: Tensor | None = None

    def before(self, optimizer: Optimizer, closure: bool = False) -> None:
        """Read gradients and weights, and keep a copy of the weights until `after`.

        With a closure, the gradients are read after it: it computes them.
        """
        # A fused optimizer unscales gradients itself, and skips steps itself.
        scale = getattr(optimizer, "grad_scale", None)
        self.overflow = getattr(optimizer, "found_inf", None)
        self._read(_trained(optimizer), scale, closure)

    def before_by_hand(self) -> None:
        """The same for every weight met that has a gradient: no optimizer says what trains."""
        self.overflow = None
        self._read(self._layers.weights())

    def _read(
        self, weights: Iterable[Tensor], scale: Tensor | None = None, closure: bool = False
    ) -> None:
        self._before.clear()
        with torch.no_grad():
            for weight in weights:
                if not closure and not _has_gradient(weight):
                    continue
                if not self._layers.watched(weight):
                    continue
                layer = self._layers.of(weight)
                part, step = shards.rows(weight, layer.axis), layer.definition.stride
                if part is None:
                    continue
                mine = part.thinned(weight, step)
                bias = layer.bias() if layer.bias is not None else None
                reading = Reading(
                    layer,
                    part,
                    weight,
                    mine.clone(),
                    row_norms(mine, layer.axis),
                    None if closure else _slope(layer, weight, part, scale),
                    None if bias is None else part.of_bias(bias, step),
                )
                self._before.append(reading)

    def after(self) -> list[Rows]:
        """Compare with the weights as they are now."""
        found = []
        with torch.no_grad():
            for layer, part, parameter, copy, weight, gradient, bias in self._before:
                step = layer.definition.stride
                if gradient is None:
                    if not _has_gradient(parameter):
                        continue
                    gradient = _slope(layer, parameter, part)
                change = row_norms(copy.sub_(part.thinned(parameter, step)), layer.axis)
                index, first = layer.definition.index, part.first(step)
                found.append(Rows(index, gradient, weight, change, bias, first))
        self._before.clear()
        return found


def _has_gradient(weight: Tensor) -> bool:
    return weight.grad is not None and not weight.grad.is_sparse


def _slope(
    layer: WeightLayer, weight: Tensor, part: shards.Part, scale: Tensor | None = None
) -> Tensor:
    assert weight.grad is not None
    gradient = part.thinned(weight.grad, layer.definition.stride)
    return row_norms(gradient if scale is None else gradient / scale, layer.axis)


def _trained(optimizer: Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            plain = shards.readable(parameter) and parameter.is_floating_point()
            if plain and parameter.dim() >= 2 and parameter.numel():
                yield parameter


def rate(optimizer: Optimizer) -> float | None:
    """The learning rate of the optimizer's first group; None if it keeps it on a device."""
    value: Any = optimizer.param_groups[0].get("lr")
    if isinstance(value, Tensor):
        value = value.item() if value.device.type == "cpu" and value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None


def _level(sizes: Iterable[int], total: int) -> int:
    """The most units a layer may have read for all together to be no more than `total`."""
    left = total
    ordered = sorted(sizes)
    for index, size in enumerate(ordered):
        share = left // (len(ordered) - index)
        if size > share:
            return max(share, 1)
        left -= size
    return max(total, *ordered, 1) if ordered else total
