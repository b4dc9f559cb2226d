"""What there is to say of a function, as plain data: for the table, the pages and programs."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from reluctant import functional
from reluctant.activations import CATALOGUE, Activation, Shaped, gains

# As many elements as it takes for the default to be worth its while.
_ROWS, _WIDTH = 64, 65_536


def facts(of: Activation | Shaped) -> dict[str, Any]:
    """Everything by name. `kept_bytes` is a dictionary: by default, and as `lean` says."""
    common = {
        "name": of.name,
        "aliases": of.aliases,
        "module": of.module,
        "formula": of.formula,
        "latex": of.latex,
        "parameters": dict(of.parameters),
        "constraints": of.constraints,
        "torch": of.calls,
        "reference": of.reference,
        "kept_bytes": kept_bytes(of),
    }
    return common | (_elementwise(of) if isinstance(of, Activation) else _shaped(of))


def drawn(of: Activation, **values: float) -> dict[str, Any]:
    """What a picture shows of it: its name, curve, slope, and where it is flat."""
    return {
        "name": of.name,
        "curve": of.curve(**values),
        "slope": of.slope_curve(**values),
        "flat": of.flat_regions(**values),
    }


def _elementwise(of: Activation) -> dict[str, Any]:
    values = of.values()
    return {
        "shape": "as the input",
        **drawn(of),
        "trainable": sorted(of.trainable),
        "kinks": of.kinks(**values),
        "range": of.range(**values),
        "monotone": of.monotone,
        "zero_centred": of.zero_centred,
        "piecewise_linear": of.piecewise_linear,
        "forward_gain": gains.forward_gain(of),
        "backward_gain": gains.backward_gain(of),
    }


def _shaped(of: Shaped) -> dict[str, Any]:
    gain = None
    if of.gate:
        gain = gains.forward_gain(CATALOGUE[of.gate])  # the value has a mean square of one
    elif of.name == "crelu":
        gain = sqrt(2)
    elif of.name == "maxout":
        gain = gains.largest_gain(of.parameters["pieces"])
    return {
        "shape": of.shape,
        "trainable": [],
        "flat": CATALOGUE[of.gate].flat_regions() if of.gate else (),
        "zero_centred": False,
        "forward_gain": gain,
        "gate": of.gate,
    }


def kept_bytes(of: Activation | Shaped) -> dict[str, float]:
    """Bytes kept for the backward pass per input element, float32, between two linear layers.

    Counted as storages that autograd saves, weights and the first layer's input left out; what
    the next layer keeps is in it.
    """
    ways: dict[str, functional.Lean] = {"default": None, "lean": True}
    if of.name in functional.ONE_BIT:
        ways["bit"] = "bit"
    return {way: _kept(of, lean) for way, lean in ways.items()}


def kept_by_torch(of: Activation) -> float | None:
    """The same of torch's own function; None where it has none, or one that learns or draws."""
    homes = (path.rpartition(".") for path in of.calls)
    names = [name for home, _, name in homes if home == "nn.functional" and not name.endswith("_")]
    call = getattr(nn.functional, names[0], None) if names else None
    return None if call is None or of.trainable or of.drawn else _measured(call)


def _kept(of: Activation | Shaped, lean: functional.Lean) -> float:
    call = functional.function(of.name)
    arguments: dict[str, Any] = {"lean": lean}
    if of.name == "rrelu":
        arguments["training"] = True
    elif of.name == "threshold":
        arguments |= of.parameters
    elif isinstance(of, Activation):
        for name in of.trainable:
            value = nn.Parameter(torch.tensor([of.parameters[name]]))
            arguments["weight" if of.name == "prelu" else name] = value
    return _measured(partial(call, **arguments))


def _measured(call: Callable[[Tensor], Tensor]) -> float:
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # Without its graph: one that held its own output would never be freed.
        alone = kept[tensor.untyped_storage().data_ptr()] = tensor.detach()
        return alone

    x, before = torch.ones(_ROWS, 1), torch.ones(_WIDTH, 1, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        z = nn.functional.linear(x, before)
        y = call(z)
        after = torch.ones(1, y.shape[-1], requires_grad=True)
        nn.functional.linear(y, after)
    for known in (x, before, after):
        kept.pop(known.untyped_storage().data_ptr(), None)
    # Scalars, such as a slope, are no part of what grows with the batch.
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    return sum(size for size in sizes if size >= z.numel() / 16) / z.numel()
