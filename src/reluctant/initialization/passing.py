"""Initialises layer by layer while data pass: each layer on what the layers before it now give.

After LSUV (Mishkin and Matas 2016, arXiv 1511.06422), and without a pass of its own: the weights
are set in the call that is about to use them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding
from torch.overrides import TorchFunctionMode

from reluctant.calls import PRODUCTS
from reluctant.initialization.choice import Choices
from reluctant.initialization.fresh import fresh
from reluctant.initialization.weights import set_weights
from reluctant.untraced import untraced

# What is larger or smaller than was meant by less than this factor is of an ordinary size.
ORDINARY = 3.0


class Restart(TorchFunctionMode):
    """Gives layers fresh weights as a training pass comes by them, each once.

    What comes out of each has mean zero and, over its units together, variance one; where there is
    no bias, a mean square of one. No random number is drawn but from a generator of its own.

    Args:
        wanted: whether the layer with this weight, a leaf, is to have fresh weights.
        rectified: whether its units are rectified, and may begin as mirrored pairs.
        seed: of the generator.
        chosen: what some layers are to begin with. Those of them that read data of an unusual size
            are fitted to these.
        tables: the deviation of what some embeddings are to begin with, by the ids of their
            weights; all others stay.

    `done` are the weights and biases that were set; `failure` is what went wrong in doing so, after
    which nothing more is set.
    """

    def __init__(
        self,
        wanted: Callable[[Tensor], bool],
        rectified: Callable[[Tensor], bool],
        seed: int,
        chosen: Choices | None = None,
        tables: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__()
        self._chosen = {id(layer.weight): (layer, one) for layer, one in (chosen or {}).items()}
        self._tables = tables or {}
        self.done: list[Tensor] = []
        self.failure: Exception | None = None
        self._wanted = wanted
        self._rectified = rectified
        self._generator = torch.Generator().manual_seed(seed)
        self._seen: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Set the weight of a product, or a table, before it is used."""
        kwargs = kwargs or {}
        looked_up = bool(self._tables) and func is embedding
        if (func in PRODUCTS or looked_up) and self.failure is None and is_training_pass():
            try:
                if looked_up:
                    self._table(args[1] if len(args) > 1 else kwargs["weight"])
                else:
                    self._product(func, args, kwargs)
            except Exception as error:  # the script's pass goes on
                self.failure = error
        return func(*args, **kwargs)

    def _product(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        call = Product.of(func, args, kwargs)
        if call is None or id(call.leaf) in self._seen or not self._wanted(call.leaf):
            return
        self._seen.add(id(call.leaf))
        with torch.no_grad():
            x = call.input
            if not bool(torch.isfinite(x).all()):
                return
            self._set(call)
        self.done += [call.leaf] if call.bias is None else [call.leaf, call.bias]

    def _table(self, weight: Tensor) -> None:
        if id(weight) in self._seen or id(weight) not in self._tables or not self._wanted(weight):
            return
        self._seen.add(id(weight))
        made = torch.randn(
            weight.shape, generator=self._generator, dtype=torch.float64, device="cpu"
        )
        with torch.no_grad():
            # A row of zeros is what stands for nothing, as padding.
            there = (weight != 0).any(dim=1, keepdim=True)
            weight.copy_(made.to(weight.device) * self._tables[id(weight)] * there)
        self.done.append(weight)

    def _set(self, call: "Product") -> None:
        if id(call.leaf) not in self._chosen:
            self._draw(call)
            self._fit(call, 1.0)
            return
        layer, choice = self._chosen[id(call.leaf)]
        set_weights(layer, choice, self._generator)
        # Data of an ordinary size are taken as they are: so the scheme means it.
        ordinary = choice.gain / ORDINARY < call.size() < choice.gain * ORDINARY
        if layer.reads is None and not ordinary:
            self._fit(call, choice.gain)

    def _draw(self, call: "Product") -> None:
        units_first = call.units_first()
        units, inputs = units_first.shape[:2]
        made = fresh(
            units,
            inputs,
            units_first[0, 0].numel(),
            self._generator,
            pairs=call.is_plain and self._rectified(call.leaf),
            paired=call.is_plain and _is_paired(call.by_feature()),
        )
        units_first.copy_(made.reshape(units_first.shape))

    def _fit(self, call: "Product", wanted: float) -> None:
        """Have what comes out be of the wanted size."""
        units_first = call.units_first()
        output = call.without_bias()
        mean = output.mean(dim=1)
        if call.bias is None:
            mean = torch.zeros_like(mean)
        size = float((output - mean[:, None]).square().mean().sqrt())
        if not 0 < size < float("inf"):
            size = wanted  # nothing comes in yet
        size /= wanted
        units_first /= size
        if call.bias is not None:
            call.bias.detach().copy_(-mean / size)


class Product:
    """One call that multiplies its input by a weight that trains.

    `leaf` is the parameter, `bias` the one that is added in the same call, or None.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        leaf: Tensor,
    ) -> None:
        self._func, self._args, self._kwargs = func, args, kwargs
        self._first, self._second, self._dim = PRODUCTS[func]
        self.leaf = leaf
        self.name: str = func.__name__
        self.input: Tensor = self._argument(self._first, "input")
        bias = self._argument(2, "bias") if self._has_bias else None
        own = isinstance(bias, Tensor) and bias.is_leaf and bias.requires_grad
        self.bias: Tensor | None = bias if own else None
        self.groups: int = self._argument(6, "groups", 1) if "conv" in self.name else 1

    @classmethod
    def of(
        cls, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "Product | None":
        """None if it is no product of a batch with the whole of one parameter."""
        _, second, _ = PRODUCTS[func]
        weight: Any = args[second] if len(args) > second else kwargs.get("weight")
        if not isinstance(weight, Tensor) or weight.dim() < 2 or not weight.requires_grad:
            return None
        leaf = weight if weight.is_leaf else weight._base
        whole = leaf is not None and leaf.is_leaf and leaf.numel() == weight.numel()
        plain = weight.is_floating_point() and (weight.dim() == 2 or "conv" in func.__name__)
        if leaf is None or not (whole and plain) or func is torch.addmm:
            return None
        call = cls(func, args, kwargs, leaf)
        return call if call._is_batch() else None

    def _argument(self, place: int, name: str, default: Any = None) -> Any:
        return self._args[place] if len(self._args) > place else self._kwargs.get(name, default)

    @property
    def _has_bias(self) -> bool:
        return self.name == "linear" or "conv" in self.name

    def _is_batch(self) -> bool:
        x = self.input
        return isinstance(x, Tensor) and x.dim() > (self.leaf.dim() - 1 if self._dim == 1 else 1)

    @property
    def axis(self) -> int:
        """The dimension of the features in what goes in, and of the units in what comes out."""
        return self._dim

    @property
    def is_plain(self) -> bool:
        """Whether each unit reads every feature."""
        return self.groups == 1

    def units_first(self) -> Tensor:
        """The weight, sharing its memory, as (units, inputs, ...)."""
        weight: Tensor = self._argument(self._second, "weight").detach()
        return weight.transpose(0, 1) if self._turned else weight

    @property
    def _turned(self) -> bool:
        """Whether the weight that is used has its units in the second dimension."""
        return "transpose" in self.name or not self._has_bias

    @property
    def units_axis(self) -> int:
        """The dimension of the leaf that numbers the units; the features are in the other."""
        return 0 if _layout(self.leaf) == _layout(self.units_first()) else 1

    @property
    def is_stored(self) -> bool:
        """Whether the weight is the leaf as it is or transposed, and not reshaped."""
        weight = self.units_first()
        return _layout(self.leaf) in (_layout(weight), _layout(weight.transpose(0, 1)))

    def by_feature(self) -> Tensor:
        """What goes in, as (features, numbers)."""
        return self.input.detach().movedim(self._dim, 0).flatten(1)

    def without_bias(self) -> Tensor:
        """What comes out before a bias is added, as (units, numbers), in at least float32."""
        return self.output_of(self.units_first())

    def size(self) -> float:
        """The root mean square of what comes out before a bias is added."""
        return float(self.without_bias().square().mean().sqrt())

    def output_of(self, units_first: Tensor) -> Tensor:
        """What would come out of some units with these weights, as (units, numbers)."""
        args, kwargs = list(self._args), dict(self._kwargs)
        weight = units_first.transpose(0, 1) if self._turned else units_first
        # Autocast, under which they may differ in dtype, can be over.
        x = self.input.to(weight.dtype)
        if len(args) > self._first:
            args[self._first] = x
        else:
            kwargs["input"] = x
        if len(args) > self._second:
            args[self._second] = weight
        else:
            kwargs["weight"] = weight
        if self._has_bias and len(args) > 2:
            args[2] = None
        elif self._has_bias:
            kwargs["bias"] = None
        output: Tensor = self._func(*args, **kwargs).detach()
        wide = output.float() if output.element_size() < 4 else output
        return wide.movedim(self._dim, 0).flatten(1)


def _layout(tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    # Strides alone do not tell a column from a row.
    return tuple(tensor.shape), tensor.stride()


@untraced
def is_training_pass() -> bool:
    """Whether what is computed now is an ordinary pass that a gradient is wanted of."""
    return (
        torch.is_grad_enabled()
        and not torch._C._are_functorch_transforms_active()
        and torch._C._len_torch_dispatch_stack() == 0
        # Activation checkpointing repeats a forward pass within the backward pass.
        and torch._C._current_graph_task_id() == -1
    )


def _is_paired(features: Tensor) -> bool:
    """Whether the features (F, N) are pairs of rectified numbers, one of which is zero."""
    half = len(features) // 2
    first, second = features[:half], features[half : 2 * half]
    rectified = half > 0 and bool((features >= 0).all()) and bool(first.any())
    return rectified and not bool((first * second).any())
