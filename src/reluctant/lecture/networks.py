"""Plain networks, and how they are trained: what most experiments have in common."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import reluctant
from reluctant.lecture.data import Images

# For functions by whose derivative weights are fitted, and the two that came before that was done.
CLASSIC = {"sigmoid": "xavier", "tanh": "xavier", "softsign": "xavier", "selu": "lecun"}


def plain(
    function: str, depth: int, width: int, images: Images, generator: torch.Generator, weights: str
) -> nn.Sequential:
    """`depth` hidden layers and a last one of ten units.

    Args:
        function: its name in the catalogue.
        depth, width: of the hidden layers.
        images: whose pixels it reads.
        generator: where all random numbers are drawn from.
        weights: "torch" for those that `nn.Linear` makes, "usual" for what is usual with the
            function (Xavier's for sigmoid and tanh, LeCun's for SELU, He's for others, by the
            function's gain), or a scheme of `reluctant.initialize`.
    """
    sizes = [images.inputs.shape[1], *[width] * depth]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        hidden: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            hidden += [nn.Linear(inputs, outputs), reluctant.nn.module(function)()]
        model = nn.Sequential(*hidden, nn.Linear(sizes[-1], 10))
    if weights == "usual":
        weights = CLASSIC.get(function, "he")
    if weights != "torch":
        reluctant.initialize(model, weights, generator=generator)
    return model


def hidden(model: nn.Sequential) -> Iterator[tuple[nn.Linear, nn.Module]]:
    """Each hidden layer with its function."""
    for layer, function in zip(list(model)[:-1:2], list(model)[1::2], strict=True):
        assert isinstance(layer, nn.Linear)
        yield layer, function


def train(
    model: nn.Module,
    images: Images,
    *,
    steps: int,
    rate: float,
    generator: torch.Generator,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    batch: int = 64,
    clip: float | None = 1.0,
    after: Callable[[int], bool] | None = None,
) -> None:
    """So many steps on batches in random order.

    Args:
        clip: what the norm of the gradient is clipped to; None for not at all.
        after: called with the number of each step once it is done; False ends the training.
    """
    optimize = optimizer(model.parameters(), lr=rate)
    for step, at in enumerate(batches(len(images.inputs), batch, generator)):
        if step == steps:
            return
        optimize.zero_grad()
        F.cross_entropy(model(images.inputs[at]), images.labels[at]).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimize.step()
        if after is not None and not after(step):
            return


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Epoch after epoch, without an end."""
    while True:
        yield from torch.randperm(count, generator=generator).split(size)


@torch.no_grad()
def accuracy(model: nn.Module, images: Images) -> float:
    """On the test images, in per cent."""
    right = model(images.test_inputs).argmax(1) == images.test_labels
    return 100 * float(right.float().mean())


@torch.no_grad()
def losses(model: nn.Module, images: Images) -> tuple[float, float]:
    """On all images to learn from, and on those to test with."""
    train = F.cross_entropy(model(images.inputs), images.labels)
    return float(train), float(F.cross_entropy(model(images.test_inputs), images.test_labels))
