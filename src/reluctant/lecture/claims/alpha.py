"""What slopes PReLU learns, layer by layer."""

from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import nn

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, measured
from reluctant.lecture.data import images
from reluctant.lecture.networks import accuracy, hidden, plain, train
from reluctant.report.strokes import BLUE

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

# Where torch's PReLU begins.
_BEGIN = 0.25


def experiment(
    seed: int, data: str, count: int, width: int, depth: int, steps: int, rate: float
) -> Numbers:
    """The slopes at the end, one a layer, and the accuracies of PReLU, leaky ReLU and ReLU."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name in ("prelu", "leaky_relu", "relu"):
        generator = torch.Generator().manual_seed(seed)
        model = plain(name, depth, width, found, generator, "usual")
        train(model, found, steps=steps, rate=rate, generator=generator)
        numbers[f"accuracy/{name}"] = accuracy(model, found)
        for place, (_, function) in enumerate(hidden(model), start=1):
            if isinstance(function, nn.PReLU):
                numbers[f"alpha/{place}"] = float(function.weight.detach())
    return numbers


def _layers(samples: Samples) -> list[str]:
    return [name for name in samples.seeds[0] if name.startswith("alpha/")]


def answers(samples: Samples) -> list[Answer]:
    """How far they went, whether one became zero, and what it is good for."""
    layers = _layers(samples)
    moved = [fmean(abs(at[name] - _BEGIN) for name in layers) for at in samples.seeds]
    smallest = [min(abs(at[name]) for name in layers) for at in samples.seeds]
    of = Samples(
        tuple({"moved": far, "smallest": low} for far, low in zip(moved, smallest, strict=True))
    )
    return [
        above("mean distance of alpha from 0.25, where it began", of.mean("moved"), 0.01),
        above("smallest alpha of a network, without its sign", of.mean("smallest"), 0),
        *(
            measured(f"alpha of hidden layer {name.rpartition('/')[2]}", samples.mean(name))
            for name in layers
        ),
        *(
            measured(
                f"accuracy, PReLU less {said}",
                samples.minus("accuracy/prelu", f"accuracy/{name}"),
            )
            for name, said in (("leaky_relu", "leaky ReLU"), ("relu", "ReLU"))
        ),
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """Layer by layer, with intervals."""
    found = [samples.mean(name) for name in _layers(samples)]
    reach = [at.mean - at.low if at.low is not None else 0.0 for at in found]
    xs = range(1, len(found) + 1)
    means = [at.mean for at in found]
    axes.errorbar(xs, means, reach, fmt="o-", color=BLUE, capsize=4, label="learnt")
    axes.axhline(_BEGIN, color="black", linewidth=0.8, linestyle="--", label="where it began")
    axes.set_xticks(list(xs))
    axes.set_xlabel("hidden layer")
    axes.set_ylabel("alpha")
    axes.legend(frameon=False)


ALPHA = Claim(
    name="alpha",
    statement="PReLU makes alpha a parameter that is trained.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units with one alpha a "
    "layer, {steps} steps of Adam at {rate} in batches of 64. Accuracies in per cent.",
    quick={
        "data": "digits",
        "count": 1200,
        "width": 64,
        "depth": 5,
        "steps": 300,
        "rate": 0.003,
    },
    full={
        "data": "fashion",
        "count": 5000,
        "width": 128,
        "depth": 5,
        "steps": 1500,
        "rate": 0.001,
    },
    experiment=experiment,
    answers=answers,
    draw=draw,
)
