"""What is read of the data that layers are fed, against the plain numbers."""

from collections.abc import Callable

import pytest
import torch
from tests.observe.conftest import Watched
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHT, KERNEL = (7, 4), (7, 4, 3)
PRODUCTS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], tuple[int, ...]]] = {
    "linear": (F.linear, WEIGHT),
    "matrix product": (lambda x, w: x @ w, WEIGHT[::-1]),
    "matrix product, turned": (lambda x, w: x @ w.t(), WEIGHT),
    "addmm": (lambda x, w: torch.addmm(torch.zeros(7), x, w), WEIGHT[::-1]),
    "computed weight": (lambda x, w: F.linear(x, F.softplus(w)), WEIGHT),
    "named arguments": (lambda x, w: F.linear(input=x, weight=w), WEIGHT),
    "convolution": (lambda x, w: F.conv1d(x, w), KERNEL),
}


class Net(nn.Module):
    def __init__(self, product: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        self.out = nn.Linear(7, 2)
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.product(x, self.weight))
        return self.out(hidden.transpose(1, -1))


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_a_layer_is_fed(watched: Watched, name: str) -> None:
    product, shape = PRODUCTS[name]
    model = Net(product, shape)
    x = 3 + 2 * torch.randn(32, 4)
    x[:, 1] *= 50
    x = x if len(shape) == 2 else x.unsqueeze(2).expand(-1, -1, 5) + torch.randn(32, 4, 5)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
        for _ in range(2):
            model(x).square().mean().backward()
            optimizer.step()

    run = watched(train)
    fed = {at.name: run.series.fed(at.index) for at in run.layers}
    (first,) = [series for series in fed.values() if len(series.samples)]
    values = x.double().movedim(1, -1).reshape(-1, 4)
    assert list(first.samples) == [0, 1]
    offsets = values.mean(0).abs() / values.std(0, correction=0)
    for found, expected in (
        (first.offset, offsets.max()),
        (first.constant, torch.tensor(0.0)),
        (first.mean, values.mean()),
        (first.std, values.std(correction=0)),
        (first.low, values.min()),
        (first.high, values.max()),
        (first.least, values.std(0, correction=0).min()),
        (first.most, values.std(0, correction=0).max()),
    ):
        assert found == pytest.approx(float(expected), rel=1e-5)


def test_what_is_trained_before_is_no_data(watched: Watched) -> None:
    """Only the first layer of a network is fed data; nor is one whose weights do not train."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    fixed = nn.Linear(4, 4).requires_grad_(False)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(2):
            model(fixed(torch.randn(5, 4))).square().mean().backward()
            optimizer.step()

    run = watched(train)
    fed = [at.name for at in run.layers if len(run.series.fed(at.index).samples)]
    assert fed == ["0"]
