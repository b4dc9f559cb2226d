"""Reads a model: which layers there are, what each of them reads, and what becomes of its units."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any

from torch import Tensor, nn

from reluctant.calls import PRODUCTS, Call, know_ours
from reluctant.initialization.nodes import Node, leaves
from reluctant.initialization.rehearsal import Inputs
from reluctant.initialization.tracing import passed, traced

# Calls that turn a weight's dimensions about.
_TURNING = frozenset("t transpose getattr __get__ permute swapaxes".split())

# Modules that wrap a model, and the attribute that holds it.
_WRAPPERS = {"DistributedDataParallel": "module", "DataParallel": "module"}
_WRAPPERS["OptimizedModule"] = "_orig_mod"


@dataclass(eq=False)
class Layer:
    """A product with a weight that trains: what it reads, and where it goes.

    `reads` is the function that what comes in has just been through, None if it is none, or the
    data; `feeds` the one that its units go through. `turned` says that the units are in the second
    dimension of the weight. `normalised` says that a normalisation is between it and its function
    or its branch's end, `ends` that it is the last of a branch that is added to another. `source`
    is the layer whose units it reads through that function and nothing else that matters.
    """

    node: Node
    weight: nn.Parameter
    bias: Tensor | None
    name: str
    turned: bool
    groups: int
    stride: int
    reads: Call | None = None
    feeds: Call | None = None
    normalised: bool = False
    ends: bool = False
    source: "Layer | None" = None

    @property
    def units(self) -> int:
        """How many units it has."""
        of_group = self.weight.shape[1 if self.turned else 0]
        return of_group * self.groups if self.turned else of_group

    @property
    def inputs(self) -> int:
        """How many features a unit reads, of those of all taps at one place."""
        return self.weight.shape[0] // self.groups if self.turned else self.weight.shape[1]

    @property
    def taps(self) -> int:
        """How many places a unit reads."""
        return prod(self.weight.shape[2:])

    @property
    def fans(self) -> tuple[float, float]:
        """How many numbers make one that comes out, and how many one goes into."""
        spread = self.taps / self.stride if self.turned else self.taps
        gathered = self.taps if self.turned else self.taps / self.stride
        return self.inputs * max(spread, 1), self.units / self.groups * max(gathered, 1)


@dataclass(frozen=True)
class State:
    """A state that is `turns` times the `function` of a sum: of its own product with the weights
    `loops`, and of what it is `fed` through these weights, or rows of these tables.
    """

    function: Call
    turns: int
    loops: tuple[nn.Parameter, ...]
    fed: tuple[nn.Parameter, ...]


@dataclass(frozen=True)
class Network:
    """The layers of a model, in the order of their first calls.

    `depth` is how many of them the longest way has, `branches` how many ways of more layers are
    added to others, `uses` how often each weight is used, by its id; `settled` are the ids of
    parameters that have been set or trained before.
    """

    layers: tuple[Layer, ...]
    nodes: tuple[Node, ...]
    depth: int
    branches: int
    uses: Mapping[int, int]
    settled: Collection[int] = ()

    @cached_property
    def embedded(self) -> frozenset[int]:
        """The ids of the parameters whose rows are looked up."""
        looked_up = [at for at in self.nodes if "embedding" in at.name]
        given = [leaves((at.args, at.kwargs)) for at in looked_up]
        own = [at.func.parameters() for at in looked_up if isinstance(at.func, nn.Module)]
        return frozenset(id(at) for at in chain(*given, *own) if isinstance(at, nn.Parameter))

    @cached_property
    def states(self) -> tuple["State", ...]:
        """The states that are computed again and again from themselves and what they are fed."""
        found: dict[frozenset[int], State] = {}
        for node in self.nodes:
            call = next((at.activation for at in node.readers if at.activation is not None), None)
            if not node.is_addition or call is None:
                continue
            terms = [_weight(at) for at in _terms(node)]
            known = [at for at in terms if at is not None]
            loops = [at for at in known if id(at) in self._rereading]
            if loops and len(known) == len(terms):
                key = frozenset(map(id, known))
                turns = max(self.uses[id(at)] for at in loops)
                fed = tuple(at for at in known if id(at) not in self._rereading)
                found.setdefault(key, State(call, turns, tuple(loops), fed))
        return tuple(found.values())

    @cached_property
    def _rereading(self) -> frozenset[int]:
        """The ids of weights that multiply what came of their own product before."""
        found = set()
        for node in self.nodes:
            weight = _weight(node) if node.func in PRODUCTS else None
            at, _ = _behind(_data_of(node)) if weight is not None else (None, False)
            if not isinstance(at, Node) or at.activation is None:
                continue
            if any(_weight(term) is weight for one in at.sources for term in _terms(one)):
                found.add(id(weight))
        return frozenset(found)

    def longest(self, function: str) -> int:
        """How many calls of a function there are on the way that has most."""
        counts: dict[Node, int] = {}
        for node in self.nodes:
            before = max((counts[at] for at in node.sources), default=0)
            call = node.activation
            counts[node] = before + (call is not None and call.activation.name == function)
        return max(counts.values(), default=0)

    @property
    def is_normalised(self) -> bool:
        """Whether anything is normalised."""
        return any(node.is_norm for node in self.nodes)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is normalised and no branches are added."""
        return not self.is_normalised and not self.branches


def bare(model: nn.Module) -> nn.Module:
    """The model without what torch wraps around one."""
    while type(model).__name__ in _WRAPPERS:
        model = getattr(model, _WRAPPERS[type(model).__name__])
    return model


def read(model: nn.Module, inputs: Inputs | None) -> Network:
    """The model's layers, in a pass with `inputs`, or, of None, by a trace.

    Raises:
        NotInitialized: a trace cannot follow the model.
    """
    nodes = traced(model) if inputs is None else passed(model, *inputs)
    return understand(nodes, {id(at): name for name, at in model.named_parameters()})


def understand(nodes: Sequence[Node], owners: Mapping[int, str]) -> Network:
    """The layers that some calls make up; `owners` are the names of what trains, by its id."""
    know_ours()
    layers: dict[int, Layer] = {}
    uses: dict[int, int] = {}
    reached: dict[Node, int] = {}
    of_node: dict[Node, Layer] = {}
    for node in nodes:
        layer = _layer(node, owners)
        before = max((reached[at] for at in node.sources), default=0)
        reached[node] = before + (layer is not None or node.has_weights)
        if layer is not None:
            key = id(layer.weight)
            layer.reads, layer.source = _read_by(node, of_node)
            of_node[node] = layers.setdefault(key, layer)
            uses[key] = uses.get(key, 0) + 1
    ends = {
        longer
        for node in nodes
        if node.is_addition
        for longer, other in (node.sources, node.sources[::-1])
        if reached[longer] > reached[other]
    }
    for layer in layers.values():
        _follow(layer, of_node, ends)
    depth = max(reached.values(), default=0)
    return Network(tuple(layers.values()), tuple(nodes), depth, len(ends), uses)


# -- layers -----------------------------------------------------------------------------------


def _layer(node: Node, owners: Mapping[int, str]) -> Layer | None:
    if node.func not in PRODUCTS or "addmm" in node.name:
        return None
    _, second, _ = PRODUCTS[node.func]
    weight, turned = _parameter(_argument(node, second, "weight"))
    if weight is None or weight.dim() < 2 or id(weight) not in owners:
        return None
    named = node.name == "linear" or "conv" in node.name
    if not named and weight.dim() != 2:
        return None
    bias = _argument(node, 2, "bias") if named else None
    transposed = "transpose" in node.name
    groups, steps = 1, (1,)
    if "conv" in node.name:
        groups, steps = _argument(node, 6, "groups", 1), _argument(node, 3, "stride", 1)
    stride = steps ** (weight.dim() - 2) if isinstance(steps, int) else prod(steps)
    return Layer(
        node,
        weight,
        bias if isinstance(bias, nn.Parameter) else None,
        owners[id(weight)].removesuffix(".weight"),
        # A linear layer's weight has its units first; x @ W has them last.
        turned=transposed or turned == named,
        groups=int(groups),
        stride=int(stride),
    )


def _argument(node: Node, place: int, name: str, default: Any = None) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _parameter(at: Any) -> tuple[nn.Parameter | None, bool]:
    """The parameter that an operand is, and whether it is transposed."""
    if isinstance(at, nn.Parameter):
        return at, False
    if isinstance(at, Node) and at.name in _TURNING and at.args:
        inner, turned = _parameter(at.args[0])
        return inner, not turned
    return None, False


def _weight(at: Any) -> nn.Parameter | None:
    """What a product multiplies by, or a lookup looks up in, behind what carries channels."""
    node, _ = _behind(at)
    if not isinstance(node, Node):
        return None
    if node.func in PRODUCTS:
        return _parameter(_argument(node, PRODUCTS[node.func][1], "weight"))[0]
    if "embedding" not in node.name:
        return None
    own = node.func.parameters() if isinstance(node.func, nn.Module) else ()
    given = leaves((node.args, node.kwargs))
    return next((at for at in chain(own, given) if isinstance(at, nn.Parameter)), None)


def _terms(node: Node) -> Iterator[Node]:
    """What an addition adds up, those of additions that are for it alone too; else itself."""
    left = [node]
    while left:
        at = left.pop()
        if at.is_addition and (at is node or len(at.readers) == 1):
            left += at.sources
        else:
            yield at


def _data_of(node: Node) -> Any:
    first, _, _ = PRODUCTS[node.func]
    return _argument(node, first, "input")


def _read_by(node: Node, of_node: Mapping[Node, Layer]) -> tuple[Call | None, Layer | None]:
    """The function that a product's input comes out of, and the layer behind it.

    Of several inputs side by side the first tells the function, and there is no one layer.
    """
    at, alone = _behind(_data_of(node))
    call = at.activation if isinstance(at, Node) else None
    if not isinstance(at, Node) or call is None:
        return None, None
    layer, too = _behind(at.sources[0] if at.sources else None)
    whole = alone and too and isinstance(layer, Node)
    return call, of_node.get(layer) if whole else None


def _behind(at: Any) -> tuple[Any, bool]:
    """The call behind those that carry channels, and whether it is all that they carry."""
    alone = True
    while isinstance(at, Node) and (at.carries or at.joins) and at.sources:
        alone &= at.carries
        at = at.sources[0]
    return at, alone


def _follow(layer: Layer, of_node: Mapping[Node, Layer], ends: Collection[Node]) -> None:
    """Find what the units of a layer go through, up to the next layer or the end of a branch."""
    at = layer.node
    while at not in ends and len(at.readers) == 1:
        at = at.readers[0]
        if at in of_node or at.is_addition:
            return
        layer.feeds = layer.feeds or at.activation
        layer.normalised |= at.is_norm
    layer.ends = at in ends
