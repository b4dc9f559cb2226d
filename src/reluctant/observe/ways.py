"""How the input of each site comes about, read off the autograd graph: by plain layers, or not.

Plain are products with a trained weight, and between them what flattens, pools or pads. Of what
they are made the weights are kept within reach until the run ends.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from reluctant.observe import graph
from reluctant.observe.graph import Node, kind
from reluctant.observe.layers import Layers
from reluctant.record.observation import LastWeights
from reluctant.record.run import Link, Way

# Bytes of weights that are kept in all; a layer that would exceed them is left out.
MOST_BYTES = 16 << 20

# Where the input stands among what a product is made of, the weight, and the bias.
_PRODUCTS = {
    "AddmmBackward": (1, 2, 0),
    "MmBackward": (0, 1, None),
    "ConvolutionBackward": (0, 1, 2),
}
_RESHAPING = frozenset(
    "ViewBackward UnsafeViewBackward ReshapeAliasBackward SqueezeBackward UnsqueezeBackward "
    "CloneBackward AliasBackward".split()
)
# Each channel's largest or mean value, over this many of the last dimensions.
_POOLING = {
    "MaxPool2DWithIndicesBackward": 2,
    "MaxPool3DWithIndicesBackward": 3,
    "AdaptiveMaxPool2DBackward": 2,
    "AdaptiveMaxPool3DBackward": 3,
    "AvgPool2DBackward": 2,
    "AvgPool3DBackward": 3,
    "AdaptiveAvgPool2DBackward": 2,
    "AdaptiveAvgPool3DBackward": 3,
    "MkldnnAdaptiveAvgPool2DBackward": 2,
}
_MEAN = "MeanBackward"

# What else stands in the way often, in words.
_WORDS = {
    "AddBackward": "an addition of two branches",
    "MulBackward": "a multiplication, as by a gate or in dropout",
    "NativeDropoutBackward": "dropout",
    "CatBackward": "a concatenation",
    "NativeBatchNormBackward": "batch normalisation",
    "CudnnBatchNormBackward": "batch normalisation",
    "NativeLayerNormBackward": "layer normalisation",
    "NativeGroupNormBackward": "group normalisation",
    "EmbeddingBackward": "an embedding",
    "AccumulateGrad": "an input that is trained itself",
    "TransposeBackward": "a transposition",
    "PermuteBackward": "a permutation",
    "BmmBackward": "a product of activations",
}

# No way is longer.
_LONGEST = 32

# A way that was the same so often is looked at only every so many times.
_ENOUGH = 16
_SELDOM = 4


class _Obstacle(Exception):
    """Why a way is not plain; never leaves this module."""


class _Kept(NamedTuple):
    """A layer's weight and bias, sharing memory with the script's but not keeping them alive."""

    weight: Tensor
    bias: Tensor | None
    axis: int


class Ways:
    """The way to every site met so far.

    Args:
        layers: what numbers them.
        by: whose marks in the autograd graph count, as in `graph.mark`.
    """

    def __init__(self, layers: Layers, by: object) -> None:
        self._layers = layers
        self._by = by
        self._found: dict[int, Way] = {}
        self._met: dict[int, int] = {}
        self._axes: dict[int, int] = {}
        self._kept: dict[int, _Kept] = {}
        self._left_out: set[int] = set()
        self._bytes = 0

    def see(self, site: int, axis: int, z: Tensor) -> None:
        """Follow the way that `z` has come to a site; a site's ways must always be the same."""
        known = self._found.get(site)
        if known is not None and known.obstacle:
            return
        met = self._met[site] = self._met.get(site, 0) + 1
        if met > _ENOUGH and met % _SELDOM:
            return
        self._axes[site] = axis
        try:
            way = self._follow(site, axis, z)
        except _Obstacle as obstacle:
            way = Way(site, obstacle=str(obstacle))
        except (AttributeError, RuntimeError) as error:
            # What autograd's nodes tell is no promise of torch's.
            way = Way(site, obstacle=f"what torch does not tell ({error})")
        if known is not None and way != known:
            several = "an input that comes about in several ways"
            way = replace(known, obstacle=way.obstacle or several)
        self._found[site] = way

    def take(self) -> tuple[Way, ...]:
        """All ways."""
        return tuple(self._found.values())

    def weights(self) -> Iterator[LastWeights]:
        """The weights of the layers on plain ways, as they stand, on the host."""
        links = {link for way in self._found.values() if not way.obstacle for link in way.links}
        for layer in sorted(link.number for link in links if link.kind == "product"):
            kept = self._kept.get(layer)
            # Weights that are gathered from processes for a pass are freed after it.
            if kept is None or not kept.weight.untyped_storage().nbytes():
                yield LastWeights(layer, None, None, 0.0)
                continue
            units_first = kept.weight.movedim(kept.axis, 0)
            shaped = units_first.reshape(*units_first.shape[:2], -1)
            bias = None if kept.bias is None else kept.bias.float().cpu().numpy()
            weight = shaped.float().cpu().numpy()
            yield LastWeights(layer, weight, bias, _rounding(kept.weight))

    # -- a way ---------------------------------------------------------------------------------

    def _follow(self, site: int, axis: int, z: Tensor) -> Way:
        nodes, source = self._back(z)
        at = None if source is None else self._axes[source.site]
        shape = None if source is None else source.shape
        links: list[Link] = []
        for node in reversed(nodes):
            name, after = kind(node), _shape(node)
            if name in _PRODUCTS:
                links += self._product(name, node, at)
                at = 1
            elif shape is None or at is None:
                raise _Obstacle(_words(name))
            elif name in _RESHAPING:
                at, link = _reshaped(shape, at, after)
                links += link
            else:
                links += _pooled(name, node, shape, at)
            shape = after
        if at != axis or shape != z.shape:
            raise _Obstacle("an exchange of channels and positions")
        return Way(site, None if source is None else source.site, tuple(links))

    def _back(self, z: Tensor) -> tuple[list[Node], "_Source | None"]:
        """The nodes behind `z`, the last first, and the site before them; None for data."""
        nodes: list[Node] = []
        node: Node = z.grad_fn
        while len(nodes) < _LONGEST:
            if node is None:
                raise _Obstacle(_words("AccumulateGrad"))
            site = graph.site(node, self._by)
            if site is not None:
                return nodes, _Source(site, _shape(node))
            name = kind(node)
            if name not in _PRODUCTS and name not in _RESHAPING | _POOLING.keys() | {_MEAN}:
                raise _Obstacle(_words(name))
            nodes.append(node)
            behind = node.next_functions[_PRODUCTS[name][0] if name in _PRODUCTS else 0][0]
            if behind is None and name in _PRODUCTS:
                return nodes, None
            node = behind
        raise _Obstacle("a long way without an activation")

    def _product(self, name: str, node: Node, at: int | None) -> Iterator[Link]:
        if at not in (1, None):
            raise _Obstacle("an exchange of channels and positions")
        _, of_weight, of_bias = _PRODUCTS[name]
        edges = [behind for behind, _ in node.next_functions]
        weight, turned = _parameter(edges[of_weight])
        bias = None
        if of_bias is not None and edges[of_bias] is not None:
            bias, _ = _parameter(edges[of_bias])
        if name == "ConvolutionBackward":
            if node._saved_transposed:
                raise _Obstacle("a transposed convolution")
            if bias is None and node._saved_bias_sym_sizes_opt is not None:
                raise _Obstacle("a bias that is not trained")
            if any(node._saved_padding) or (at is None and _may_be_padded(node, weight)):
                yield Link("zero", 0)
        if name == "AddmmBackward" and (
            bias is None or (node._saved_alpha, node._saved_beta) != (1, 1)
        ):
            raise _Obstacle("a sum with what is no trained bias")
        axis = 0 if turned or weight.dim() > 2 else 1
        units = weight.shape[axis]
        if bias is not None and tuple(bias.shape) != (units,):
            raise _Obstacle("a sum with what is no trained bias")
        if not self._layers.watched(weight):
            raise _Obstacle("a layer that is not watched")
        layer = self._layers.of(weight, axis, bias).definition.index
        self._keep(layer, _Kept(weight.data, None if bias is None else bias.data, axis))
        yield Link("product", layer)

    def _keep(self, layer: int, kept: _Kept) -> None:
        """Have the weights as they are when last seen, though the script drops its model."""
        if layer not in self._kept:
            size = 4 * kept.weight.numel()
            if layer in self._left_out or self._bytes + size > MOST_BYTES:
                self._left_out.add(layer)
                return
            self._bytes += size
        self._kept[layer] = kept


class _Source(NamedTuple):
    site: int
    shape: torch.Size


def _shape(node: Node) -> torch.Size:
    """Of the tensor that a node made."""
    return torch.Size(node._input_metadata[0].shape)


def _words(name: str) -> str:
    return _WORDS.get(name, name.removesuffix("Backward"))


def _parameter(node: Node) -> tuple[Tensor, bool]:
    """The parameter that is multiplied with or added as it stands, and whether it is turned."""
    if node is None:
        raise _Obstacle("a layer that is not trained")
    turned = kind(node) == "TBackward"
    if turned:
        node = node.next_functions[0][0]
    if node is None or kind(node) != "AccumulateGrad":
        raise _Obstacle("weights that are computed, or of another precision")
    parameter: Tensor = node.variable
    if type(parameter) not in (Tensor, nn.Parameter):
        raise _Obstacle("weights that are spread over processes")
    if parameter.dtype not in (torch.float32, torch.float64):
        raise _Obstacle("arithmetic of low precision")
    return parameter, turned


def _may_be_padded(node: Node, weight: Tensor) -> bool:
    """Whether data may have been padded on one side, which leaves no trace: by `padding="same"`.

    That pads a kernel of two on one side, and a larger one on both.
    """
    sizes = zip(weight.shape[2:], node._saved_dilation, strict=True)
    return any(dilation * (size - 1) == 1 for size, dilation in sizes)


def _reshaped(before: torch.Size, axis: int, after: torch.Size) -> tuple[int, list[Link]]:
    """Which dimension numbers the channels now, and what has become of each.

    What lies before that dimension must be as much as before: then each of the new channels is a
    part of an old one, or made of whole ones.
    """
    examples, channels = prod(before[:axis]), before[axis]
    fitting = [at for at in range(len(after)) if prod(after[:at]) == examples]
    for at in sorted(fitting, key=lambda at: (after[at] != channels, after[at] < channels)):
        if after[at] == channels:
            return at, []
        if after[at] % channels == 0:
            return at, [Link("repeat", after[at] // channels)]
        if channels % after[at] == 0:
            return at, [Link("join", channels // after[at])]
    raise _Obstacle("a change of shape across examples")


def _pooled(name: str, node: Any, shape: torch.Size, axis: int) -> list[Link]:
    """What pooling does to a channel, of positions in dimensions after it."""
    if name == _MEAN:
        dims = getattr(node, "_saved_dim", None)
        over = [] if dims is None else sorted(_signed(dim) % len(shape) for dim in dims)
        if not over or over[0] <= axis:
            raise _Obstacle("a mean over channels")
        return [Link("average", prod(shape[dim] for dim in over))]
    if axis >= len(shape) - _POOLING[name]:
        raise _Obstacle("pooling over channels")
    if "Avg" not in name:
        return []
    if not name.startswith("Avg"):
        return [Link("average", prod(shape[axis + 1 :]))]
    if node._saved_divisor_override is not None:
        raise _Obstacle("pooling with a divisor of its own")
    # One number stands for all dimensions.
    average = Link("average", max(node._saved_kernel_size) ** _POOLING[name])
    return [Link("zero", 0), average] if any(node._saved_padding) else [average]


def _signed(dim: int) -> int:
    """Autograd keeps dimensions that count from the end as unsigned numbers."""
    return dim - (1 << 64) if dim >= 1 << 63 else dim


def _rounding(weight: Tensor) -> float:
    """The unit roundoff of products with it; elsewhere than here they may be in half precision."""
    exact = weight.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
    return 2.0**-24 if exact else 2.0**-8
