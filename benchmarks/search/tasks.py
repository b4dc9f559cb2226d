"""Two small trainings on real data, in which any function can stand, many of them side by side.

Networks that differ in their function alone are trained as one: each layer holds the weights of
all, and only the functions are called one by one. They begin with the same weights and see the
same batches as each would by itself, and none has any part in another's numbers. One whose loss is
not finite any more is lost, and left out from then on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import nan

import torch
from examples.fashion_cnn import PACKAGE, images_and_labels
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

Data = tuple[Tensor, Tensor, Tensor, Tensor]
Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Outcome:
    """What a training came to: accuracy in percent and loss on the test images; lost, 0 and NaN."""

    accuracy: float
    loss: float


@dataclass(frozen=True)
class Task:
    """A network's weight layers, between which a function stands, its data and its training."""

    name: str
    data: Callable[[], Data]
    layers: Callable[[], Sequence[nn.Linear | nn.Conv2d]]
    epochs: int
    batch: int
    optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer]

    def train(self, functions: Sequence[Function], seed: int) -> list[Outcome]:
        """Train a network with each function from one seed."""
        torch.manual_seed(seed)
        images, labels, test_images, test_labels = self.data()
        net = _SideBySide(self.layers(), functions)
        optimizer = self.optimizer(net.parameters())
        outcomes = [Outcome(0.0, nan)] * len(functions)
        left = list(range(len(functions)))
        steps = (at for _ in range(self.epochs) for at in _shuffled(len(images), self.batch))
        for step, batch in enumerate(steps):
            losses = _losses(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
            finite = losses.detach().isfinite()
            # The graph holds on to the sizes that the weights had.
            del losses
            # Most that are lost are so at once.
            if (step < 8 or step % 16 == 0) and not finite.all():
                alive = finite.nonzero().flatten()
                left = [left[at] for at in alive.tolist()]
                if not left:
                    return outcomes
                net.keep(alive, optimizer)
        with torch.no_grad():
            # In parts, for many networks' answers to all images would take gigabytes.
            said = torch.cat([net(part) for part in test_images.split(500)], 1)
            right = (said.argmax(2) == test_labels).float().mean(1)
            for at, accuracy, loss in zip(left, right, _losses(said, test_labels), strict=True):
                if loss.isfinite():
                    outcomes[at] = Outcome(100 * float(accuracy), float(loss))
        return outcomes


def _shuffled(count: int, size: int) -> tuple[Tensor, ...]:
    return torch.randperm(count).split(size)


def _losses(said: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of each of K networks, (K,), from what they said, (K, batch, classes)."""
    log = said.log_softmax(2)
    return -log.gather(2, labels.expand(len(said), -1).unsqueeze(2)).mean((1, 2))


class _SideBySide(nn.Module):
    """K networks of the same layers, each with a function of its own."""

    def __init__(
        self, layers: Sequence[nn.Linear | nn.Conv2d], functions: Sequence[Function]
    ) -> None:
        super().__init__()
        self._layers, self._functions = layers, list(functions)
        count = len(functions)
        self._weights = nn.ParameterList(torch.stack([at.weight.detach()] * count) for at in layers)
        self._biases = nn.ParameterList(
            torch.stack([at.bias.detach()] * count) for at in layers if at.bias is not None
        )

    def keep(self, alive: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Leave out all but some, and what the optimizer remembers of the others."""
        self._functions = [self._functions[at] for at in alive.tolist()]
        for parameter in self.parameters():
            state = optimizer.state[parameter]
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    state[name] = value[alive]
            parameter.data = parameter.data[alive]
            parameter.grad = None

    def forward(self, x: Tensor) -> Tensor:
        """(K, batch, classes) of what all are given, (batch, ...)."""
        count = len(self._functions)
        x = x.unsqueeze(0)  # of one or K networks
        for index, layer in enumerate(self._layers):
            if index:
                x = torch.stack([f(z) for f, z in zip(self._functions, x.unbind(0), strict=True)])
            weight, bias = self._weights[index], self._biases[index]
            if isinstance(layer, nn.Conv2d):
                whole = x.transpose(0, 1).flatten(1, 2)  # (batch, K channels, ...)
                parts = weight.flatten(0, 1), bias.flatten()
                shared = len(x) == 1 or count == 1
                groups = 1 if shared else count
                made = F.conv2d(whole, *parts, layer.stride, layer.padding, groups=groups)
                x = made.unflatten(1, (count, -1)).transpose(0, 1)
            else:
                x = x.flatten(2).expand(count, -1, -1)
                x = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
        return x


@cache
def _digits() -> Data:
    """Half of scikit-learn's digits to train on, and half to test with."""
    digits = load_digits()
    images = torch.tensor(digits.data, dtype=torch.float32)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, test = order[::2], order[1::2]
    return images[train], labels[train], images[test], labels[test]


@cache
def _fashion() -> Data:
    """3,000 images of Fashion-MNIST to train on, and 3,000 to test with."""
    images, labels = images_and_labels(PACKAGE, "train")
    test_images, test_labels = images_and_labels(PACKAGE, "t10k")
    return images[:3000], labels[:3000], test_images[:3000], test_labels[:3000]


def _deep() -> list[nn.Linear | nn.Conv2d]:
    """Six hidden layers, in which a function that loses the signal loses everything."""
    sizes = (64, *[64] * 6)
    return [*(_he(nn.Linear(*at)) for at in pairwise(sizes)), nn.Linear(64, 10)]


def _convolutional() -> list[nn.Linear | nn.Conv2d]:
    return [
        _he(nn.Conv2d(1, 8, 5, stride=2, padding=2)),
        _he(nn.Conv2d(8, 16, 3, stride=2, padding=1)),
        _he(nn.Linear(16 * 7 * 7, 64)),
        nn.Linear(64, 10),
    ]


def _he(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


TASKS = {
    at.name: at
    for at in (
        Task(
            "digits",
            _digits,
            _deep,
            12,
            32,
            lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9),
        ),
        Task(
            "fashion",
            _fashion,
            _convolutional,
            3,
            64,
            lambda weights: torch.optim.Adam(weights, lr=2e-3),
        ),
    )
}
