"""`revive`: dead units begin anew, and the network computes what it computed before.

A unit that fires on nothing gives zero. It gets fresh incoming weights, and the weights by which
others read it become zero: its output is another from now on, and nobody's input is. What the
optimizer remembers of all these weights is forgotten with them, or its next steps would be those of
the unit that died.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.activations.gains import forward_gain
from reluctant.initialization.fresh import orthogonal
from reluctant.remedy import optimizers
from reluctant.remedy.refusal import Refused
from reluctant.remedy.wiring import Norm, Reader, Wiring

# A unit that fires on half of the inputs passes half of the gradient, as one of a sound
# initialisation does. More than that is no unit's that has something to tell.
MOST_SHARE = 0.5
# And on less than this share a layer's units that live are no example.
LEAST_SHARE = 0.02

# A function that comes near to zero, and not to it, is off where it gives no more than this.
OFF = 1e-2

# What varies by less than this, where a layer's units together vary by one, is the same each time.
VARIES = 1e-3


@dataclass(frozen=True)
class Revival:
    """What is about to be written: to each tensor, at some slices of a dimension, new numbers.

    Worked out before anything is changed, so that it is done as a whole or not at all.
    """

    writes: tuple[tuple[Tensor, int, Tensor, Tensor], ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that will be changed."""
        return tuple(tensor for tensor, *_ in self.writes)


def plan(
    wiring: Wiring, units: Tensor, generator: torch.Generator, share: float | None = None
) -> Revival:
    """How to revive some units of a layer, on the inputs that it had in the pass that was followed.

    Args:
        wiring: the layer's.
        units: (n,) the numbers of the dead. One that gives something in the pass is left alone:
            it lives, or it is stuck at the other end, as at six.
        generator: for the fresh weights.
        share: of the inputs, on which each is to fire; None for what the living units of the layer
            are used to, as in a sparse one.

    Raises:
        Refused: the units cannot be brought back without changing what the network computes.
    """
    rates = firing_rates(wiring)
    units = units[rates[units] == 0]
    if not len(units):
        raise Refused("None of the units is off on all inputs of the pass.")
    return anew(wiring, units, generator, usual(rates) if share is None else share)


def firing_rates(wiring: Wiring) -> Tensor:
    """(U,): the share of the inputs of the pass on which each unit gives something.

    Raises:
        Refused: it is not known what the units do, or none of them is ever off.
    """
    if wiring.obstacle:
        raise Refused(f"What the units do is not fully known: there is {wiring.obstacle}.")
    call = wiring.function
    assert call is not None
    if not call.activation.switches_off:
        raise Refused(f"A unit of {call.activation.name} is never off, and its output is used.")
    with torch.no_grad():
        return (_given(wiring).abs() > OFF).float().mean(dim=1)


def anew(wiring: Wiring, units: Tensor, generator: torch.Generator, share: float) -> Revival:
    """How to have units begin anew that nobody reads, whether they are off or not; as `plan`."""
    with torch.no_grad():
        if any(not norm.alone for norm in wiring.norms):
            into = _behind_a_norm(wiring, units, share)
        else:
            into = _fresh(wiring, units, generator, share)
        out = [write for reader in wiring.readers for write in _unread(reader, units)]
    return Revival((*into, *out))


def apply(revival: Revival, trained_by: Callable[[Tensor], Iterable[Optimizer]]) -> None:
    """Write it, and have the optimizers forget what they remember of what is written."""
    with torch.no_grad():
        for tensor, dim, at, values in revival.writes:
            tensor.detach().movedim(dim, 0)[at] = values.to(tensor.dtype)
            for optimizer in trained_by(tensor):
                optimizers.renew(optimizer, tensor, dim, at)


Writes = list[tuple[Tensor, int, Tensor, Tensor]]


def usual(firing: Tensor) -> float:
    """On which share of the inputs the median of the units fires that live."""
    living = firing[firing > 0]
    usual = float(living.median()) if len(living) else MOST_SHARE
    return min(max(usual, LEAST_SHARE), MOST_SHARE)


def _given(wiring: Wiring) -> Tensor:
    """(U, N): what the units give on the inputs of the pass."""
    call, whole = wiring.function, wiring.product.without_bias()
    assert call is not None
    if wiring.bias is not None:
        whole = whole + wiring.bias.detach().flatten()[:, None]
    for norm in wiring.norms:
        along = 1 if norm.alone else 0
        variance, mean = torch.var_mean(whole, along, correction=0, keepdim=True)
        whole = (whole - mean) / (variance + (norm.eps or 1e-5)).sqrt()
        whole = whole * norm.weight.detach()[:, None] + norm.bias.detach()[:, None]
    return call.activation(whole, **call.parameters)


def _fresh(wiring: Wiring, units: Tensor, generator: torch.Generator, share: float) -> Writes:
    """New incoming weights, and a shift with which they fire on the wanted share."""
    product, call = wiring.product, wiring.function
    assert call is not None
    weight = product.units_first()
    features = product.by_feature()
    size = float(features.float().square().mean().sqrt())
    if not size > 0 or not torch.isfinite(features).all():
        raise Refused("Nothing comes in: what the layer reads is zero, or not finite.")
    inputs = weight[0].numel()
    gain = forward_gain(call.activation, **call.parameters)
    rows = orthogonal(len(units), inputs, generator)
    rows = rows / rows.norm(dim=1, keepdim=True) * gain / size
    rows = rows.reshape(len(units), *weight.shape[1:]).to(weight)
    coming = product.output_of(rows)
    writes: Writes = [(product.leaf, product.units_axis, units, rows)]
    if wiring.norms:
        norm = wiring.norms[-1]
        mean, std = coming.mean(dim=1), coming.std(dim=1, correction=0).clamp(min=1e-12)
        if norm.running is not None:
            # What it keeps of the old unit would be taken for the new one's in evaluation.
            writes.append((norm.running[0], 0, units, _with_bias(wiring.bias, units, mean)))
            writes.append((norm.running[1], 0, units, std.square()))
        standard = (coming - mean[:, None]) / std[:, None]
        writes += _shifted(norm, units, standard, share)
        return writes
    bias = wiring.bias
    if bias is None:
        # Of a number and its negative, one is above zero as often as is nearest to wanted.
        positive = (coming > 0).float().mean(dim=1)
        turned = (positive - share).abs() > (1 - positive - share).abs()
        turned |= positive == 0  # as far from a half as always firing, and dead
        rows[turned] = -rows[turned]
        if bool((torch.where(turned, 1 - positive, positive) == 0).any()):
            raise Refused("The layer has no bias with which a new unit could be made to fire.")
        return writes
    # One that is added after the product may have dimensions of one, to be broadcast.
    dim = list(bias.shape).index(bias.numel())
    shift = -_quantile(coming, 1 - share)
    writes.append((bias, dim, units, shift.reshape(-1, *[1] * (bias.dim() - 1))))
    return writes


def _behind_a_norm(wiring: Wiring, units: Tensor, share: float) -> Writes:
    """Where a layer's units are normalised together, a new one would change the others.

    Its incoming weights stay, and what is behind the normalisation has it fire.
    """
    norm = wiring.norms[-1]
    if len(wiring.norms) > 1 or norm.eps is None:
        raise Refused("Its units are normalised together, and a new one would change the others.")
    whole = wiring.product.without_bias()
    if wiring.bias is not None:
        whole = whole + wiring.bias.detach().flatten()[:, None]
    spread = (whole.var(dim=0, correction=0) + norm.eps).sqrt()
    standard = ((whole - whole.mean(dim=0)) / spread)[units]
    size = standard.std(dim=1, correction=0)
    if not bool((size > VARIES).all()):
        raise Refused("Its incoming weights give the same on all inputs, and must not change.")
    return [
        (norm.weight, 0, units, 1 / size),
        (norm.bias, 0, units, -_quantile(standard / size[:, None], 1 - share)),
    ]


def _shifted(norm: Norm, units: Tensor, standard: Tensor, share: float) -> Writes:
    """A scale of one and a shift with which standardised numbers are above zero as often."""
    ones = torch.ones(len(units), device=norm.weight.device)
    return [
        (norm.weight, 0, units, ones),
        (norm.bias, 0, units, -_quantile(standard, 1 - share)),
    ]


def _with_bias(bias: Tensor | None, units: Tensor, mean: Tensor) -> Tensor:
    return mean if bias is None else mean + bias.detach().flatten()[units]


def _quantile(numbers: Tensor, share: float) -> Tensor:
    """(n,) of (n, N): the number below which so large a share of each row lies."""
    place = round(share * (numbers.shape[1] - 1)) + 1
    return numbers.kthvalue(place, dim=1).values


def _unread(reader: Reader, units: Tensor) -> Writes:
    """Have a reader read none of these units, and give what it gave."""
    product = reader.product
    columns = torch.isin(reader.units, units.cpu()).nonzero().flatten().to(product.leaf.device)
    if not len(columns):
        return []
    weight = product.units_first()
    zeros = torch.zeros(
        (len(columns), weight.shape[0], *weight.shape[2:]),
        dtype=weight.dtype,
        device=weight.device,
    )
    writes: Writes = [(product.leaf, 1 - product.units_axis, columns, zeros)]
    if reader.shift is not None:
        if product.bias is None or weight.dim() > 2:
            raise Refused("A normalisation behind the function shifts the unit, and it is read.")
        shift = reader.shift.detach()[reader.units.to(columns.device)[columns]].to(weight)
        into = torch.arange(weight.shape[0], device=weight.device)
        moved = product.bias.detach() + weight[:, columns] @ shift
        writes.append((product.bias, 0, into, moved))
    return writes
