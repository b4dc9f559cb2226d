"""`initialize(model)`: weights to begin with, by what the model computes."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reluctant.errors import NotInitialized, WrongArgument
from reluctant.initialization.choice import MODES, SCHEMES, Mode, because
from reluctant.initialization.initialized import Initialized, Left, Setting
from reluctant.initialization.left import left, obstacle
from reluctant.initialization.network import Layer, Network, bare, read
from reluctant.initialization.passing import Restart
from reluctant.initialization.rehearsal import (
    Inputs,
    copied,
    inputs_of,
    make_lazy_layers,
    undone,
)
from reluctant.initialization.schemes import AUTO, DATA, NAMES
from reluctant.initialization.weights import set_weights


def initialize(
    model: nn.Module,
    scheme: str = AUTO,
    *,
    mode: Mode = "forward",
    inputs: Any = None,
    generator: torch.Generator | None = None,
) -> Initialized:
    """Set the weights of all layers for the functions that the model uses, and biases to zero.

    Layers are linear ones, convolutions and products with a parameter, in modules or in the code of
    `forward`. What each reads, and whether the model is deep, normalised or has branches, is
    traced with torch.fx, or in a pass with `inputs` after which nothing else has changed. Whatever
    is not understood is left as it is, and named.

    Schemes, each after what a layer reads: `he`, `xavier` and `lecun` draw independent weights;
    `orthogonal` and `mirrored` matrices that keep the size of what they multiply, the latter in
    pairs of opposite sign, of which rectifiers pass on what went in; `data` fits each layer to what
    the layers before it make of `inputs` (after LSUV, arXiv 1511.06422); `auto` takes `mirrored`
    for plain networks of more than three layers and `he` for others, where the last layer of a
    residual branch is scaled down.

    Args:
        model: changed in place.
        scheme: one of these.
        mode: of `he` and `orthogonal`, whether the size of the signal is kept, that of the
            gradient, or both as well as can be. They differ unless a function is a rectifier.
        inputs: a batch: the argument of `model`, a tuple of arguments, or a mapping of names.
        generator: of all that is drawn, on the CPU; None for one of its own with seed 0.

    Returns:
        What each layer was given and why, and what was left; it prints well.

    Raises:
        WrongArgument: there is no such scheme or mode, or `data` has no batch.
        NotInitialized: the model cannot be traced and there is no batch, or nothing can be set.
    """
    if scheme not in NAMES:
        raise WrongArgument(f"There is no scheme {scheme!r}.", f"Choose one of {', '.join(NAMES)}.")
    if mode not in MODES:
        raise WrongArgument(f"There is no mode {mode!r}.", f"Choose one of {', '.join(MODES)}.")
    if scheme == DATA and inputs is None:
        raise WrongArgument(
            "Without a batch there are no data to fit layers to.",
            "Give one: initialize(model, 'data', inputs=batch).",
        )
    given = None if inputs is None else inputs_of(inputs)
    generator = generator or torch.Generator().manual_seed(0)
    return begin(model, scheme, mode, given, generator)


def begin(
    model: nn.Module,
    scheme: str,
    mode: Mode,
    inputs: Inputs | None,
    generator: torch.Generator,
    settled: Collection[int] = (),
) -> Initialized:
    """`initialize`, all arguments being there; the parameters with ids in `settled` stay."""
    model = bare(model)
    network = replace(understood(model, inputs), settled=settled)
    rest = left(model, network)
    able = tuple(at for at in network.layers if obstacle(at.weight, network) is None)
    if not able:
        why = "; ".join(why for why, _ in rest) or "the model has no parameters"
        raise NotInitialized.because(why, "Give a model with weights that train.")
    if scheme == DATA and inputs is not None:
        return _fit(model, inputs, able, generator, rest)
    chosen = SCHEMES[scheme](replace(network, layers=able), mode)
    for layer in able:
        set_weights(layer, chosen[layer], generator)
    settings = tuple(
        Setting(at.name, chosen[at].kind, chosen[at].gain, chosen[at].why) for at in able
    )
    reason = because(network) if scheme == AUTO else f"As asked for: {scheme}, {mode}."
    return Initialized(reason, settings, rest)


def understood(model: nn.Module, inputs: Inputs | None = None) -> Network:
    """What the model computes, in a pass with `inputs`, or of None by a trace.

    Raises:
        NotInitialized: the model is sharded; or it cannot be traced, or has layers whose sizes are
            not known, and there is no batch.
    """
    sharded = next((at for at in model.modules() if _is_sharded(at)), None)
    if sharded is not None:
        raise NotInitialized.because(
            f"{type(sharded).__name__} is sharded, and each process holds a part of the weights",
            "Initialize the model before it is sharded.",
        )
    lazy = any(is_lazy(at) for at in (*model.parameters(), *model.buffers()))
    if lazy and inputs is None:
        raise NotInitialized.because(
            "the model has lazy layers, whose sizes are not known yet",
            "Give a batch: initialize(model, inputs=batch).",
        )
    if lazy and inputs is not None:
        make_lazy_layers(model, inputs)
    with undone(model):
        return read(model, None if inputs is None else copied(inputs))


def _is_sharded(module: nn.Module) -> bool:
    names = {at.__name__ for at in type(module).__mro__}
    return bool(names & {"FSDPModule", "FullyShardedDataParallel"})


def _fit(
    model: nn.Module,
    inputs: Inputs,
    able: tuple[Layer, ...],
    generator: torch.Generator,
    rest: Left,
) -> Initialized:
    """Layer by layer on a batch."""
    wanted = {id(layer.weight) for layer in able}
    rectified = {id(at.weight) for at in able if _is_rectified(at)}
    seed, other = torch.randint(2**62, (2,), generator=generator, device=generator.device).tolist()
    restart = Restart(lambda at: id(at) in wanted, lambda at: id(at) in rectified, seed)
    args, kwargs = copied(inputs)
    # What the pass draws itself, as dropout does, is part of what layers are fitted to.
    with undone(model, other), restart:
        model(*args, **kwargs)
    if restart.failure is not None:
        raise restart.failure
    done = {id(at) for at in restart.done}
    if not done:
        raise NotInitialized.because(
            "what comes in is not finite, or no layer was met in the pass", "Look at the batch."
        )
    settings = tuple(
        Setting(
            at.name,
            "mirrored" if id(at.weight) in rectified else "orthogonal",
            None,
            "fitted to what comes in",
        )
        for at in able
        if id(at.weight) in done
    )
    missed = tuple(at.name for at in able if id(at.weight) not in done)
    if missed:
        rest = (*rest, ("not fitted: what came in was not finite, or no batch", missed))
    return Initialized("Fitted layer by layer to the batch.", settings, rest)


def _is_rectified(layer: Layer) -> bool:
    return layer.feeds is not None and layer.feeds.activation.switches_off
