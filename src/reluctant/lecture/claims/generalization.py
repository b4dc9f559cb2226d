"""Which function does best on new data once all fit the old ones as well."""

from typing import TYPE_CHECKING

import torch

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, measured
from reluctant.lecture.data import images
from reluctant.lecture.interval import interval
from reluctant.lecture.networks import accuracy, losses, plain, train
from reluctant.report.strokes import BLUE

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_FUNCTIONS = ("relu", "sigmoid", "tanh")
# Of the training loss there is a look at every so many steps.
_EVERY = 5


def experiment(
    seed: int, data: str, count: int, width: int, depth: int, loss: float, most: int
) -> Numbers:
    """Each trained until its loss on all images is down to `loss`, for `most` steps at most."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for name in _FUNCTIONS:
        generator = torch.Generator().manual_seed(seed)
        model = plain(name, depth, width, found, generator, "usual")

        def goes_on(step: int, model: torch.nn.Module = model) -> bool:
            return step % _EVERY > 0 or losses(model, found)[0] > loss

        train(model, found, steps=most, rate=0.003, generator=generator, after=goes_on)
        fitted, unseen = losses(model, found)
        numbers[f"fitted/{name}"] = float(fitted <= loss)
        numbers[f"loss/{name}"] = unseen
        numbers[f"accuracy/{name}"] = accuracy(model, found)
    return numbers


def answers(samples: Samples) -> list[Answer]:
    """On images that none has seen."""
    less = samples.minus
    reached = [min(numbers[f"fitted/{name}"] for name in _FUNCTIONS) for numbers in samples.seeds]
    return [
        measured("share of seeds with which all came down to that loss", interval(reached)),
        *(
            above(f"accuracy, ReLU less {name}", less("accuracy/relu", f"accuracy/{name}"), 0)
            for name in ("sigmoid", "tanh")
        ),
        *(
            above(f"test loss, {name} less ReLU", less(f"loss/{name}", "loss/relu"), 0)
            for name in ("sigmoid", "tanh")
        ),
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """Each seed a dot, each function a column; a seed's dots are joined."""
    for numbers in samples.seeds:
        values = [numbers[f"accuracy/{name}"] for name in _FUNCTIONS]
        axes.plot(range(len(_FUNCTIONS)), values, "o-", color=BLUE, alpha=0.45, linewidth=0.8)
    means = [samples.mean(f"accuracy/{name}").mean for name in _FUNCTIONS]
    starts, ends = ([at + side for at in range(len(means))] for side in (-0.15, 0.15))
    axes.hlines(means, starts, ends, color="black", label="mean")
    axes.set_xticks(range(len(_FUNCTIONS)), _FUNCTIONS)
    axes.set_xlim(-0.5, len(_FUNCTIONS) - 0.5)
    axes.set_ylabel("test accuracy (%)\nat the same training loss")
    axes.legend(frameon=False)


GENERALIZATION = Claim(
    name="generalization",
    statement="ReLU generalises well: better than sigmoid and tanh.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units, Adam at 0.003 in "
    "batches of 64 until the training loss is {loss}, for {most} steps at most. Accuracies in per "
    "cent.",
    quick={"data": "digits", "count": 600, "width": 64, "depth": 2, "loss": 0.1, "most": 1500},
    full={"data": "fashion", "count": 5000, "width": 128, "depth": 2, "loss": 0.25, "most": 2000},
    experiment=experiment,
    answers=answers,
    draw=draw,
)
