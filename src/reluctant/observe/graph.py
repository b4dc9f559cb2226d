"""Reads the autograd graph: which weight layer feeds an activation, and which sites feed that."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor

# Nodes that multiply by a weight. Told by the names autograd gives them, less the number.
_PRODUCTS = frozenset(
    "AddmmBackward MmBackward LinearBackward ConvolutionBackward MkldnnLinearBackward "
    "BaddbmmBackward BmmBackward MvBackward AddmvBackward ConvolutionOverrideableBackward "
    "MkldnnConvolutionBackward SqueezedLinearBackward AddbmmBackward".split()
)
# Nodes that are a whole recurrent network: on a GPU, where the CPU has a node for each product.
_RECURRENT = frozenset("CudnnRnnBackward MiopenRnnBackward".split())
# What such a node calls an LSTM, whose output is the product of two activations.
_LSTM = 2
# Nodes that a weight may pass on its way into a product: a transpose, a cast, a
# parametrisation, a map that keeps it positive or within bounds. Of a dozen such steps at most.
_ON_THE_WAY = frozenset(
    "TBackward TransposeBackward PermuteBackward ToCopyBackward ViewBackward ReshapeAliasBackward "
    "UnsafeViewBackward ExpandBackward UnsqueezeBackward SqueezeBackward CloneBackward "
    "WeightNormInterfaceBackward DivBackward MulBackward AddBackward SubBackward AliasBackward "
    "NumpyTBackward MHBackward MTBackward SoftplusBackward ExpBackward AbsBackward PowBackward "
    "SigmoidBackward TanhBackward ReluBackward ClampBackward ClampMinBackward "
    "SoftmaxBackward".split()
)
_TURNS = frozenset("TBackward TransposeBackward NumpyTBackward MTBackward".split())
_LEAF = "AccumulateGrad"

# Nodes that change the shape of their input alone, and those that squash it.
_RESHAPING = frozenset(
    "ViewBackward ReshapeAliasBackward UnsafeViewBackward SqueezeBackward UnsqueezeBackward "
    "TransposeBackward PermuteBackward TBackward CloneBackward ToCopyBackward AliasBackward "
    "SelectBackward SliceBackward".split()
)
_SQUASHING = {
    "SoftmaxBackward": "softmax",
    "LogSoftmaxBackward": "log_softmax",
    "SigmoidBackward": "sigmoid",
}

# How many nodes a search visits before it gives up: a block of an ordinary network has a dozen.
_PATIENCE = 256
_WHOLE_GRAPH = 100_000
_MARK = "reluctant"

Node = Any  # torch.autograd.graph.Node, whose stubs lack what is read here


class Feed(NamedTuple):
    """The product that an activation's input comes from.

    `weight` is its parameter, `axis` the dimension of it that numbers the units, `inputs` the
    nodes of what it was multiplied with.
    """

    weight: Tensor
    axis: int
    bias: Tensor | None
    inputs: tuple[Node, ...]


def kind(node: Node) -> str:
    """A node's name less its number: `AddmmBackward0` is `AddmmBackward`."""
    return str(node.name()).rsplit("::", 1)[-1].rstrip("0123456789")


def mark(output: Tensor, site: int, by: object) -> None:
    """Note on the node that made `output` that it is the activation of this site.

    Several may look at one graph, each with numbers of its own: `by` is whose this is.
    """
    if output.grad_fn is not None:
        node: Node = output.grad_fn
        node.metadata.setdefault(_MARK, {})[id(by)] = site


def site(node: Node, by: object) -> int | None:
    """The site that `by` has marked this node as the activation of."""
    found: int | None = node.metadata.get(_MARK, {}).get(id(by))
    return found


def _nearest(
    starts: Iterable[Node], stop: Callable[[Node], bool], patience: int = _PATIENCE
) -> Iterator[Node]:
    """The nodes behind `starts`, nearest first, without going behind one that `stop` holds for."""
    waiting = deque(starts)
    seen = set(waiting)
    while waiting and len(seen) < patience:
        node = waiting.popleft()
        yield node
        if stop(node):
            continue
        for behind, _ in node.next_functions:
            if behind is not None and behind not in seen:
                seen.add(behind)
                waiting.append(behind)


def feed(tensor: Tensor) -> Feed | None:
    """The nearest product with a parameter behind `tensor`.

    Does not look behind another activation, nor through an attention's product of activations.
    """
    if tensor.grad_fn is None:
        return None

    def stop(node: Node) -> bool:
        return _MARK in node.metadata or kind(node) in _PRODUCTS | _RECURRENT

    products = (_product(node) for node in _nearest([tensor.grad_fn], stop))
    return next((found for found in products if found is not None), None)


def parameter(weight: Tensor) -> Tensor | None:
    """The leaf that a product's weight is, or is computed from."""
    if weight.is_leaf:
        return weight
    found = _leaf(weight.grad_fn)
    return None if found is None else found[0]


def leaves(node: Node) -> Iterator[Tensor]:
    """The leaves that ask for a gradient and that this node was computed from."""
    for behind in _nearest([node], lambda at: False, patience=_WHOLE_GRAPH):
        if kind(behind) == _LEAF:
            yield behind.variable


def products(loss: Tensor) -> Iterator[Feed]:
    """Every product with a parameter that `loss` was computed by, the nearest first."""
    if loss.grad_fn is not None:
        nodes = _nearest([loss.grad_fn], lambda node: False, patience=_WHOLE_GRAPH)
        yield from filter(None, map(_product, nodes))


def sites_behind(inputs: Iterable[Node], by: object) -> set[int]:
    """The sites that `by` marked behind these nodes with no other weight layer between."""

    def stop(node: Node) -> bool:
        return _MARK in node.metadata or _product(node) is not None

    marks = (node.metadata.get(_MARK, {}).get(id(by)) for node in _nearest(inputs, stop))
    return {site for site in marks if site is not None}


def squashed(output: Tensor, by: object) -> tuple[int | None, str]:
    """What `output` comes out of, but for a change of shape: the site that `by` marked, or a name.

    The name is `softmax`, `log_softmax`, `sigmoid`, or '' if it is none of these.
    """
    node: Node = output.grad_fn
    for _ in range(12):
        if node is None:
            break
        if id(by) in node.metadata.get(_MARK, {}):
            return node.metadata[_MARK][id(by)], ""
        name = kind(node)
        if name in _SQUASHING:
            return None, _SQUASHING[name]
        if name not in _RESHAPING:
            break
        node = node.next_functions[0][0] if node.next_functions else None
    return None, ""


def _product(node: Node) -> Feed | None:
    name = kind(node)
    if name not in _PRODUCTS and (name not in _RECURRENT or node._saved_mode == _LSTM):
        return None
    edges = [behind for behind, _ in node.next_functions if behind is not None]
    leaves = {edge: leaf for edge in edges if (leaf := _leaf(edge)) is not None}
    weights = [edge for edge, (tensor, _) in leaves.items() if tensor.dim() >= 2]
    if name in _RECURRENT:
        # The last is what the last layer makes of its own state; a state itself has three
        # dimensions.
        weights = [edge for edge in weights if leaves[edge][0].dim() == 2]
    if not weights:
        return None
    # Where input and weight are both leaves (an input whose gradient is asked for), the weight
    # is the later operand.
    weight, turned = leaves[weights[-1]]
    biases = [edge for edge, (tensor, _) in leaves.items() if tensor.dim() == 1]
    inputs = tuple(edge for edge in edges if edge is not weights[-1] and edge not in biases)
    bias = leaves[biases[0]][0] if biases else None
    return Feed(weight, _axis(name, weight, turned, node), bias, inputs)


def _axis(name: str, weight: Tensor, turned: bool, node: Node) -> int:
    if "Convolution" in name:
        return 1 if getattr(node, "_saved_transposed", False) else 0
    if "Linear" in name or name in _RECURRENT:
        return 0
    # x @ W has its units in the last dimension of W; F.linear turns the weight first.
    return weight.dim() - 2 if turned else weight.dim() - 1


def _leaf(node: Node) -> tuple[Tensor, bool] | None:
    """The parameter at the end of a chain of transposes and casts, and whether it was turned."""
    turned = False
    for _ in range(12):
        name = kind(node)
        if name == _LEAF:
            return node.variable, turned
        if name not in _ON_THE_WAY or _MARK in node.metadata:
            return None
        turned ^= name in _TURNS
        behind = [edge for edge, _ in node.next_functions if edge is not None]
        if not behind:
            return None
        # A parametrisation joins several tensors; the weight proper comes first.
        node = behind[0]
    return None
