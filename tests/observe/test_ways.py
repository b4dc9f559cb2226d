"""How the input of each site comes about, of networks that are plain and of some that are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.observe.conftest import Watched
from tests.record.observations import written
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.observe import ways
from reluctant.record.reader import load
from reluctant.record.run import Run

IMAGE, ROWS, WORDS = (4, 3, 8, 8), (6, 4), (5, 7, 4)


def trained(model: nn.Module, x: Tensor, steps: int = 3) -> Callable[[], None]:
    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    return train


def ways_of(run: Run) -> dict[str, str]:
    """Each site's way in a line, as `0 <- data, product 0`."""
    return {
        run.sites[way.site].name.split(":")[0]: way.obstacle
        or ", ".join(
            ["data" if way.source is None else run.sites[way.source].name]
            + [
                f"{kind} {run.layers[at].name if kind == 'product' else at}"
                for kind, at in way.links
            ]
        )
        for way in run.ways
    }


class Bare(nn.Module):
    """A product without a module, and layers of which only the last is followed by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.randn(4, 5))
        self.two, self.out = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.two(x @ self.one)))


PLAIN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, str]]] = {
    "linear": (
        lambda: nn.Sequential(
            nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=False), nn.ReLU(True), nn.Linear(3, 2)
        ),
        ROWS,
        {"1": "data, product 0", "3": "1:relu, product 2"},
    ),
    "sequences": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Tanh()),
        WORDS,
        {"1": "data, product 0", "3": "1:relu, product 2"},
    ),
    "bare": (Bare, ROWS, {"Bare": "data, product one, product two"}),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(4, 6, 3),
            nn.ReLU(), nn.Flatten(), nn.Linear(24, 5), nn.ReLU(),
        ),
        IMAGE,
        {
            "2": "data, zero 0, product 0",
            "4": "2:relu, product 3",
            "7": "4:relu, repeat 4, product 6",
        },
    ),
    "averages": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, groups=1), nn.ReLU(), nn.AvgPool2d(2, padding=1), nn.Conv2d(4, 4, 1),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5), nn.ReLU(),
        ),
        IMAGE,
        {
            "1": "data, product 0",
            "4": "1:relu, zero 0, average 4, product 3",
            "8": "4:relu, average 16, product 7",
        },
    ),
    "padded on one side": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 2, padding="same"), nn.ReLU()),
        IMAGE,
        {"1": "data, zero 0, product 0"},
    ),
    "from rows to images": (
        lambda: nn.Sequential(
            nn.Linear(4, 48), nn.ReLU(), nn.Unflatten(1, (3, 4, 4)), nn.Conv2d(3, 2, 3), nn.ReLU()
        ),
        ROWS,
        {"1": "data, product 0", "4": "1:relu, join 16, product 3"},
    ),
    "one dimension": (
        lambda: nn.Sequential(
            nn.Conv1d(7, 4, 2, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 2, 1), nn.ReLU()
        ),
        WORDS,
        {"1": "data, zero 0, product 0", "4": "1:relu, product 3"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_plain_ways(watched: Watched, name: str) -> None:
    build, shape, expected = PLAIN[name]
    assert ways_of(watched(trained(build(), torch.randn(shape)))) == expected


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.one(x))
        return torch.relu(x + self.two(x))


class Fickle(nn.Module):
    """Another way at every other call, through one and the same function."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.calls = nn.Linear(4, 4), nn.Linear(4, 4), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.one(x)
        return torch.relu(self.two(x) if self.calls % 2 else x)


class Transposed(nn.Module):
    """Has positions where the units were."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 7), nn.Conv1d(7, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.two(torch.relu(self.one(x)).mT))


def frozen_bias() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model[0].bias.requires_grad_(False)
    return model


NOT_PLAIN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "normalised": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU()),
        ROWS,
        "batch normalisation",
    ),
    "dropped out": (
        lambda: nn.Sequential(
            nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2), nn.ReLU()
        ),
        ROWS,
        "dropout",
    ),
    "residual": (Residual, ROWS, "an addition of two branches"),
    "fickle": (Fickle, ROWS, "several ways"),
    "transposed": (Transposed, WORDS, "a transposition"),
    "exchanged": (
        lambda: nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Conv1d(7, 3, 1), nn.ReLU()),
        WORDS,
        "an exchange of channels and positions",
    ),
    "transposed convolution": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 3), nn.ReLU()),
        IMAGE,
        "a transposed convolution",
    ),
    "computed": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.ReLU()),
        ROWS,
        "weights that are computed",
    ),
    "frozen": (frozen_bias, IMAGE, "a bias that is not trained"),
    "half": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU()).bfloat16(),
        ROWS,
        "arithmetic of low precision",
    ),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_in_the_way(watched: Watched, name: str) -> None:
    build, shape, obstacle = NOT_PLAIN[name]
    model = build()
    run = watched(trained(model, torch.randn(shape).to(next(model.parameters()).dtype)))
    last = max(run.ways, key=lambda way: way.site)
    assert obstacle in last.obstacle


def test_weights_are_those_at_the_end_although_the_model_is_gone(watched: Watched) -> None:
    kept: list[Tensor] = []

    def train() -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU())
        trained(model, torch.randn(IMAGE))()
        kept.extend(at.detach().clone() for at in model.parameters())

    run = watched(train)
    for layer in range(2):
        found = run.series.weights(layer)
        assert found is not None
        assert found.weight is not None
        np.testing.assert_array_equal(found.weight, kept[2 * layer].flatten(2).numpy())
        np.testing.assert_array_equal(found.bias, kept[2 * layer + 1].numpy())
        assert found.rounding == 2.0**-24


def test_weights_of_a_bare_product_have_their_units_first(watched: Watched) -> None:
    model = Bare()
    run = watched(trained(model, torch.randn(ROWS)))
    weights = run.series.weights(next(at.index for at in run.layers if at.name == "one"))
    assert weights is not None
    assert weights.weight is not None
    np.testing.assert_array_equal(weights.weight[..., 0], model.one.detach().numpy().T)


def test_weights_beyond_the_limit_are_left_out(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "MOST_BYTES", 4 * 4 * 5)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU())
    run = watched(trained(model, torch.randn(ROWS)))
    first, second = (run.series.weights(at) for at in range(2))
    assert first is not None
    assert first.weight is not None
    assert second is not None
    assert second.weight is None


def test_weights_that_were_freed_are_left_out(watched: Watched) -> None:
    """As those that are gathered for a pass alone."""
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU())

    def train() -> None:
        trained(model, torch.randn(ROWS))()
        model[0].weight.untyped_storage().resize_(0)

    weights = watched(train).series.weights(0)
    assert weights is not None
    assert weights.weight is None


def test_another_width_harms_nothing(watched: Watched) -> None:
    """A script may catch the error that it gets."""
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU())

    def train() -> None:
        model(torch.randn(ROWS))
        with pytest.raises(RuntimeError, match="shapes"):
            model(torch.randn(2, 3))
        trained(model, torch.randn(ROWS))()

    limits = watched(train).series.limits(0)
    assert limits is not None
    assert limits[0].shape == (4,)


def test_limits_are_those_of_all_calls_in_all_samples(watched: Watched) -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    fed = [torch.randn(8, 3) * scale for scale in range(1, 25)]

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for first, second in zip(fed[::2], fed[1::2], strict=True):
            optimizer.zero_grad()
            (model(first).square().mean() + model(second).square().mean()).backward()
            optimizer.step()

    run = watched(train)
    limits = run.series.limits(0)
    assert limits is not None
    whole = torch.cat(fed)
    np.testing.assert_array_equal(limits[0], whole.amin(0).numpy())
    np.testing.assert_array_equal(limits[1], whole.amax(0).numpy())
    assert run.series.limits(1) is None


def test_a_run_that_has_not_ended_has_neither(tmp_path: Path) -> None:
    run = load(written(tmp_path))
    assert run.ways == ()
    assert run.series.weights(0) is None
    assert run.series.limits(0) is None
