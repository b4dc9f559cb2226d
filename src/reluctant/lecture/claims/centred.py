"""Outputs that are never negative have a mean above zero, and what that does through depth."""

from statistics import fmean
from typing import TYPE_CHECKING

import torch

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, below
from reluctant.lecture.data import images
from reluctant.lecture.interval import Interval
from reluctant.lecture.networks import hidden, plain
from reluctant.report.strokes import strokes

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_FUNCTIONS = ("relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu", "silu")


@torch.no_grad()
def experiment(seed: int, data: str, count: int, width: int, depth: int) -> Numbers:
    """The mean of what layers give, and how far off zero what the next is fed lies."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name in _FUNCTIONS:
        generator = torch.Generator().manual_seed(seed)
        x, means = found.inputs, []
        for place, (layer, function) in enumerate(
            hidden(plain(name, depth, width, found, generator, "usual")), start=1
        ):
            z = layer(x)
            x = function(z)
            means.append(float(x.mean() / x.square().mean().sqrt()))
            # The share of a pre-activation's square that is the same for all images.
            numbers[f"{name}/shift/{place}"] = float(z.mean(0).square().mean() / z.square().mean())
        numbers[f"{name}/output"] = fmean(means)
    return numbers


def _depth(samples: Samples) -> int:
    return sum(name.startswith("relu/shift/") for name in samples.seeds[0])


def answers(samples: Samples) -> list[Answer]:
    """At the outputs of all layers, and at the input of the last."""
    last = _depth(samples)
    output, shift = "mean output by its root mean square, ", "share of a unit's input "
    shift += f"to layer {last} that is the same for all images, "
    return [
        above(f"{output}ReLU", samples.mean("relu/output"), 0.1),
        below(f"{output}tanh", samples.mean("tanh/output"), 0.1),
        above(f"{shift}ReLU, beyond tanh's", _beyond(samples, "relu", "tanh", last), 0.0),
        below(f"{shift}ELU, beyond ReLU's", _beyond(samples, "elu", "relu", last), 0.0),
    ]


def _beyond(samples: Samples, name: str, other: str, layer: int) -> Interval:
    return samples.minus(f"{name}/shift/{layer}", f"{other}/shift/{layer}")


def draw(samples: Samples, axes: "Axes") -> None:
    """A line a function, layer by layer."""
    from reluctant.report.pictures import legend

    places = list(range(1, _depth(samples) + 1))
    for name, stroke in zip(_FUNCTIONS, strokes(len(_FUNCTIONS)), strict=True):
        means = [samples.mean(f"{name}/shift/{place}").mean for place in places]
        axes.plot(places, means, label=name, **stroke._asdict(), markersize=5)
    axes.set_ylim(0, 1)
    axes.set_xlabel("hidden layer")
    axes.set_ylabel("share of a unit's input that\nis the same for all images")
    legend(axes)


CENTRED = Claim(
    name="centred",
    statement="A drawback: ReLU is not zero-centred.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units before any training, "
    "weights as is usual with each function.",
    quick={"data": "digits", "count": 1000, "width": 64, "depth": 10},
    full={"data": "fashion", "count": 2000, "width": 128, "depth": 20},
    experiment=experiment,
    answers=answers,
    draw=draw,
)
