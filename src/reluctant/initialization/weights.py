"""The weights of one layer, as they were chosen."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from reluctant.initialization.choice import Choice
from reluctant.initialization.fresh import fresh
from reluctant.initialization.network import Layer


def set_weights(layer: Layer, choice: Choice, generator: torch.Generator) -> None:
    """Give a layer its weights, and a bias of zero."""
    stored = layer.weight.detach()
    weight = stored.transpose(0, 1) if layer.turned else stored
    units, inputs = weight.shape[:2]
    if choice.kind == "normal":
        made = torch.randn(
            weight.shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        made = made * (choice.gain / sqrt(choice.fan))
    else:
        made = choice.gain * _matrix(layer, choice, units, inputs, generator).reshape(weight.shape)
    with torch.no_grad():
        weight.copy_(made)
        if layer.bias is not None and layer.bias.requires_grad:
            layer.bias.zero_()


def _matrix(
    layer: Layer, choice: Choice, units: int, inputs: int, generator: torch.Generator
) -> Tensor:
    """(units, inputs, taps), float64, of rows whose length is one on average."""
    taps = layer.taps
    # Channels that were flattened with their places stand one after another, place by place.
    places = 1
    if choice.paired and layer.source is not None and inputs % layer.source.units == 0:
        places = inputs // layer.source.units
    rows = units // 2 if choice.pairs else units
    read = inputs // 2 if choice.paired else inputs
    if taps > 1 and layer.stride == 1 and rows <= read:
        # The middle alone (Xiao et al. 2018, arXiv 1806.05393): it keeps the size of
        # every input, and not only on average.
        made = torch.zeros(units, inputs, taps, dtype=torch.float64, device="cpu")
        one = fresh(units, inputs, 1, generator, pairs=choice.pairs, paired=choice.paired)
        made[:, :, _middle(layer.weight.shape[2:])] = one[:, :, 0]
    else:
        made = fresh(
            units,
            inputs // places,
            taps * places,
            generator,
            pairs=choice.pairs,
            paired=choice.paired,
        )
    # Of paired inputs each weight stands twice; where a convolution is transposed, what comes out
    # at one place is made of a share of the taps.
    share = layer.stride if layer.turned and layer.stride <= taps else 1
    size = made.flatten(1).square().sum(1).mean() / (2 if choice.paired else 1) / share
    return made / size.sqrt()


def _middle(shape: Sequence[int]) -> int:
    """The number of the tap in the middle, counted row by row."""
    at = 0
    for size in shape:
        at = at * size + (size - 1) // 2
    return at
