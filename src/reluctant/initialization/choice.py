"""What each layer is to begin with, and why: a scheme as asked for, or what suits the network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite, sqrt
from typing import Literal, get_args

from reluctant.activations import Activation
from reluctant.activations.gains import (
    backward_gain,
    forward_gain,
    is_odd,
    lasting_gain,
)
from reluctant.calls import Call
from reluctant.initialization.network import Layer, Network
from reluctant.words import plural

Mode = Literal["forward", "backward", "both"]
MODES: tuple[Mode, ...] = get_args(Mode)

# A plain network of more layers than this loses something of its signal or its gradient with
# weights that are independent of one another.
SHALLOW = 3


@dataclass(frozen=True)
class Choice:
    """What a layer begins with.

    `kind` is "normal", "orthogonal" or "mirrored"; `gain` the factor on weights that would keep the
    second moment of what they are multiplied with, and `fan` the number that the variance of
    independent weights is one over. `paired` says that it reads mirrored pairs.
    """

    kind: str
    gain: float
    why: str
    fan: float = 1.0
    paired: bool = False

    @property
    def pairs(self) -> bool:
        """Whether its units are to be mirrored pairs."""
        return self.kind == "mirrored"


Choices = dict[Layer, Choice]
Scheme = Callable[[Network, Mode], Choices]


def he(network: Network, mode: Mode) -> Choices:
    """Independent weights by what each layer reads (He et al. 2015, arXiv 1502.01852)."""
    return {layer: _independent(layer, mode) for layer in network.layers}


def xavier(network: Network, mode: Mode) -> Choices:
    """Variance 2 / (fan_in + fan_out), whatever the function (Glorot and Bengio 2010)."""
    why = "whatever the function"
    return {layer: Choice("normal", 1.0, why, sum(layer.fans) / 2) for layer in network.layers}


def lecun(network: Network, mode: Mode) -> Choices:
    """Variance 1 / fan_in, whatever the function (LeCun et al. 1998, Efficient BackProp)."""
    why = "whatever the function"
    return {layer: Choice("normal", 1.0, why, layer.fans[0]) for layer in network.layers}


def orthogonal(network: Network, mode: Mode) -> Choices:
    """Orthogonal matrices, with the same gains (Saxe et al. 2014, arXiv 1312.6120)."""
    return {layer: Choice("orthogonal", *_gain(layer.reads, mode)) for layer in network.layers}


def mirrored(network: Network, mode: Mode) -> Choices:
    """[[W, -W], [-W, W]], orthogonal W (Balduzzi et al. 2017, arXiv 1702.08591, section 4).

    Where a function stands between two layers and nothing else; orthogonal elsewhere.
    """
    read = {layer.source for layer in network.layers}
    mirrored = {at for at in network.layers if at in read and _may_be_mirrored(at, network)}
    chosen = {}
    for layer in network.layers:
        kind = "mirrored" if layer in mirrored else "orthogonal"
        paired = layer.source in mirrored and layer.groups == 1
        if layer.reads is not None and (paired or _is_odd(layer.reads)):
            gain, size = _lasting(layer.reads, network.depth)
            how = "reads pairs of {} as one number" if paired else "reads {}"
            why = how.format(_named(layer.reads))
            if size < 1:
                why += f", of inputs of deviation {size:.2g}, where it is nearly straight"
            chosen[layer] = Choice(kind, gain, why, paired=paired)
        elif layer.reads is None and layer.feeds and (layer in mirrored or _is_odd(layer.feeds)):
            _, size = _lasting(layer.feeds, network.depth)
            chosen[layer] = Choice(kind, size, "reads no function's output")
        else:
            chosen[layer] = Choice(kind, *_gain(layer.reads, mode))
    return chosen


def auto(network: Network, mode: Mode) -> Choices:
    """Mirrored in deep plain networks, otherwise He's, each branch's last layer scaled down."""
    if network.is_plain and network.depth > SHALLOW:
        return mirrored(network, mode)
    chosen = he(network, mode)
    if network.branches > 1:
        share = 1 / sqrt(network.branches)
        for layer, one in chosen.items():
            if layer.ends and not layer.normalised:
                why = (
                    f"{one.why}; times {share:.3g}, for it ends one of {network.branches} branches"
                )
                chosen[layer] = replace(one, gain=one.gain * share, why=why)
    return chosen


def lasting(network: Network) -> Choices:
    """`mirrored`, where it keeps signal and gradient through all of the network; else nothing.

    What a function makes of zero is what all inputs have in common behind it: to keep that small is
    a matter of the data.
    """
    alone = all(count == 1 for count in network.uses.values())
    if not (network.is_plain and network.depth > SHALLOW and alone):
        return {}
    through = [call for at in network.layers for call in (at.reads, at.feeds) if call is not None]
    if not through or not all(at.keeps_zero and _lasts(at, network) for at in through):
        return {}
    return mirrored(network, "forward")


def recurrent(network: Network) -> tuple[Choices, dict[int, float]]:
    """What states that go round many times begin with, and the deviation of tables, by their ids.

    With orthogonal weights a state keeps its size, and with it the gradient through time (Saxe et
    al. 2014, arXiv 1312.6120). What it is fed adds up turn by turn, and is to be no larger at the
    end than the function bears that often.
    """
    layers = {id(layer.weight): layer for layer in network.layers}
    chosen: Choices = {}
    tables: dict[int, float] = {}
    for state in network.states:
        if state.turns <= SHALLOW or not (_is_odd(state.function) and state.function.keeps_zero):
            continue
        _, deviation = _lasting(state.function, state.turns)
        size = deviation / sqrt(state.turns)
        for weight in state.loops:
            chosen[layers[id(weight)]] = Choice("orthogonal", 1.0, "reads what came of it before")
        for weight in state.fed:
            why = f"feeds a state, {state.turns} times"
            if id(weight) in layers:
                chosen[layers[id(weight)]] = Choice("orthogonal", size, why)
            else:
                tables[id(weight)] = size
    return chosen, tables


SCHEMES: dict[str, Scheme] = {
    "auto": auto,
    "he": he,
    "xavier": xavier,
    "lecun": lecun,
    "orthogonal": orthogonal,
    "mirrored": mirrored,
}


def because(network: Network) -> str:
    """What `auto` made its choice by, and the choice: a sentence or two."""
    calls = {_named(at.activation): at.activation for at in network.nodes if at.activation}
    size = (
        f"{plural(network.depth, 'layer')} deep, {', '.join(calls) or 'no function that is known'}"
    )
    if network.is_plain and network.depth > SHALLOW:
        lost = ", ".join(name for name, call in calls.items() if not _lasts(call, network))
        return (
            f"A plain network, {size}: mirrored or orthogonal weights, with which it begins as "
            "nearly a linear map, and neither signal nor gradient changes its size through depth."
            + (f" But none do so through {lost}, which gets the gain of one layer." if lost else "")
        )
    if network.is_plain:
        return f"A plain network, only {size}: independent weights by what each layer reads."
    parts = []
    if network.is_normalised:
        parts.append("normalised, so that the size of weights matters little: He's")
    else:
        parts.append("not normalised: He's, by what each layer reads")
    if network.branches > 1:
        parts.append(
            f"{network.branches} branches are added up: the last layer of each that is not "
            "normalised is scaled down, so that the sum keeps its size"
        )
    return f"A network {size}; {'; '.join(parts)}."


def _independent(layer: Layer, mode: Mode) -> Choice:
    fan_in, fan_out = layer.fans
    if mode == "both":
        # The mean of both conditions, as Glorot and Bengio take it.
        forward, why = _gain(layer.reads, "forward")
        backward, _ = _gain(layer.reads, "backward")
        return Choice("normal", 1.0, why, (fan_in / forward**2 + fan_out / backward**2) / 2)
    return Choice("normal", *_gain(layer.reads, mode), fan_in if mode == "forward" else fan_out)


def _gain(reads: Call | None, mode: Mode) -> tuple[float, str]:
    """The gain for what a layer reads, and what that is."""
    if reads is None:
        return 1.0, "reads no function's output"
    activation, parameters = reads
    gains = {
        "forward": [forward_gain],
        "backward": [backward_gain],
        "both": [forward_gain, backward_gain],
    }[mode]
    squares = [gain(activation, **parameters) ** -2 for gain in gains]
    mean = sum(squares) / len(squares)
    if not isfinite(mean) or mean <= 0:
        return 1.0, f"reads {_named(reads)}, which lets nothing through"
    return 1 / sqrt(mean), f"reads {_named(reads)}"


def _may_be_mirrored(layer: Layer, network: Network) -> bool:
    if layer.feeds is None or layer.groups > 1 or layer.units < 2:
        return False
    readers = [at for at in network.layers if at.source is layer]
    alone = all(at.groups == 1 for at in readers) and network.uses[id(layer.weight)] == 1
    return alone and _lasts(layer.feeds, network) and not _is_odd(layer.feeds)


def _lasts(call: Call, network: Network) -> bool:
    return isfinite(_lasting(call, network.depth)[0])


def _is_odd(call: Call) -> bool:
    return is_odd(call.activation, **call.parameters)


def _lasting(call: Call, depth: int) -> tuple[float, float]:
    """The gain of a function, read in mirrored pairs unless it is odd, and the deviation."""
    return _known_lasting(call.activation, tuple(call.parameters.items()), depth)


@cache
def _known_lasting(
    of: Activation, parameters: tuple[tuple[str, float], ...], depth: int
) -> tuple[float, float]:
    values = dict(parameters)
    return lasting_gain(of, depth, not is_odd(of, **values), **values)


def _named(call: Call) -> str:
    values = ", ".join(f"{value:.3g}" for value in call.parameters.values())
    return f"{call.activation.name}({values})" if values else call.activation.name
