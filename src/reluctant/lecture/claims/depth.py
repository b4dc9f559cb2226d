"""What plain networks of many layers learn from scratch."""

from typing import TYPE_CHECKING

import torch

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, below, measured
from reluctant.lecture.data import images
from reluctant.lecture.interval import Interval
from reluctant.lecture.networks import accuracy, plain, train
from reluctant.report.strokes import strokes

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_FUNCTIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "selu", "swish")
_OURS = "relu, initialize"
# As many as networks had before.
_FEW = 3


def experiment(
    seed: int, data: str, count: int, width: int, depths: tuple[int, ...], steps: int, rate: float
) -> Numbers:
    """Test accuracies; every function has the same images, batches, steps and rate."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for arm in (*_FUNCTIONS, _OURS):
        weights = "auto" if arm == _OURS else "usual"
        for depth in depths:
            generator = torch.Generator().manual_seed(seed)
            model = plain(arm.partition(",")[0], depth, width, found, generator, weights)
            train(model, found, steps=steps, rate=rate, generator=generator)
            numbers[f"{arm}/{depth}"] = accuracy(model, found)
    return numbers


def _depths(samples: Samples) -> list[int]:
    return [int(name.partition("/")[2]) for name in samples.seeds[0] if name.startswith("sigmoid/")]


def answers(samples: Samples) -> list[Answer]:
    """Accuracies of deeper networks, less those of the same with three layers; every function's."""
    found = []
    for depth in _depths(samples):
        if depth <= _FEW:
            continue
        lost = f"accuracy at {depth} layers less that at {_FEW}, "

        def beyond(arm: str, depth: int = depth) -> Interval:
            return samples.minus(f"{arm}/{depth}", f"{arm}/{_FEW}")

        found += [
            below(f"{lost}sigmoid", beyond("sigmoid"), -10),
            above(f"{lost}ReLU, He's weights", beyond("relu"), -5),
            above(f"{lost}ReLU, reluctant.initialize", beyond(_OURS), -5),
        ]
    deepest = max(_depths(samples))
    return found + [
        measured(f"accuracy at {deepest} layers, {arm}", samples.mean(f"{arm}/{deepest}"))
        for arm in _FUNCTIONS
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """A line a function."""
    from reluctant.report.pictures import legend

    depths = _depths(samples)
    arms = (*_FUNCTIONS, _OURS)
    for arm, stroke in zip(arms, strokes(len(arms)), strict=True):
        found = [samples.mean(f"{arm}/{depth}") for depth in depths]
        look = stroke._asdict()
        axes.plot(depths, [at.mean for at in found], label=arm, **look, markersize=5)
    axes.set_xscale("log")
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.axhline(10, color="black", linewidth=0.6)
    axes.set_xlabel("hidden layers")
    axes.set_ylabel("test accuracy (%)")
    legend(axes)


DEPTH = Claim(
    name="depth",
    statement="Networks of more than three hidden layers can be trained from scratch with ReLU for "
    "the first time; before, about three were the limit.",
    setting="{data}, {count} images, plain networks of {width} units a layer, {steps} steps of "
    "Adam at {rate} in batches of 64, gradients clipped to a norm of 1, weights as is usual with "
    "each function. Accuracies in per cent; chance is 10.",
    quick={
        "data": "digits",
        "count": 1200,
        "width": 48,
        "depths": (1, 3, 10, 30),
        "steps": 100,
        "rate": 0.003,
    },
    full={
        "data": "fashion",
        "count": 5000,
        "width": 64,
        "depths": (1, 3, 10, 30, 100),
        "steps": 200,
        "rate": 0.001,
    },
    experiment=experiment,
    answers=answers,
    draw=draw,
)
