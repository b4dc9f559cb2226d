"""Which sites and layers are seen, what they are called, and what feeds what."""

from collections.abc import Callable

import pytest
import torch
from tests.observe.conftest import Watched
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.record.run import Run

Sites = dict[str, str | None]


def train(model: nn.Module, x: Tensor, steps: int = 2) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        output = model(x)
        output = output[0] if isinstance(output, tuple) else output
        output.square().mean().backward()
        optimizer.step()


def sites(run: Run) -> Sites:
    """Each site's name, and the name of the layer that feeds it."""
    return {
        site.name: None if site.layer is None else run.layers[site.layer].name for site in run.sites
    }


class Functional(nn.Module):
    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 3)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.act(self.one(x)))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.relu(self.two(self.relu(self.one(x)))))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.conv1, self.norm1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)) + x)
        return self.head(y.mean((2, 3)))


class FreshModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(nn.SiLU()(self.one(x)))


class Parts(nn.Module):
    """Called by its parts only, never as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        self.decoder = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))


class Positive(nn.Module):
    """Weights that are computed: positive ones, as in a monotone network."""

    def __init__(self) -> None:
        super().__init__()
        self.raw, self.log = nn.Parameter(torch.randn(8, 4)), nn.Parameter(torch.randn(8, 8))
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.linear(x, F.softplus(self.raw)))
        return self.out(torch.relu(x @ self.log.exp().t()))


IMAGES = (5, 1, 6, 6)
CASES: dict[str, tuple[nn.Module, tuple[int, ...], Sites]] = {
    "sequential": (
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2)),
        (5, 4),
        {"1:relu": "0", "3:gelu": "2"},
    ),
    "shared module": (Shared(), (5, 4), {"relu:relu": "one", "relu:relu#1": "two"}),
    "residual, batch norm": (
        Residual(),
        IMAGES,
        {"Residual:relu": "stem", "Residual:relu#1": "conv1", "Residual:relu#2": "conv2"},
    ),
    "conv, pool before": (
        nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2)
        ),
        IMAGES,
        {"2:relu": "0"},
    ),
    "transposed conv": (
        nn.Sequential(nn.ConvTranspose2d(1, 6, 3), nn.LeakyReLU(0.2), nn.Conv2d(6, 1, 1)),
        IMAGES,
        {"1:leaky_relu": "0"},
    ),
    "created in forward": (FreshModule(), (5, 4), {"FreshModule:silu": "one"}),
    "weight norm": (
        nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2)
        ),
        (5, 4),
        {"1:relu": "0"},
    ),
    "computed weights": (
        Positive(),
        (5, 4),
        {"Positive:relu": "raw", "Positive:relu#1": "log"},
    ),
    "transformer": (
        nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True),
        (5, 3, 8),
        {"TransformerEncoderLayer:gelu": "linear1"},
    ),
    "transformer, layer norm between": (
        nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 8)),
        (5, 3, 8),
        {"2:relu": "0"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sites_and_their_layers(watched: Watched, name: str) -> None:
    model, shape, expected = CASES[name]
    run = watched(lambda: train(model, torch.randn(shape)))
    assert sites(run) == expected
    assert all(site.aligned and site.inside for site in run.sites)
    assert [sample.step for sample in run.samples] == [0, 1]
    assert all(sample.loss is not None for sample in run.samples)


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (F.relu, "relu"),
        (torch.relu, "relu"),
        (torch.relu_, "relu"),
        (Tensor.relu, "relu"),
        (Tensor.relu_, "relu"),
        (lambda x: x.relu(), "relu"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: x.clamp_min(0.0), "relu"),
        (lambda x: torch.clamp(x, 0), "relu"),
        (lambda x: F.relu(x, inplace=True), "relu"),
        (lambda x: F.leaky_relu(x, 0.2), "leaky_relu(0.2)"),
        (lambda x: F.leaky_relu(x, negative_slope=0.2), "leaky_relu(0.2)"),
        (lambda x: F.hardtanh(x, -2, 2), "hardtanh(-2, 2)"),
        (lambda x: x.clamp(-1, 1), "hardtanh(-1, 1)"),
        (F.silu, "silu"),
        (torch.tanh, "tanh"),
        (Tensor.sigmoid, "sigmoid"),
        (F.softplus, "softplus(1, 20)"),
        (lambda x: F.gelu(x, approximate="tanh"), "gelu_tanh"),
    ],
)
def test_every_spelling_is_the_same_function(
    watched: Watched, act: Callable[[Tensor], Tensor], name: str
) -> None:
    run = watched(lambda: train(Functional(act), torch.randn(5, 4)))
    assert [run.functions[site.function].label for site in run.sites] == [name]
    assert [run.layers[site.layer or 0].name for site in run.sites] == ["one"]


@pytest.mark.parametrize(
    "act",
    [lambda x: x.clamp(max=1), lambda x: x.clamp(min=1.0), torch.exp, lambda x: x * 2],
)
def test_what_is_no_activation_is_no_site(
    watched: Watched, act: Callable[[Tensor], Tensor]
) -> None:
    run = watched(lambda: train(Functional(act), torch.randn(5, 4)))
    assert run.sites == ()
    assert {layer.name for layer in run.layers} == {"one", "two"}


class Positive(nn.Module):
    """Weights that are kept above zero by softplus."""

    def __init__(self) -> None:
        super().__init__()
        self.raw, self.out = nn.Parameter(torch.randn(8, 4)), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(F.linear(x, F.softplus(self.raw))))


def test_a_function_of_weights_is_no_site(watched: Watched) -> None:
    run = watched(lambda: train(Positive(), torch.randn(16, 4)))
    assert list(sites(run)) == ["Positive:relu"]


def test_raw_tensors_have_their_units_where_the_product_puts_them(watched: Watched) -> None:
    w1 = torch.randn(4, 8, requires_grad=True)
    w2 = torch.randn(8, 3, requires_grad=True)

    def loop() -> None:
        optimizer = torch.optim.Adam([w1, w2], lr=1e-3)
        x = torch.randn(5, 4)
        for _ in range(2):
            optimizer.zero_grad()
            (torch.relu(x @ w1) @ w2).square().mean().backward()
            optimizer.step()

    run = watched(loop)
    (site,) = run.sites
    assert site.layer is not None
    assert (run.layers[site.layer].units, site.units, site.aligned) == (8, 8, True)
    assert run.series.layer(site.layer).update.shape == (2, 8)


def test_what_feeds_a_layer(watched: Watched) -> None:
    run = watched(lambda: train(Residual(), torch.randn(IMAGES)))
    feeds = {layer.name: [run.sites[site].name for site in layer.inputs] for layer in run.layers}
    assert feeds == {
        "stem": [],
        "conv1": ["Residual:relu"],
        "conv2": ["Residual:relu#1"],
        "head": ["Residual:relu#2"],
    }


def test_a_model_called_by_its_parts_is_named_as_a_whole(watched: Watched) -> None:
    def loop() -> None:
        model = Parts()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        model.decoder(model.encoder(torch.randn(5, 4))).sum().backward()
        optimizer.step()

    assert sites(watched(loop)) == {"encoder.1:tanh": "encoder.0", "decoder.1:relu": "decoder.0"}


def test_two_models_are_told_apart_by_their_class(watched: Watched) -> None:
    def loop() -> None:
        maker = Functional(F.relu)
        judge = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 1))
        first = torch.optim.SGD(maker.parameters(), lr=0.01)
        second = torch.optim.SGD(judge.parameters(), lr=0.01)
        for _ in range(3):
            judge(maker(torch.randn(5, 4))).sum().backward()
            first.step()
            second.step()

    run = watched(loop)
    assert sites(run) == {
        "Functional:relu": "Functional.one",
        "Sequential.1:leaky_relu": "Sequential.0",
    }
    steps = {layer.name: len(run.series.layer(layer.index).samples) for layer in run.layers}
    assert steps["Functional.one"] == 3
    assert steps["Sequential.0"] == 2  # its last step came after the last sample had closed


def test_a_hinge_in_the_loss_is_not_inside_the_model(watched: Watched) -> None:
    def loop() -> None:
        model = Functional(F.relu)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        F.relu(1 - model(torch.randn(5, 4))).sum().backward()
        optimizer.step()

    run = watched(loop)
    inside = {site.name: site.inside for site in run.sites}
    assert inside == {"Functional:relu": True, "script:relu": False}


def test_nothing_is_seen_without_gradients(watched: Watched) -> None:
    def loop() -> None:
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        with torch.no_grad():
            model(torch.randn(500, 4))
        train(model, torch.randn(5, 4), steps=1)
        model.eval()
        with torch.inference_mode():
            model(torch.randn(500, 4))

    run = watched(loop)
    assert run.series.site(0).inputs.tolist() == [5]


def test_unrolled_loops_do_not_become_a_site_a_turn(watched: Watched) -> None:
    class Unrolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(30):
                x = F.relu(self.cell(x))
            return x

    run = watched(lambda: train(Unrolled(), torch.randn(5, 4), steps=1))
    assert len(run.sites) == 9
    assert sum(int(run.series.site(site.index).values[0]) for site in run.sites) == 30 * 5


class Loop(nn.Module):
    """Two layers by turns, each with the same function, more often than calls are told apart."""

    def __init__(self, layers: int, turns: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(5 + at, 6 + at) for at in range(layers))
        self.back = nn.Linear(5 + layers, 5)
        self.turns = turns

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.turns):
            for layer in self.layers:
                x = F.relu(layer(x))
            x = self.back(x)
        return x


def test_calls_on_many_layers_are_told_apart_in_one_forward(watched: Watched) -> None:
    run = watched(lambda: train(Loop(20, 1), torch.randn(4, 5)))
    assert [at.layer for at in run.sites] == list(range(20))
    for site in run.sites:
        assert site.units == run.layers[site.index].units
        assert run.series.site(site.index).inputs.tolist() == [4, 4]


def test_calls_of_an_unrolled_loop_come_together_by_layer(watched: Watched) -> None:
    run = watched(lambda: train(Loop(2, 30), torch.randn(4, 5)))
    assert [at.layer for at in run.sites] == [0, 1] * 5
    seen = {0: 0, 1: 0}
    for site in run.sites:
        assert site.layer is not None
        seen[site.layer] += int(run.series.site(site.index).inputs.sum())
    assert seen == {0: 240, 1: 240}


class ByHand(nn.Module):
    """Weights that stand on the right of the product, and one that is turned."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Parameter(torch.randn(4, 9))
        self.turned = nn.Parameter(torch.randn(7, 9))
        self.decode = nn.Parameter(torch.randn(7, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(torch.relu(x @ self.encode) @ self.turned.t()) @ self.decode


def test_a_matrix_of_a_hand_written_module_has_its_units_where_the_product_says(
    watched: Watched,
) -> None:
    run = watched(lambda: train(ByHand(), torch.randn(5, 4)))
    assert {at.name: at.units for at in run.layers} == {"encode": 9, "turned": 7, "decode": 3}
    assert all(site.aligned for site in run.sites)
    for layer in run.layers:
        assert run.series.layer(layer.index).update.shape == (2, layer.units)
