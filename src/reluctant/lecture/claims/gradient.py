"""How much of the gradient is left at the lowest layer."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, below
from reluctant.lecture.data import Images, images
from reluctant.lecture.networks import plain
from reluctant.report.strokes import strokes

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_FUNCTIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "silu")
# So much smaller, and the lowest layer's weights hardly move while the last one's learn.
_FADED = 0.1


def experiment(seed: int, data: str, count: int, width: int, depths: tuple[int, ...]) -> Numbers:
    """The gradient's size at the output of the first hidden layer, by that at the last's."""
    found = images(data, count, seed)
    arms = [(name, name, "usual") for name in _FUNCTIONS]
    arms += [("relu, torch's weights", "relu", "torch"), ("relu, initialize", "relu", "auto")]
    return {
        f"{arm}/{depth}": _ratio(function, weights, depth, width, found, seed)
        for arm, function, weights in arms
        for depth in depths
    }


def _ratio(function: str, weights: str, depth: int, width: int, found: Images, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    # Of many layers of sigmoids so little is left that it needs the range of float64.
    model = plain(function, depth, width, found, generator, weights).double()
    outputs: list[Tensor] = []
    x = found.inputs.double()
    for place, module in enumerate(model):
        x = module(x)
        if place % 2 == 1:
            x.retain_grad()
            outputs.append(x)
    F.cross_entropy(x, found.labels).backward()
    first, last = outputs[0].grad, outputs[-1].grad
    assert first is not None
    assert last is not None
    return float(first.norm() / last.norm())


def _depths(samples: Samples) -> list[int]:
    return [int(name.partition("/")[2]) for name in samples.seeds[0] if name.startswith("sigmoid/")]


def answers(samples: Samples) -> list[Answer]:
    """At the second depth, for that of old was three, and at the greatest."""
    _, few, *_, most = _depths(samples)
    found = []
    for depth in sorted({few, most}):
        what = f"gradient at the first of {depth} layers by the last's, "
        found.append(below(f"{what}sigmoid", samples.by(f"sigmoid/{depth}"), _FADED))
        found.append(below(f"{what}tanh", samples.by(f"tanh/{depth}"), _FADED))
        for arm, said in (
            ("relu", "ReLU, He's weights"),
            ("relu, torch's weights", "ReLU, torch's weights"),
            ("relu, initialize", "ReLU, reluctant.initialize"),
        ):
            found.append(above(f"{what}{said}", samples.by(f"{arm}/{depth}"), _FADED))
    return found


def draw(samples: Samples, axes: "Axes") -> None:
    """A line a function."""
    from reluctant.report.pictures import legend

    depths = _depths(samples)
    arms = list(dict.fromkeys(name.partition("/")[0] for name in samples.seeds[0]))
    for arm, stroke in zip(arms, strokes(len(arms)), strict=True):
        means = [samples.by(f"{arm}/{depth}").mean for depth in depths]
        axes.plot(depths, means, label=arm, **stroke._asdict(), markersize=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.set_xlabel("hidden layers")
    axes.set_ylabel("gradient, first layer by last")
    axes.axhline(1, color="black", linewidth=0.6)
    legend(axes)


GRADIENT = Claim(
    name="gradient",
    statement="Sigmoid and tanh lose the gradient on its way to the lower layers, already at about "
    "three; ReLU has no such problem.",
    setting="{data}, {count} images, plain networks of {width} units a layer before any training; "
    "Xavier's weights for sigmoid and tanh, LeCun's for SELU, otherwise He's by each function's "
    "gain. The gradient counts as lost below a tenth.",
    quick={"data": "digits", "count": 256, "width": 64, "depths": (2, 4, 10, 30, 100)},
    full={"data": "fashion", "count": 256, "width": 128, "depths": (2, 4, 10, 30, 50, 100)},
    experiment=experiment,
    answers=answers,
    draw=draw,
)
