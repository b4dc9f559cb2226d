"""How many ReLUs die by the learning rate, when and where."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, below, measured
from reluctant.lecture.data import Images, images
from reluctant.lecture.networks import hidden, plain, train
from reluctant.report.strokes import strokes

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes


def experiment(
    seed: int, data: str, count: int, width: int, depth: int, steps: int, rates: tuple[float, ...]
) -> Numbers:
    """Shares of units that fire on none of the images, after some steps and at the end."""
    found = images(data, count, seed)
    looks = [*_powers(steps - 1), steps - 1]
    numbers: dict[str, float] = {}
    for rate in rates:
        generator = torch.Generator().manual_seed(seed)
        model = plain("relu", depth, width, found, generator, "usual")
        seen = {-1: silent(model, found)}

        def look(step: int, model: nn.Sequential = model, seen: dict[int, Tensor] = seen) -> bool:
            if step in looks:
                seen[step] = silent(model, found)
            return True

        train(model, found, steps=steps, rate=rate, generator=generator, clip=None, after=look)
        # Born dead is not killed.
        dead = seen[steps - 1] & ~seen[-1]
        numbers[f"dead/{rate}"] = 100 * float(dead.float().mean())
        for layer, units in enumerate(dead, start=1):
            numbers[f"layer/{rate}/{layer}"] = 100 * float(units.float().mean())
        for step in looks:
            already = dead & seen[step]
            numbers[f"by/{rate}/{step + 1}"] = 100 * float(already.float().mean())
    return numbers


def _powers(most: int) -> list[int]:
    return [2**at - 1 for at in range(most.bit_length()) if 2**at - 1 < most]


@torch.no_grad()
def silent(model: nn.Sequential, found: Images) -> Tensor:
    """(layers, units) Whether each hidden unit is off for all images that are learnt from."""
    x, rows = found.inputs, []
    for layer, function in hidden(model):
        z = layer(x)
        rows.append((z <= 0).all(0))
        x = function(z)
    return torch.stack(rows)


def _rates(samples: Samples) -> list[str]:
    return [name.partition("/")[2] for name in samples.seeds[0] if name.startswith("dead/")]


def _after(samples: Samples, kind: str, rate: str) -> list[int]:
    start = f"{kind}/{rate}/"
    return [int(name[len(start) :]) for name in samples.seeds[0] if name.startswith(start)]


def answers(samples: Samples) -> list[Answer]:
    """At the lowest and the highest rate; when and where, at the highest."""
    low, *_, high = _rates(samples)
    steps, layers = _after(samples, "by", high), _after(samples, "layer", high)
    early = next(step for step in reversed(steps) if step <= max(1, steps[-1] // 10))
    return [
        below(f"units killed at a rate of {low} (%)", samples.mean(f"dead/{low}"), 5),
        above(f"units killed at a rate of {high} (%)", samples.mean(f"dead/{high}"), 25),
        measured(
            f"units killed at {high} that are silent already after {early} of {steps[-1]} "
            "steps (%)",
            samples.mean(f"by/{high}/{early}"),
        ),
        *(
            measured(
                f"units of hidden layer {layer} killed at {high} (%)",
                samples.mean(f"layer/{high}/{layer}"),
            )
            for layer in (layers[0], layers[-1])
        ),
    ]


def draw(samples: Samples, axes: "Axes") -> None:
    """Who is dead at the end, and since when: a unit may fire again in between."""
    from reluctant.report.pictures import legend

    rates = _rates(samples)
    for rate, stroke in zip(rates, strokes(len(rates)), strict=True):
        steps = _after(samples, "by", rate)
        means = [samples.mean(f"by/{rate}/{step}").mean for step in steps]
        axes.plot(steps, means, label=rate, **stroke._asdict(), markersize=5)
    axes.set_xscale("log")
    axes.set_ylim(-3, 103)
    axes.set_xlabel("step")
    axes.set_ylabel("units killed by the end that\nare silent at this step (%)")
    legend(axes, "learning rate")


DYING = Claim(
    name="dying",
    statement="ReLUs die, and frequently so if the learning rate is too high.",
    setting="{data}, {count} images, {depth} hidden layers of {width} units, He's weights, {steps} "
    "steps of Adam in batches of 64, nothing clipped. A unit was killed if it fires on an image "
    "before the training, and on none of the images that are learnt from after it.",
    quick={
        "data": "digits",
        "count": 1000,
        "width": 64,
        "depth": 4,
        "steps": 160,
        "rates": (0.001, 0.01, 0.03, 0.1),
    },
    full={
        "data": "fashion",
        "count": 5000,
        "width": 128,
        "depth": 4,
        "steps": 500,
        "rates": (0.001, 0.003, 0.01, 0.03, 0.1),
    },
    experiment=experiment,
    answers=answers,
    draw=draw,
)
