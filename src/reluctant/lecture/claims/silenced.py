"""Units that are made to be negative on every image: whether they stay so, and which return."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, exactly, measured
from reluctant.lecture.data import Images, images
from reluctant.lecture.networks import hidden, plain, train
from reluctant.report.strokes import BLUE, VERMILION

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

# In standard deviations of what goes into a unit: how far below zero its largest input is.
_MARGIN = 0.1


@torch.no_grad()
def silence(model: nn.Sequential, found: Images, at: int) -> Tensor:
    """Take so much off the biases of every fourth unit of hidden layer `at` that none ever fires.

    Returns:
        (units,) which.
    """
    x = found.inputs
    for place, (layer, function) in enumerate(hidden(model)):
        z = layer(x)
        if place == at:
            chosen = torch.arange(layer.out_features) % 4 == 0
            layer.bias.sub_(torch.where(chosen, z.amax(0) + _MARGIN * z.std(), 0.0))
            return chosen
        x = function(z)
    raise IndexError(at)


@torch.no_grad()
def inputs(model: nn.Sequential, x: Tensor, at: int) -> Tensor:
    """What goes into the functions of hidden layer `at`."""
    for place, (layer, function) in enumerate(hidden(model)):
        z: Tensor = layer(x)
        if place == at:
            return z
        x = function(z)
    raise IndexError(at)


def _trained(
    function: str, at: int, seed: int, found: Images, width: int, depth: int, steps: int
) -> tuple[nn.Sequential, Tensor, float, float]:
    """A model with silenced units, which they are, their gradients' size, and how they moved."""
    generator = torch.Generator().manual_seed(seed)
    model = plain(function, depth, width, found, generator, "usual")
    chosen = silence(model, found, at)
    layer, _ = list(hidden(model))[at]
    F.cross_entropy(model(found.inputs), found.labels).backward()
    assert layer.weight.grad is not None
    gradient = float(layer.weight.grad[chosen].norm(dim=1).min())
    if function == "relu":
        gradient = float(layer.weight.grad[chosen].abs().max())
    before = layer.weight.detach().clone()
    train(model, found, steps=steps, rate=0.1, generator=generator, optimizer=torch.optim.SGD)
    moved = float((layer.weight.detach() - before)[chosen].abs().max())
    return model, chosen, gradient, moved


def _return(model: nn.Sequential, chosen: Tensor, at: int, x: Tensor) -> float:
    """The share of them, in per cent, that fires on one of these images."""
    return 100 * float((inputs(model, x, at) > 0).any(0)[chosen].float().mean())


def for_good(seed: int, data: str, count: int, width: int, depth: int, steps: int) -> Numbers:
    """ReLUs silenced in the first layer, or in the last, whose inputs go on changing."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name, at in (("first", 0), ("last", depth - 1)):
        model, chosen, gradient, moved = _trained("relu", at, seed, found, width, depth, steps)
        numbers[f"gradient/{name}"] = gradient
        numbers[f"moved/{name}"] = moved
        numbers[f"fire/{name}"] = _return(model, chosen, at, found.inputs)
        numbers[f"unseen/{name}"] = _return(model, chosen, at, found.test_inputs)
    return numbers


def for_good_answers(samples: Samples) -> list[Answer]:
    """The first layer's inputs stay what they are; the last one's do not."""
    of = samples.of
    again = "silenced units that fire again on what is learnt from (%), in the "
    return [
        exactly("largest gradient of a silenced unit's weights", of("gradient/first"), 0),
        exactly("largest change of such a weight, in the first layer", of("moved/first"), 0),
        exactly(f"{again}first layer", of("fire/first"), 0),
        exactly(f"{again}last layer", of("fire/last"), 0),
        measured(
            "silenced units of the first layer that fire on an image never seen (%)",
            samples.mean("unseen/first"),
        ),
    ]


def for_good_drawn(samples: Samples, axes: "Axes") -> None:
    """Who fires again, by layer, on what images."""
    kinds = {"fire": "learnt from", "unseen": "never seen"}
    for place, (kind, label) in enumerate(kinds.items()):
        heights = [samples.mean(f"{kind}/{name}").mean for name in ("first", "last")]
        xs = [at + 0.36 * (place - 0.5) for at in range(2)]
        color, hatch = ((BLUE, ""), (VERMILION, "//"))[place]
        bars = axes.bar(xs, heights, 0.34, color=color, hatch=hatch, label=f"images {label}")
        axes.bar_label(bars, fmt="%.1f")
    axes.set_xticks(range(2), ["first hidden layer", "last hidden layer"])
    axes.set_ylabel("silenced units that fire\nafter the training (%)")
    axes.legend(frameon=False)


SILENCED = Claim(
    name="silenced",
    statement="Weights and biases that give negative values for every input give zero output and "
    "zero derivative: the unit can no longer be trained and is lost for good.",
    setting="{data}, {count} images, {depth} hidden layers of {width} ReLUs; the biases of every "
    "fourth unit of a layer are lowered until it is off for all images that are learnt from, then "
    "{steps} steps of SGD at 0.1 in batches of 64.",
    quick={"data": "digits", "count": 1000, "width": 64, "depth": 3, "steps": 200},
    full={"data": "fashion", "count": 5000, "width": 128, "depth": 3, "steps": 1000},
    experiment=for_good,
    answers=for_good_answers,
    draw=for_good_drawn,
)

_LEAKING = ("relu", "leaky_relu", "prelu")


def returning(seed: int, data: str, count: int, width: int, depth: int, steps: int) -> Numbers:
    """The same in the first layer, of functions that let something of what is negative through."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name in _LEAKING:
        model, chosen, gradient, _ = _trained(name, 0, seed, found, width, depth, steps)
        numbers[f"gradient/{name}"] = gradient
        numbers[f"fire/{name}"] = _return(model, chosen, 0, found.inputs)
    return numbers


def returning_answers(samples: Samples) -> list[Answer]:
    """A gradient is one thing, a return another."""
    found = []
    for name, said in (("leaky_relu", "leaky ReLU, 0.01"), ("prelu", "PReLU, from 0.25")):
        smallest = f"smallest gradient of a silenced unit's weights, {said}"
        found.append(above(smallest, samples.mean(f"gradient/{name}"), 0))
        again = f"silenced units that fire again (%), {said}"
        found.append(above(again, samples.mean(f"fire/{name}"), 50))
    found.append(measured("silenced units that fire again (%), ReLU", samples.mean("fire/relu")))
    return found


def returning_drawn(samples: Samples, axes: "Axes") -> None:
    """Who returns, by function."""
    found = [samples.mean(f"fire/{name}") for name in _LEAKING]
    reach = [at.mean - at.low if at.low is not None else 0.0 for at in found]
    xs = range(len(_LEAKING))
    axes.bar(xs, [at.mean for at in found], 0.6, yerr=reach, capsize=4, color=BLUE)
    axes.set_xticks(xs, _LEAKING)
    axes.set_ylim(0, 105)
    axes.set_ylabel("silenced units that fire again (%)")


LEAKY = Claim(
    name="leaky",
    statement="With a leaky ReLU of 0.01 or a PReLU the derivative is never zero, so that units do "
    "not stay dead.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units; every fourth of the "
    "first layer is silenced as above, then {steps} steps of SGD at 0.1 in batches of 64. At least "
    "half of the silenced units have to return.",
    quick={"data": "digits", "count": 1000, "width": 64, "depth": 3, "steps": 400},
    full={"data": "fashion", "count": 5000, "width": 128, "depth": 3, "steps": 1000},
    experiment=returning,
    answers=returning_answers,
    draw=returning_drawn,
)
