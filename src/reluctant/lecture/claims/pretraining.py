"""A deep network of sigmoids from scratch, the same pre-trained without labels, and one of ReLUs.

Pre-training is that of stacked autoencoders (Bengio et al. 2007, Greedy Layer-Wise Training of Deep
Networks): each layer learns to give back what it is fed, one after another from below, before the
whole network sees a label.
"""

from copy import deepcopy
from functools import partial
from math import inf
from time import process_time
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, below
from reluctant.lecture.data import Images, images
from reluctant.lecture.interval import Interval
from reluctant.lecture.networks import accuracy, batches, hidden, losses, plain, train
from reluctant.report.strokes import BLUE

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

_ARMS = {
    "sigmoid": ("sigmoid", "usual"),
    "pre-trained": ("sigmoid", "usual"),
    "relu": ("relu", "usual"),
    "initialized": ("sigmoid", "auto"),
}
_SAID = {
    "sigmoid": "sigmoid, from scratch",
    "pre-trained": "sigmoid, pre-trained",
    "relu": "ReLU, from scratch",
    "initialized": "sigmoid, from scratch,\nreluctant.initialize",
}


def experiment(
    seed: int,
    data: str,
    count: int,
    width: int,
    depth: int,
    steps: int,
    unlabelled: int,
    rates: tuple[float, ...],
) -> Numbers:
    """Test accuracies, and seconds of the processor for one training with what comes before it."""
    found = images(data, count, seed)
    numbers: dict[str, float] = {}
    for arm, (function, weights) in _ARMS.items():
        generator = torch.Generator().manual_seed(seed)
        begun = plain(function, depth, width, found, generator, weights)
        began = process_time()
        if arm == "pre-trained":
            _pretrain(begun, found, unlabelled, generator)
        before, best = process_time() - began, inf
        for rate in rates:
            model = deepcopy(begun)
            generator.manual_seed(seed)
            began = process_time()
            optimizer = partial(torch.optim.SGD, momentum=0.9)
            train(model, found, steps=steps, rate=rate, generator=generator, optimizer=optimizer)
            seconds = before + process_time() - began
            loss, _ = losses(model, found)
            if loss < best:
                best = loss
                numbers[f"accuracy/{arm}"] = accuracy(model, found)
                numbers[f"seconds/{arm}"] = seconds
    return numbers


def _pretrain(model: nn.Sequential, found: Images, steps: int, generator: torch.Generator) -> None:
    """Each hidden layer as the encoder of an autoencoder with a linear decoder."""
    x = found.inputs
    for layer, function in hidden(model):
        decoder = nn.Linear(layer.out_features, layer.in_features)
        nn.init.xavier_normal_(decoder.weight, generator=generator)
        nn.init.zeros_(decoder.bias)
        optimizer = torch.optim.Adam([*layer.parameters(), *decoder.parameters()], lr=0.003)
        for _, at in zip(range(steps), batches(len(x), 64, generator), strict=False):
            optimizer.zero_grad()
            F.mse_loss(decoder(function(layer(x[at]))), x[at]).backward()
            optimizer.step()
        with torch.no_grad():
            x = function(layer(x))


def answers(samples: Samples) -> list[Answer]:
    """What pre-training gains, and what ReLU gains over it."""

    def less(arm: str, other: str) -> Interval:
        return samples.minus(f"accuracy/{arm}", f"accuracy/{other}")

    scratch = "accuracy, sigmoid with reluctant.initialize from scratch less sigmoid pre-trained"
    return [
        above("accuracy, sigmoid pre-trained less from scratch", less("pre-trained", "sigmoid"), 0),
        above(
            "accuracy, ReLU from scratch less sigmoid pre-trained", less("relu", "pre-trained"), -1
        ),
        above(
            "processor time, sigmoid pre-trained by ReLU",
            samples.by("seconds/pre-trained", "seconds/relu"),
            1,
        ),
        below(scratch, less("initialized", "pre-trained"), -1),
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """Accuracies, with the time below each."""
    found = [samples.mean(f"accuracy/{arm}") for arm in _ARMS]
    reach = [at.mean - at.low if at.low is not None else 0.0 for at in found]
    bars = axes.bar(range(len(_ARMS)), [at.mean for at in found], 0.6, yerr=reach, capsize=4)
    for bar in bars:
        bar.set_color(BLUE)
    names = [
        f"{_SAID[arm]}\n{samples.mean(f'seconds/{arm}').mean:.1f} s of the processor"
        for arm in _ARMS
    ]
    axes.set_xticks(range(len(_ARMS)), names, fontsize=8)
    axes.axhline(10, color="black", linewidth=0.6)
    axes.set_ylabel("test accuracy (%)")


PRETRAINING = Claim(
    name="pretraining",
    statement="Deep networks of sigmoids had to be pre-trained without labels; ReLU made it "
    "possible to train from scratch, just putting the data in.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units, {steps} steps of SGD "
    "with momentum 0.9 in batches of 64, gradients clipped to a norm of 1, each at the best of the "
    "rates {rates} by its training loss. Pre-training: a stacked autoencoder, {unlabelled} steps "
    "of Adam a layer; its time counts with one training. Accuracies in per cent.",
    quick={
        "data": "digits",
        "count": 1200,
        "width": 64,
        "depth": 5,
        "steps": 300,
        "unlabelled": 400,
        "rates": (0.03, 0.1, 0.3),
    },
    full={
        "data": "fashion",
        "count": 5000,
        "width": 128,
        "depth": 5,
        "steps": 800,
        "unlabelled": 800,
        "rates": (0.03, 0.1, 0.3),
    },
    experiment=experiment,
    answers=answers,
    draw=draw,
)
