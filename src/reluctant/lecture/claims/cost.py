"""What it costs to evaluate ReLU, and functions with exponentials."""

import random
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above
from reluctant.lecture.data import images
from reluctant.lecture.networks import batches, plain
from reluctant.report.strokes import BLUE, VERMILION

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

# torch's own, as people call them: what is compared are functions, and not ways of writing them.
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": F.elu,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
}
_EXPONENTIAL = tuple(_FUNCTIONS)[1:]


def experiment(seed: int, data: str, count: int, width: int, rounds: int) -> Numbers:
    """Times by ReLU's, taken in turn: what the machine does meanwhile meets all alike."""
    found = images(data, count, seed)
    generator = torch.Generator().manual_seed(seed)
    z = found.inputs @ torch.randn(found.inputs.shape[1], width, generator=generator)
    z /= z.std()
    calls: dict[str, Callable[[], object]] = {}
    for name, function in _FUNCTIONS.items():
        calls[f"forward/{name}"] = partial(function, z)
        calls[f"both/{name}"] = _with_backward(function, z)
    for name in ("relu", "sigmoid", "tanh"):
        calls[f"step/{name}"] = _step(name, seed, data, count)
    times = _interleaved(calls, rounds, seed)
    return {name: _ratio(times, name) for name in calls}


def _with_backward(function: Callable[[Tensor], Tensor], z: Tensor) -> Callable[[], object]:
    leaf, gradient = z.clone().requires_grad_(), torch.ones_like(z)
    return lambda: torch.autograd.grad(function(leaf), leaf, gradient)


def _step(name: str, seed: int, data: str, count: int) -> Callable[[], object]:
    """One training step of a network of three hidden layers, products and optimizer included."""
    found = images(data, count, seed)
    generator = torch.Generator().manual_seed(seed)
    model = plain(name, 3, 128, found, generator, "usual")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    order = batches(count, min(count, 128), generator)

    def step() -> None:
        at = next(order)
        optimizer.zero_grad()
        F.cross_entropy(model(found.inputs[at]), found.labels[at]).backward()
        optimizer.step()

    return step


def _interleaved(
    calls: dict[str, Callable[[], object]], rounds: int, seed: int
) -> dict[str, list[float]]:
    """Seconds, round by round: each round in another order, each after a call that is not timed."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, draw = list(calls), random.Random(seed)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            calls[name]()
            began = perf_counter()
            calls[name]()
            times[name].append(perf_counter() - began)
    return times


def _ratio(times: dict[str, list[float]], name: str) -> float:
    """The median of ratios to ReLU's time in the same round."""
    reference = times[f"{name.partition('/')[0]}/relu"]
    return median(own / other for own, other in zip(times[name], reference, strict=True))


def answers(samples: Samples) -> list[Answer]:
    """Each function's time by ReLU's."""
    found = [
        above(f"time of {name} by ReLU's, forward", samples.by(f"forward/{name}"), 1)
        for name in _EXPONENTIAL
    ]
    found += [
        above(f"time of {name} by ReLU's, forward and backward", samples.by(f"both/{name}"), 1)
        for name in _EXPONENTIAL
    ]
    found += [
        above(f"time of a training step with {name} by ReLU's", samples.by(f"step/{name}"), 1)
        for name in ("sigmoid", "tanh")
    ]
    return found


def draw(samples: Samples, axes: "Axes") -> None:
    """Forward alone, and with the backward pass."""
    for place, (kind, color, hatch) in enumerate(
        (("forward", BLUE, ""), ("both", VERMILION, "//"))
    ):
        found = [samples.by(f"{kind}/{name}") for name in _EXPONENTIAL]
        means = [at.mean for at in found]
        reach = [
            [at.mean - (at.low or at.mean) for at in found],
            [(at.high or at.mean) - at.mean for at in found],
        ]
        xs = [at + 0.36 * (place - 0.5) for at in range(len(found))]
        label = {"forward": "forward", "both": "forward and backward"}[kind]
        axes.bar(xs, means, 0.34, yerr=reach, color=color, hatch=hatch, label=label, capsize=3)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(_EXPONENTIAL)), _EXPONENTIAL)
    axes.set_ylabel("time by ReLU's")
    axes.legend(frameon=False)


COST = Claim(
    name="cost",
    statement="It is evaluated very quickly, for no exponential is needed: a significant speed-up.",
    setting="{data}, what a layer of {width} units makes of {count} images; torch's own functions, "
    "one thread, in random order, the median of {rounds} rounds. A training step: "
    "batches of 128, three hidden layers of 128 units, SGD.",
    quick={"data": "digits", "count": 128, "width": 512, "rounds": 100},
    full={"data": "fashion", "count": 512, "width": 1024, "rounds": 200},
    experiment=experiment,
    answers=answers,
    draw=draw,
    alone=True,
)
