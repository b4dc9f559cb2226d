"""The trainings of the table: side by side as each alone, and as plain torch would do it."""

from collections.abc import Callable
from dataclasses import replace
from math import isnan

import pytest
import torch
from benchmarks.search.tasks import TASKS, Task
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

FUNCTIONS: list[Callable[[Tensor], Tensor]] = [
    torch.relu,
    torch.tanh,
    lambda z: z.exp().exp(),  # of which no number stays finite
    F.silu,
]


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = load_digits()
    images = torch.tensor(found.data, dtype=torch.float32) / 16
    labels = torch.tensor(found.target)
    return images[:640], labels[:640], images[640:1280], labels[640:1280]


def images() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As large as those of Fashion-MNIST."""
    train, labels, test, test_labels = digits()
    made = (F.interpolate(at.view(-1, 1, 8, 8), size=28) for at in (train, test))
    return next(made), labels, next(made), test_labels


SHORT = {
    "digits": replace(TASKS["digits"], data=digits, epochs=2),
    "fashion": replace(TASKS["fashion"], data=images, epochs=1),
}


def alone(task: Task, function: Callable[[Tensor], Tensor], seed: int) -> tuple[float, float]:
    """Accuracy and loss of the same training in a loop as people write it."""
    torch.manual_seed(seed)
    x, y, test_x, test_y = task.data()
    layers = task.layers()

    def net(x: Tensor) -> Tensor:
        for index, layer in enumerate(layers):
            x = function(x) if index else x
            x = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x)
        return x

    optimizer = task.optimizer([at for layer in layers for at in layer.parameters()])
    for _ in range(task.epochs):
        for batch in torch.randperm(len(x)).split(task.batch):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        said = net(test_x)
    right = (said.argmax(1) == test_y).float().mean()
    return 100 * float(right), float(F.cross_entropy(said, test_y))


@pytest.mark.parametrize("name", SHORT)
def test_side_by_side_is_as_alone(name: str) -> None:
    task = SHORT[name]
    for function, found in zip(FUNCTIONS, task.train(FUNCTIONS, seed=3), strict=True):
        accuracy, loss = alone(task, function, seed=3)
        if isnan(loss):
            assert found.accuracy == 0
            assert isnan(found.loss)
        else:
            assert found.accuracy == pytest.approx(accuracy, abs=0.5)
            assert found.loss == pytest.approx(loss, rel=2e-3)


def test_a_wrong_twin_is_told() -> None:
    """Another function is another training, by more than rounding."""
    task = SHORT["digits"]
    (found,) = task.train([torch.tanh], seed=3)
    assert found.loss != pytest.approx(alone(task, torch.relu, seed=3)[1], rel=2e-3)
