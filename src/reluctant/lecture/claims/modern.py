"""The functions that came after ReLU, side by side."""

from typing import TYPE_CHECKING

import torch

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above
from reluctant.lecture.data import images
from reluctant.lecture.networks import accuracy, plain, train
from reluctant.report.strokes import BLUE

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_LATER = ("leaky_relu", "prelu", "elu", "selu", "swish", "gelu", "mish", "squared_relu")


def experiment(
    seed: int, data: str, count: int, width: int, depth: int, steps: int, rate: float
) -> Numbers:
    """Test accuracies; every function has the same images, batches, steps and rate."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name in ("relu", *_LATER):
        generator = torch.Generator().manual_seed(seed)
        model = plain(name, depth, width, found, generator, "usual")
        train(model, found, steps=steps, rate=rate, generator=generator)
        numbers[name] = accuracy(model, found)
    return numbers


def answers(samples: Samples) -> list[Answer]:
    """Each less ReLU, seed by seed."""
    return [above(f"accuracy, {name} less ReLU", samples.minus(name, "relu"), 0) for name in _LATER]


def draw(samples: Samples, axes: "Axes") -> None:
    """Differences with their intervals."""
    found = [samples.minus(name, "relu") for name in _LATER]
    reach = [at.mean - at.low if at.low is not None else 0.0 for at in found]
    xs = range(len(_LATER))
    axes.errorbar(xs, [at.mean for at in found], reach, fmt="o", color=BLUE, capsize=4)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(xs, _LATER)
    axes.set_ylabel("test accuracy less ReLU's (points)")


MODERN = Claim(
    name="modern",
    statement="The functions that came after ReLU do better than it.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units, {steps} steps of Adam "
    "at {rate} in batches of 64, weights as is usual with each function. Accuracies in per cent.",
    quick={
        "data": "digits",
        "count": 1000,
        "width": 64,
        "depth": 4,
        "steps": 200,
        "rate": 0.003,
    },
    full={
        "data": "fashion",
        "count": 5000,
        "width": 128,
        "depth": 4,
        "steps": 600,
        "rate": 0.001,
    },
    experiment=experiment,
    answers=answers,
    draw=draw,
)
