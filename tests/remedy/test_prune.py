"""What says nothing is removed, and the network computes what it computed before."""

from collections.abc import Sequence
from copy import deepcopy

import pytest
import torch
from tests.remedy.networks import CASES, IMAGES, ROWS, Case
from torch import Tensor, nn
from torch.nn import functional as F

pytest.importorskip("torch_pruning", reason="needs torch-pruning")

from reluctant.errors import NotPrunable
from reluctant.remedy import prune
from reluctant.remedy.outputs import call
from reluctant.remedy.prune import PrunedLayer, Pruner

DEAD = [1, 4, 5, 11]
ROUNDING = 1e-5
BY_HAND = "no linear layer"
KEPT = {
    "layer normalisation": "outputs differ",
    "raw": BY_HAND,
    "raw, one output": BY_HAND,
    "raw, transposed": BY_HAND,
    "raw, normalised": BY_HAND,
    "shuffled": "torch-pruning cannot",
}


class Residual(nn.Module):
    """Two layers write to one stream, and one of them is rectified afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.out(x + F.relu(self.two(F.relu(self.one(x)))))


class Dense(nn.Module):
    """Each layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one = nn.Conv2d(3, 12, 3), nn.Conv2d(12, 12, 3, padding=1)
        self.two, self.out = nn.Conv2d(24, 12, 3, padding=1), nn.Conv2d(36, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = torch.cat([x, F.relu(self.one(x))], dim=1)
        x = torch.cat([x, F.relu(self.two(x))], dim=1)
        return self.out(x).mean((2, 3))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.other = nn.Linear(6, 12), nn.Linear(12, 6), nn.Linear(12, 6)
        self.other.weight = self.two.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.other(F.relu(self.one(self.two(F.relu(self.one(x))))))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 12), nn.LSTM(12, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.two(F.relu(self.one(x)))[0])


class Counting(nn.Module):
    """It computes something else with another width."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.out = nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.one(x))
        return self.out(hidden) / hidden.shape[-1]


def kill(layer: nn.Module, units: Sequence[int] = DEAD) -> None:
    with torch.no_grad():
        layer.get_parameter("bias")[list(units)] = -100.0


def pruned(
    model: nn.Module, x: Tensor, *layers: str, units: Sequence[int] = DEAD
) -> tuple[nn.Module, list[PrunedLayer]]:
    """With the same units of each layer removed, and checked to compute the same."""
    model.eval()
    pruner = Pruner(model, x.split(16), call)
    found = [pruner.remove(layer, units) for layer in layers]
    check_same(model, pruner.model, x)
    return pruner.model, found


def check_same(model: nn.Module, other: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(other(x), model(x), rtol=ROUNDING, atol=ROUNDING)


def widths(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(at.shape) for name, at in model.named_parameters()}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Case, str]:
    return CASES[request.param], KEPT.get(request.param, "")


def test_the_smaller_network_computes_the_same(case: tuple[Case, str]) -> None:
    (network, why), (model, x) = case, case[0].made(DEAD)
    model(x)  # batch normalisations keep something of their own
    before = deepcopy(model.state_dict())
    name = network.weight.removesuffix(".weight")
    smaller, (layer,) = pruned(model, x, name)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    if why:
        assert why in layer.why
        assert layer.removed == 0
        assert widths(smaller) == widths(model)
    else:
        assert layer == PrunedLayer(name, 12, 4, 4)
        assert smaller.get_parameter(network.shift).numel() == 8


def test_what_lives_is_not_removed(case: tuple[Case, str]) -> None:
    """The record may be wrong, or older than the weights."""
    network, why = case
    model, x = network.made(())
    smaller, (layer,) = pruned(model, x, network.weight.removesuffix(".weight"))
    assert widths(smaller) == widths(model)
    assert layer.removed == 0
    assert why or "not the same to" in layer.why


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_other_precisions(kind: torch.dtype) -> None:
    model, x = CASES["modules"].made(DEAD)
    pruner = Pruner(model.eval().to(kind), [x.to(kind)], call)
    assert pruner.remove("0", DEAD).removed == 4


def test_a_unit_that_fires_on_one_input_stays() -> None:
    model, x = CASES["functions"].made(DEAD)
    x[-1] = 1e4 * model.get_parameter("one.weight").sum(dim=0).sign()
    fires = model.two(F.relu(model.one(x)))[-1, DEAD] > 0
    assert 0 < fires.sum() < 4
    _, (layer,) = pruned(model, x, "two")
    assert layer.removed == 4 - int(fires.sum())
    assert "not the same to out" in layer.why


def test_a_unit_beside_one_that_lives_stays() -> None:
    torch.manual_seed(0)
    model, x = Residual(), torch.randn(ROWS)
    kill(model.stem)
    kill(model.two, [4, 5, 7])
    smaller, layers = pruned(model, x, "stem", "two")
    assert [at.removed for at in layers] == [2, 2]
    assert all("not the same to out" in at.why for at in layers)
    shapes = widths(smaller)
    assert shapes["stem.weight"] == (10, 6)
    assert (shapes["one.weight"], shapes["two.weight"]) == ((12, 10), (10, 12))


def test_layers_whose_units_are_read_together() -> None:
    """What has been removed of one changes the numbers of the next."""
    torch.manual_seed(0)
    model, x = Dense(), torch.randn(IMAGES)
    for layer in (model.stem, model.one, model.two):
        kill(layer)
    smaller, layers = pruned(model, x, "stem", "one", "two")
    assert [at.removed for at in layers] == [4, 4, 4]
    assert not any(at.why for at in layers)
    assert widths(smaller)["two.weight"] == (8, 16, 3, 3)


@pytest.mark.parametrize("name", ["modules", "flattened", "gated", "batch normalisation"])
def test_one_unit_of_a_dead_layer_stays(name: str) -> None:
    case, every = CASES[name], range(12)
    model, x = case.made(every)
    smaller, (layer,) = pruned(model, x, case.weight.removesuffix(".weight"), units=every)
    assert layer.removed == 11
    assert "One unit stays" in layer.why
    assert smaller.get_parameter(case.shift).numel() == 1
    _, (layer,) = pruned(smaller, x, case.weight.removesuffix(".weight"), units=[0])
    assert layer.removed == 0
    assert "One unit stays" in layer.why


def behind(reader: nn.Module, *rest: nn.Module) -> nn.Module:
    """A batch normalisation makes a constant of what dead units give."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.BatchNorm2d(12), reader, *rest)
    kill(model[0])
    with torch.no_grad():
        model[2].bias.uniform_(1, 2)
    model(torch.randn(IMAGES))
    return model


@pytest.mark.parametrize(
    ("reader", "stays"),
    [
        (nn.Conv2d(12, 3, 3), False),
        (nn.Conv2d(12, 3, 3, padding=1, padding_mode="reflect"), False),
        (nn.Conv2d(12, 3, 3, padding=1), True),
        (nn.Conv2d(12, 3, 3, padding="same"), True),
        (nn.Conv2d(12, 3, 3, bias=False), True),
        (nn.ConvTranspose2d(12, 3, 3), True),
    ],
)
def test_a_constant_moves_into_the_bias_if_it_is_the_same_everywhere(
    reader: nn.Module, stays: bool
) -> None:
    model = behind(reader)
    _, (layer,) = pruned(model, torch.randn(IMAGES), "0")
    assert layer.removed == (0 if stays else 4)
    assert ("is a constant" in layer.why) == stays


def test_a_constant_passes_a_convolution_of_each_channel() -> None:
    reader = nn.Conv2d(12, 12, 3, groups=12)
    model = behind(reader, nn.ReLU(), nn.Flatten(), nn.Linear(192, 3))
    smaller, (layer,) = pruned(model, torch.randn(IMAGES), "0")
    assert layer.removed == 4
    assert widths(smaller)["3.weight"] == (8, 1, 3, 3)


@pytest.mark.parametrize(
    ("make", "layer", "words"),
    [
        (Tied, "one", "another layer has too"),
        (lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU()), "0", "an output of the model"),
        (
            lambda: nn.Sequential(
                nn.Linear(6, 12), nn.utils.parametrizations.weight_norm(nn.Linear(12, 12))
            ),
            "0",
            "computed from other parameters",
        ),
        (Recurrent, "one", "not known"),
        (Counting, "one", "outputs differ"),
    ],
)
def test_what_else_depends_on_a_unit_keeps_it(make, layer: str, words: str) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model, x = make().eval(), torch.randn(ROWS)
    kill(model.get_submodule(layer))
    pruner = Pruner(model, [x], call)
    found = pruner.remove(layer, DEAD)
    assert words in found.why
    assert found.removed == 0
    assert pruner.model is model


def test_what_talks_would_be_seen_in_the_outputs(
    case: tuple[Case, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that the comparison does not depend on what was looked at before."""
    monkeypatch.setattr(Pruner, "_silent", lambda self, graph, model, name, at: (at, ""))
    network, why = case
    model, x = network.made(())
    smaller, (layer,) = pruned(model, x, network.weight.removesuffix(".weight"))
    assert why or "outputs differ" in layer.why
    assert widths(smaller) == widths(model)


def test_a_fused_layer_is_seen_and_left_as_it_was() -> None:
    model, x = CASES["encoder layer"].made(DEAD)
    assert torch.backends.mha.get_fastpath_enabled()
    pruned(model, x, "linear1")
    assert torch.backends.mha.get_fastpath_enabled()


def test_what_cannot_be_changed_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    x = torch.randn(ROWS)
    traced = torch.jit.trace(model, x)
    whole = deepcopy(model)
    whole[0].weight = nn.Parameter(torch.ones(12, 6, dtype=torch.int8), requires_grad=False)
    for refused, words in (
        (traced, "keeps its shape"),
        (nn.Sequential(torch.jit.script(model)), "0 is a"),
        (whole, "0 (Linear) is quantised"),
    ):
        with pytest.raises(NotPrunable, match=words.replace("(", r"\(").replace(")", r"\)")):
            prune.check(refused)
    prune.check(model)
