"""From what samples have left on the script's device to what is written of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reluctant.observe import feeding, heads
from reluctant.observe.layers import Rows
from reluctant.observe.probes import Activity, to_host
from reluctant.observe.sites import Glimpse, Seen
from reluctant.record import histogram
from reluctant.record.observation import LayerRow, NewLayer, NewParameter, Observation, SiteRow
from reluctant.record.run import Sample

Numbers = tuple[Any, ...]  # arrays, or None


@dataclass
class Held:
    """A sample that is over, and what was seen in it; the rest as in `Observation`.

    `scale` is the factor in its loss and gradients, and `overflow` above zero if its step was left
    out; both None where nothing says so.
    """

    sample: Sample
    glimpse: Glimpse
    found: list[Rows]
    layers: tuple[NewLayer, ...]
    parameters: tuple[NewParameter, ...]
    scale: Tensor | None
    overflow: Tensor | None

    @property
    def on_device(self) -> bool:
        """Whether to fetch it would be to wait for a device."""
        tensors = [*self.glimpse.losses, *(rows.gradient for rows in self.found)]
        return self.glimpse.on_device or not all(tensor.is_cpu for tensor in tensors)


@contextmanager
def waiting_allowed() -> Iterator[None]:
    """In the body a device may be waited for: a script that forbids it looks for its own waits."""
    mode = torch.cuda.get_sync_debug_mode() if torch.cuda.is_initialized() else 0
    if not mode:
        yield
        return
    torch.cuda.set_sync_debug_mode(0)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def observations(waiting: Sequence[Held]) -> list[Observation]:
    """What is to be written of each, fetched at once."""
    seen = [at for held in waiting for at in held.glimpse.sites.values()]
    left_out = [_left_out(held) for held in waiting]
    kept = [
        [] if skipped else _last_of_each(held.found)
        for held, skipped in zip(waiting, left_out, strict=True)
    ]
    sites = _site_numbers(seen)
    layers = _layer_numbers([rows for found in kept for rows in found])
    return [
        _observation(held, skipped, found, sites, layers)
        for held, skipped, found in zip(waiting, left_out, kept, strict=True)
    ]


def _observation(
    held: Held,
    left_out: bool,
    found: Sequence[Rows],
    sites: Iterator[Numbers],
    layers: Iterator[Numbers],
) -> Observation:
    glimpse, factor = held.glimpse, 1.0 if held.scale is None else float(held.scale)
    loss = _mean(glimpse.losses, factor)
    return Observation(
        sample=replace(held.sample, loss=loss, skipped=left_out),
        layers=held.layers,
        functions=tuple(glimpse.new_functions),
        sites=tuple(glimpse.new_sites),
        feeds=tuple(glimpse.feeds),
        site_rows=tuple(
            _site_row(site, seen.activity, next(sites), factor, left_out)
            for site, seen in glimpse.sites.items()
        ),
        layer_rows=tuple(_layer_row(at, next(layers)) for at in found),
        outputs=tuple(glimpse.outputs),
        parameters=held.parameters,
        heads=tuple(glimpse.new_heads),
        input_rows=feeding.rows(glimpse.fed),
        head_rows=heads.rows(glimpse.heads),
    )


def _left_out(held: Held) -> bool:
    overflow = held.overflow
    return held.sample.skipped or (overflow is not None and float(overflow) > 0)


def _mean(losses: list[Tensor], factor: float) -> float | None:
    """The mean loss, a scaler's factor taken out: where only the scaled loss overflowed, None."""
    values = [float(loss) / factor for loss in losses]
    if factor != 1 and not all(map(isfinite, values)):
        return None
    return sum(values) / len(values) if values else None


def _last_of_each(found: list[Rows]) -> list[Rows]:
    """One entry a layer: where an optimizer stepped several times in a sample, its last step."""
    return list({rows.layer: rows for rows in found}.values())


def _site_numbers(seen: Sequence[Seen]) -> Iterator[Numbers]:
    """Of each site `fired`, mean, deviation, least, largest, both gradients, and the histogram."""
    shown = [at.activity for at in seen]
    pieces = iter(to_host([some for at in shown for some in at.some], histogram.bins))
    return zip(
        to_host([at.fired for at in shown]),
        to_host([at.mean for at in shown]),
        to_host([at.variance for at in shown], np.sqrt),
        to_host([at.low for at in shown]),
        to_host([at.high for at in shown]),
        to_host([at.gradient_in.square for at in seen], np.sqrt),
        to_host([at.gradient_out.square for at in seen], np.sqrt),
        (histogram.counted([next(pieces) for _ in at.some]) for at in shown),
        strict=True,
    )


def _layer_numbers(found: Sequence[Rows]) -> Iterator[Numbers]:
    """Of each layer the gradient's norms, the weight's, the update and the bias."""
    weights = to_host([at.weight for at in found])
    changes = to_host([at.change for at in found])
    return zip(
        to_host([at.gradient for at in found]),
        weights,
        map(_update, weights, changes),
        to_host([at.bias for at in found]),
        strict=True,
    )


def _update(weight: Any, change: Any) -> Any:
    update = np.full_like(weight, np.nan)
    with np.errstate(invalid="ignore"):  # an infinite change of infinite weights
        return np.divide(change, weight, out=update, where=weight > 0)


def _site_row(
    site: int, activity: Activity, numbers: Numbers, factor: float, skipped: bool
) -> SiteRow:
    fired, mean, std, low, high, into, out, counts = numbers
    if skipped:
        into = out = None
    elif factor != 1:
        into, out = (None if at is None else at / factor for at in (into, out))
    place = (site, activity.inputs, activity.values)
    return SiteRow(*place, fired, mean, std, low, high, into, out, counts)


def _layer_row(rows: Rows, numbers: Numbers) -> LayerRow:
    gradient, weight, update, bias = numbers
    return LayerRow(rows.layer, gradient, weight, update, bias, rows.first)
