"""Follows the units of layers through a forward pass, call by call, and tells their wiring."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from reluctant.calls import KNOWN, PRODUCTS, Call, recognise
from reluctant.initialization.passing import Product, is_training_pass
from reluctant.remedy.dyes import MOVING, dyes, where
from reluctant.remedy.wiring import Norm, Reader, Trace, Wiring

# Calls that leave a zero a zero where it is, whatever else they are given.
_SCALING = frozenset("mul mul_ multiply __mul__ __imul__ __rmul__ div div_ __truediv__".split())
_KEEPING = _SCALING | frozenset(
    "dropout dropout_ dropout1d dropout2d dropout3d feature_dropout contiguous clone to float "
    "double half bfloat16 type type_as detach".split()
)
_BIASING = frozenset("add add_ __add__ __radd__ __iadd__".split())
# Calls by which a penalty on activations is made: what comes to one number in the end, and goes
# nowhere but into a loss, is nothing that the network computes.
_SUMMING = frozenset("abs square pow sqrt sum mean norm vector_norm amax max".split())
# What tells of a tensor and is no computation.
_ASKING = frozenset(
    "size dim numel stride is_contiguous data_ptr get_device zeros_like ones_like full_like "
    "empty_like rand_like randn_like new_zeros new_ones new_full new_empty new_tensor".split()
)

_WORDS = {
    **dict.fromkeys(_BIASING, "an addition of two branches"),
    "layer_norm": "a normalisation over channels behind the function",
    "group_norm": "a normalisation over several channels",
    "rms_norm": "a normalisation over several channels",
    "scaled_dot_product_attention": "attention",
    "multi_head_attention_forward": "attention",
}


@dataclass(frozen=True)
class _Met:
    """What is known of a call before it is made."""

    traced: list[Trace]
    dyed: list[Any]
    call: Call | None
    product: Product | None


class Survey(TorchFunctionMode):
    """Follows the units of some layers through one training pass.

    There may be others before the step, each with a backward pass: they are to do the same.

    Args:
        wanted: whether the layer with this weight, a leaf, is of interest.

    `failure` is what went wrong in following, after which nothing more is followed.
    """

    def __init__(self, wanted: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self._wanted = wanted
        self._wirings: dict[int, Wiring] = {}
        # By the tensor's id; the tensor is kept so that the id stays its own.
        self._traces: dict[int, tuple[Tensor, list[Trace]]] = {}
        # How often each leaf was used, pass by pass.
        self._uses: list[dict[int, int]] = [{}]
        # What penalties are made of, by the tensor's id.
        self._sums: dict[int, tuple[Tensor, list[Wiring]]] = {}

    def wiring(self, weight: Tensor) -> Wiring | None:
        """Of the layer with this weight; None if the pass did not come by it.

        Raises:
            Exception: `failure`.
        """
        if self.failure is not None:
            raise self.failure
        found = self._wirings.get(id(weight))
        if found is None:
            return None
        return replace(found, obstacle=found.obstacle or self._missing(found))

    def has_met(self, weight: Tensor) -> bool:
        """Whether a pass came by the layer with this weight."""
        return id(weight) in self._wirings

    def _missing(self, wiring: Wiring) -> str:
        leaf = wiring.product.leaf
        if self._again(leaf, leaf):
            return "weights that are used more than once"
        if wiring.function is None:
            return "no function that is known"
        if not wiring.readers:
            return "no layer that reads it"
        if any(self._again(reader.product.leaf, leaf) for reader in wiring.readers):
            return "a reader whose weights are used more than once"
        shifted = (reader for reader in wiring.readers if reader.shift is not None)
        shifts = [wiring.bias, *(reader.product.bias for reader in shifted)]
        shifts += [at for norm in wiring.norms for at in (norm.weight, norm.bias)]
        if any(at is not None and self._again(at, leaf) for at in shifts):
            return "a shift that is used more than once"
        return ""

    def _again(self, used: Tensor, leaf: Tensor) -> bool:
        """Whether it is used more than once in a pass, or in one that does not come by `leaf`."""
        return any(
            uses.get(id(used), 0) > 1 or (id(used) in uses and id(leaf) not in uses)
            for uses in self._uses
        )

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pass the call on, and see what it does to units."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "backward":
            self._uses.append({})
        told = name in _ASKING or name in ("__set__", "backward")
        if name == "backward" and self.failure is None:
            self._safely(lambda: self._unseen(args[0]))
        if told or self.failure is not None or not is_training_pass():
            return func(*args, **kwargs)
        before = self._safely(lambda: self._before(func, name, args, kwargs))
        result = func(*args, **kwargs)
        if before is not None:
            self._safely(lambda: self._after(before, func, name, args, kwargs, result))
        return result

    def _safely(self, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except Exception as error:  # the script's pass goes on
            self.failure = error
            return None

    def _unseen(self, loss: Tensor) -> None:
        """Find who reads units without a call that is seen: functions of the script's own."""
        carriers: dict[Any, list[Wiring]] = {}
        for tensor, traces in self._traces.values():
            if tensor.grad_fn is not None:
                carriers[tensor.grad_fn] = [at.wiring for at in traces]
        waiting = [loss.grad_fn]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            for behind, _ in () if node is None else node.next_functions:
                if isinstance(node, BackwardCFunction):
                    for wiring in carriers.get(behind, ()):
                        wiring.obstacle = wiring.obstacle or f"{node.name()}, which is not seen"
                if behind not in seen:
                    seen.add(behind)
                    waiting.append(behind)

    def _before(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "_Met":
        """What is to be known before the call, which may work in place."""
        traced = [trace for at in _tensors(args, kwargs) for trace in self._of(at)]
        dyed = [self._dye(func, trace, args, kwargs) for trace in traced if name in MOVING]
        call = recognise(func, args, kwargs) if func in KNOWN else None
        product = Product.of(func, args, kwargs) if func in PRODUCTS else None
        return _Met(traced, dyed, call, product)

    def _after(
        self,
        met: "_Met",
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
    ) -> None:
        if name == "__get__" and not isinstance(result, Tensor):
            return
        if name != "__get__":
            self._used(args, kwargs, result)
        self._summed(name, args, kwargs, result)
        moving = name in MOVING
        for trace in met.traced:
            if not all(at.is_like(trace, moving) for at in met.traced if at.wiring is trace.wiring):
                trace.wiring.obstacle = trace.wiring.obstacle or "a mixture of a layer's own units"
        if moving:
            for trace, dye in zip(met.traced, met.dyed, strict=True):
                self._moved(trace, dye, result, name)
        else:
            for trace in met.traced:
                self._carried(trace, met, func, name, args, kwargs, result)
        if met.product is not None and self._wanted(met.product.leaf):
            self._begin(met.product, result)

    def _used(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Count the uses of each leaf, by itself or as a view; to make a view is none."""
        for at in _tensors(args, kwargs):
            leaf = at if at.is_leaf else at._base
            if leaf is None or not (leaf.is_leaf and leaf.requires_grad):
                continue
            if not (isinstance(result, Tensor) and result._base is leaf):
                self._uses[-1][id(leaf)] = self._uses[-1].get(id(leaf), 0) + 1

    def _of(self, tensor: Tensor) -> list[Trace]:
        entry = self._traces.get(id(tensor))
        return entry[1] if entry is not None else []

    def _add(self, tensor: Tensor, trace: Trace) -> None:
        _, traces = self._traces.setdefault(id(tensor), (tensor, []))
        # In place: what the tensor carried before is no more.
        traces[:] = [at for at in traces if at.wiring is not trace.wiring]
        traces.append(trace)

    def _begin(self, product: Product, result: Tensor) -> None:
        known = self._wirings.get(id(product.leaf))
        if known is not None:
            return  # used again, which `_missing` tells
        wiring = self._wirings[id(product.leaf)] = Wiring(product, product.bias)
        if not (product.is_plain and product.is_stored):
            wiring.obstacle = "a layer of an unusual kind"
        axis = product.axis % result.dim()
        units = torch.arange(result.shape[axis], device="cpu")
        self._add(result, Trace(wiring, axis, units))

    # -- calls that move channels --------------------------------------------------------------

    def _dye(
        self, func: Callable[..., Any], trace: Trace, args: Any, kwargs: Mapping[str, Any]
    ) -> Any:
        """What the call makes of the channels' dyes."""

        def dyed(value: Any) -> Any:
            if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
                return type(value)(map(dyed, value))
            if not isinstance(value, Tensor):
                return value
            # Each by its own trace: the call may join halves of a layer in another order.
            own = [at for at in self._of(value) if at.wiring is trace.wiring]
            if not own:
                carries = value.is_floating_point()
                return torch.zeros(value.shape, device="cpu") if carries else value.detach().cpu()
            shape = [1] * value.dim()
            shape[own[0].axis] = len(own[0].units)
            return dyes(own[0].units).reshape(shape).expand(value.shape).clone()

        try:
            with torch.no_grad():
                return func(*dyed(tuple(args)), **{name: dyed(at) for name, at in kwargs.items()})
        except Exception:
            return None  # the obstacle that it then is says enough

    def _moved(self, trace: Trace, dye: Any, result: Any, name: str) -> None:
        results = result if isinstance(result, list | tuple) else (result,)
        dyed = dye if isinstance(dye, list | tuple) else (dye,)
        if len(results) != len(dyed):
            trace.wiring.obstacle = trace.wiring.obstacle or _words(name)
            return
        for one, colours in zip(results, dyed, strict=True):
            if not isinstance(one, Tensor) or not one.is_floating_point():
                continue
            moved = where(trace, colours)
            if moved is None:
                self._ends(trace.wiring, name, one)
            elif bool((moved.units >= 0).any()):
                self._add(one, moved)

    # -- other calls ---------------------------------------------------------------------------

    def _carried(
        self,
        trace: Trace,
        met: "_Met",
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
    ) -> None:
        wiring, call, product = trace.wiring, met.call, met.product
        if not isinstance(result, Tensor):
            if isinstance(result, list | tuple) or name == "__setitem__":
                wiring.obstacle = wiring.obstacle or _words(name)
            return
        same = any(result.shape == at.shape for at in _tensors(args, kwargs) if self._of(at))
        if product is not None and self._of(product.input):
            self._read(trace, product)
        elif func is F.batch_norm and _tensors(args, kwargs):
            self._normalised(trace, args, kwargs, result, None)
        elif func is F.layer_norm and trace.before:
            eps = args[4] if len(args) > 4 else kwargs.get("eps", 1e-5)
            self._normalised(trace, args, kwargs, result, float(eps))
        elif call is not None and trace.before:
            if wiring.function is not None:
                wiring.obstacle = wiring.obstacle or "a second function"
            wiring.function = call
            self._add(result, replace(trace, before=False))
        elif name in _BIASING and trace.before and (bias := _bias(args, trace, result)) is not None:
            if wiring.bias is not None or wiring.norms:
                wiring.obstacle = wiring.obstacle or "a second shift of each unit"
            wiring.bias = bias
            self._add(result, trace)
        elif same and (
            (name in _KEEPING and not (name in _SCALING and trace.shift is not None))
            or (call is not None and call.keeps_zero and trace.shift is None)
        ):
            self._add(result, trace)
        else:
            self._ends(wiring, name, result)

    def _ends(self, wiring: Wiring, name: str, result: Tensor) -> None:
        """A call after which the units are no longer told apart: it may be a penalty's."""
        if name in _SUMMING:
            self._sums.setdefault(id(result), (result, []))[1].append(wiring)
        else:
            wiring.obstacle = wiring.obstacle or _words(name)

    def _summed(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
    ) -> None:
        """Follow what may be a penalty until it is one number, and see that it stays one."""
        if not self._sums or not isinstance(result, Tensor):
            return
        for at in _tensors(args, kwargs):
            _, wirings = self._sums.get(id(at), (at, []))
            for wiring in wirings:
                if name in _SUMMING or result.numel() == 1:
                    self._sums.setdefault(id(result), (result, []))[1].append(wiring)
                else:
                    wiring.obstacle = wiring.obstacle or _words(name)

    def _read(self, trace: Trace, product: Product) -> None:
        wiring = trace.wiring
        if trace.before:
            wiring.obstacle = wiring.obstacle or "no function before the next layer"
        elif trace.axis != product.axis % product.input.dim():
            wiring.obstacle = wiring.obstacle or "an exchange of channels and positions"
        elif not (product.is_plain and product.is_stored):
            wiring.obstacle = wiring.obstacle or "a reader of an unusual kind"
        else:
            wiring.readers.append(Reader(product, trace.units, trace.shift))

    def _normalised(
        self,
        trace: Trace,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Tensor,
        eps: float | None,
    ) -> None:
        alone = eps is None
        wiring = trace.wiring
        # batch_norm(x, mean, variance, weight, bias); layer_norm(x, shape, weight, bias)
        places = (3, 4) if alone else (2, 3)
        weight, bias = (
            args[place] if len(args) > place else kwargs.get(name)
            for place, name in zip(places, ("weight", "bias"), strict=True)
        )
        mean, variance = (
            args[place] if len(args) > place else kwargs.get(name)
            for place, name in ((1, "running_mean"), (2, "running_var"))
        )
        units = len(trace.units)
        if not (
            isinstance(weight, Tensor) and isinstance(bias, Tensor) and weight.shape == (units,)
        ) or not (
            trace.axis == (1 if alone else result.dim() - 1)
            and torch.equal(trace.units, torch.arange(units, device="cpu"))
        ):
            wiring.obstacle = wiring.obstacle or "a normalisation without a shift of each unit"
            return
        if trace.before:
            known = isinstance(mean, Tensor) and isinstance(variance, Tensor)
            kept: Any = (mean, variance) if alone and known else None
            wiring.norms.append(Norm(weight, bias, kept, alone, eps))
            self._add(result, trace)
        elif mean is not None and not (args[5] if len(args) > 5 else kwargs.get("training")):
            # What it makes of a zero is no shift of its own alone.
            wiring.obstacle = wiring.obstacle or "a normalisation behind the function that is fixed"
        else:
            self._add(result, replace(trace, shift=bias))


def _bias(args: tuple[Any, ...], trace: Trace, result: Tensor) -> Tensor | None:
    """What is added, if it is a parameter with one number for each unit."""
    axis = trace.axis - result.dim()
    if not torch.equal(trace.units, torch.arange(len(trace.units), device="cpu")):
        return None
    for at in args:
        trained = isinstance(at, Tensor) and at.is_leaf and at.requires_grad
        if trained and at.dim() >= -axis and at.shape[axis] == at.numel() == len(trace.units):
            return at  # type: ignore[no-any-return]
    return None


def _tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Those among the arguments, each once."""
    return list({id(at): at for at in _all(args, kwargs)}.values())


def _all(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (at for at in value if isinstance(at, Tensor))


def _words(name: str) -> str:
    return _WORDS.get(name, f"what {name.strip('_')} does")
