"""The derivative is one or zero, and there is no second."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.autograd import grad

from reluctant import functional
from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, exactly
from reluctant.lecture.data import images
from reluctant.lecture.networks import plain

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_FUNCTIONS = ("relu", "tanh")


def experiment(seed: int, data: str, count: int, width: int, depth: int) -> Numbers:
    """Derivatives by autograd, of one function and of a whole network."""
    found = images(data, count, seed)
    generator = torch.Generator().manual_seed(seed)
    numbers: dict[str, float] = {}
    for name in _FUNCTIONS:
        model = plain(name, depth, width, found, generator, "usual")
        z = model[0](found.inputs).detach().requires_grad_()
        (slope,) = grad(functional.function(name)(z).sum(), z, create_graph=True)
        wanted = (z > 0).to(slope.dtype)
        numbers[f"{name}/other"] = float((slope != wanted).float().mean())
        numbers[f"{name}/second"] = _second(slope.sum(), z)
        numbers[f"{name}/network"] = _bend(model, found.inputs)
    return numbers


def _second(of: Tensor, to: Tensor) -> float:
    """The largest derivative of a derivative."""
    if not of.requires_grad:
        return 0.0
    (found,) = grad(of, to, allow_unused=True)
    return 0.0 if found is None else float(found.abs().max())


def _bend(model: nn.Module, inputs: Tensor) -> float:
    """The largest second derivative of the network's first output along each image itself."""
    x = inputs.clone().requires_grad_()
    (slope,) = grad(model(x)[:, 0].sum(), x, create_graph=True)
    return _second((slope * inputs).sum(), x)


def answers(samples: Samples) -> list[Answer]:
    """Equal to the last bit, or not."""
    of = samples.of
    return [
        exactly(
            "share of inputs where the derivative is not 1 (z > 0) or 0", of("relu/other"), 0.0
        ),
        exactly("largest second derivative of ReLU", of("relu/second"), 0.0),
        exactly("largest second derivative of a ReLU network, by its input", of("relu/network"), 0),
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """ReLU beside tanh."""
    kinds = {"second": "of the function", "network": "of a network\nby its input"}
    for place, name in enumerate(_FUNCTIONS):
        heights = [samples.mean(f"{name}/{kind}").mean for kind in kinds]
        xs = [at + 0.36 * (place - 0.5) for at in range(len(kinds))]
        bars = axes.bar(xs, heights, 0.34, color=("#0072B2", "#BBBBBB")[place], label=name)
        axes.bar_label(bars, fmt="%.2g")
    axes.set_xticks(range(len(kinds)), list(kinds.values()))
    axes.set_ylabel("largest second derivative")
    axes.legend(frameon=False)


DERIVATIVE = Claim(
    name="derivative",
    statement="The derivative is one where the unit is active and zero elsewhere, so there is no "
    "second-order effect.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units; derivatives by "
    "autograd at what the first layer makes of the images. tanh is drawn beside it.",
    quick={"data": "digits", "count": 1437, "width": 64, "depth": 3},
    full={"data": "fashion", "count": 2000, "width": 128, "depth": 3},
    experiment=experiment,
    answers=answers,
    draw=draw,
)
