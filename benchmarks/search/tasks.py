"""Two small trainings on real data, about a second each, in which any function can stand."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import isfinite
from time import perf_counter

import torch
from examples.fashion_cnn import PACKAGE, images_and_labels
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

Data = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Outcome:
    """What a training came to: accuracy in percent and loss on the test images, and its time."""

    accuracy: float
    loss: float
    seconds: float


@dataclass(frozen=True)
class Task:
    """A network, its data and how it is trained."""

    name: str
    data: Callable[[], Data]
    network: Callable[[nn.Module], nn.Module]
    epochs: int
    batch: int
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]

    def train(self, function: Callable[[Tensor], Tensor], seed: int) -> Outcome:
        """Train from one seed; a loss that is not finite ends it, and counts as it stands."""
        began = perf_counter()
        torch.manual_seed(seed)
        images, labels, test_images, test_labels = self.data()
        model = self.network(_Function(function))
        optimizer = self.optimizer(model)
        for _ in range(self.epochs):
            for batch in torch.randperm(len(images)).split(self.batch):
                loss = F.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if not isfinite(loss.item()):
                    break
        with torch.no_grad():
            said = model(test_images)
            accuracy = 100 * float((said.argmax(1) == test_labels).float().mean())
            final = float(F.cross_entropy(said, test_labels))
        return Outcome(accuracy, final, perf_counter() - began)


class _Function(nn.Module):
    """An activation as a module; it holds nothing, so that one stands in all places."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, z: Tensor) -> Tensor:
        return self._function(z)


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


def _deep(function: nn.Module) -> nn.Module:
    """Six hidden layers, in which a function that loses the signal loses everything."""
    sizes = (64, *[64] * 6)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [_he(nn.Linear(inputs, outputs)), function]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def _convolutional(function: nn.Module) -> nn.Module:
    return nn.Sequential(
        _he(nn.Conv2d(1, 8, 5, stride=2, padding=2)),
        function,
        _he(nn.Conv2d(8, 16, 3, stride=2, padding=1)),
        function,
        nn.Flatten(),
        _he(nn.Linear(16 * 7 * 7, 64)),
        function,
        nn.Linear(64, 10),
    )


def _he(layer: nn.Linear | nn.Conv2d) -> nn.Module:
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
            lambda model: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9),
        ),
        Task(
            "fashion",
            _fashion,
            _convolutional,
            3,
            64,
            lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        ),
    )
}
