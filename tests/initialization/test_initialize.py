"""`reluctant.initialize`: what it sets, by what it sees, and what it leaves alone."""

import random
from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

import reluctant
from reluctant.errors import NotInitialized, WrongArgument
from reluctant.initialization.choice import MODES, SCHEMES
from reluctant.initialization.initialize import understood
from reluctant.initialization.schemes import NAMES


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(
    depth: int, width: int = 64, function: Callable[[], nn.Module] = nn.ReLU, inputs: int = 100
) -> nn.Sequential:
    widths = [inputs, *[width] * depth]
    hidden = [at for i in range(depth) for at in (nn.Linear(widths[i], widths[i + 1]), function())]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def images(depth: int, channels: int = 16) -> nn.Sequential:
    widths = [3, *[channels] * depth]
    hidden = [
        at
        for i in range(depth)
        for at in (nn.Conv2d(widths[i], widths[i + 1], 3, padding=1), nn.ReLU())
    ]
    return nn.Sequential(*hidden, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels * 4, 10))


def through(model: nn.Sequential, x: Tensor) -> tuple[float, float]:
    """The last hidden layer's signal by the first's, and the first's gradient by the last's."""
    outputs = []
    for module in model:
        x = module(x)
        if isinstance(module, nn.Linear | nn.Conv2d):
            x.retain_grad()
            outputs.append(x)
    torch.manual_seed(0)
    F.cross_entropy(x, torch.randint(10, (len(x),))).backward()
    sizes = [at.square().mean().sqrt().item() for at in outputs]
    slopes = [at.grad.norm().item() for at in outputs if at.grad is not None]
    return sizes[-2] / sizes[0], slopes[0] / slopes[-2]


# -- deep plain networks ----------------------------------------------------------------------

LINES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "prelu": nn.PReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu, tanh": lambda: nn.GELU("tanh"),
    "softplus": nn.Softplus,
    "ours": lambda: reluctant.nn.SiLU(lean="bit"),
}


@pytest.mark.parametrize("depth", [10, 300])
@pytest.mark.parametrize("width", [64, 65])
@pytest.mark.parametrize("function", LINES.values(), ids=list(LINES))
def test_rectifiers_of_any_depth_pass_signal_and_gradient(
    function: Callable[[], nn.Module], width: int, depth: int
) -> None:
    model = plain(depth, width, function)
    reluctant.initialize(model)
    torch.manual_seed(0)
    for ratio in through(model, torch.randn(32, 100)):
        assert ratio == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("function", [nn.Tanh, nn.Sigmoid, nn.SELU, nn.ELU, nn.Hardtanh])
def test_other_functions_keep_the_signal_and_nearly_the_gradient(
    function: Callable[[], nn.Module],
) -> None:
    model = plain(100, 64, function)
    reluctant.initialize(model)
    torch.manual_seed(0)
    signal, gradient = through(model, torch.randn(32, 100))
    assert signal == pytest.approx(1, rel=0.3)
    assert 1 / 3 < gradient < 3


@pytest.mark.parametrize("channels", [16, 17])
def test_convolutions_of_any_depth_pass_signal_and_gradient(channels: int) -> None:
    model = images(50, channels)
    reluctant.initialize(model)
    torch.manual_seed(0)
    signal, gradient = through(model, torch.randn(4, 3, 8, 8))
    assert signal == pytest.approx(1, rel=0.1)
    assert gradient == pytest.approx(1, rel=0.3)


def test_without_it_they_do_not() -> None:
    model = plain(100)
    torch.manual_seed(0)
    assert min(through(model, torch.randn(32, 100))) < 1e-6


def test_a_mirrored_network_begins_as_a_linear_map() -> None:
    model = plain(20, 33).double()
    reluctant.initialize(model)
    x = torch.randn(8, 100, dtype=torch.float64)
    torch.testing.assert_close(model(2 * x) - model(x), model(x), rtol=0, atol=1e-9)
    torch.testing.assert_close(model(-x), -model(x), rtol=0, atol=1e-9)


def test_flattened_images_are_read_in_pairs() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 7, 3, padding=1), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(7 * 16, 32), nn.ReLU(), nn.Linear(32, 10),
    ).double()  # fmt: skip
    reluctant.initialize(model)
    x = torch.randn(8, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(model(-x), -model(x), rtol=0, atol=1e-9)


def test_a_short_training_run_comes_further_than_with_torchs_own_weights() -> None:
    losses = []
    for ours in (False, True):
        torch.manual_seed(0)
        model, x = plain(60, 32, inputs=8), torch.randn(256, 8)
        target = (x[:, :2].sum(1) > 0).long()
        if ours:
            reluctant.initialize(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(40):
            loss = F.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.65
    assert losses[1] < 0.3


# -- schemes ----------------------------------------------------------------------------------

WIDE = 800


def deviation(model: nn.Sequential, at: int = 2) -> float:
    weight = model[at].weight
    assert isinstance(weight, Tensor)
    return float(weight.detach().square().mean().sqrt())


@pytest.mark.parametrize(
    ("scheme", "mode", "wanted"),
    [
        ("he", "forward", sqrt(2 / WIDE)),
        ("he", "backward", sqrt(2 / 300)),
        ("he", "both", 1 / sqrt((WIDE / 2 + 300 / 2) / 2)),
        ("xavier", "forward", sqrt(2 / (WIDE + 300))),
        ("lecun", "forward", sqrt(1 / WIDE)),
        ("orthogonal", "forward", sqrt(2 / WIDE)),
    ],
)
def test_the_size_of_weights(scheme: str, mode: str, wanted: float) -> None:
    model = nn.Sequential(nn.Linear(9, WIDE), nn.ReLU(), nn.Linear(WIDE, 300), nn.ReLU())
    reluctant.initialize(model, scheme, mode=mode)  # type: ignore[arg-type]
    assert deviation(model) == pytest.approx(wanted, rel=0.01)
    assert not model[2].bias.any()


@pytest.mark.parametrize("scheme", ["he", "orthogonal", "mirrored", "auto"])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 32, 3, padding=1),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.Conv2d(16, 32, 3, padding=1, groups=4),
        nn.ConvTranspose2d(16, 32, 4, stride=2, padding=1),
        nn.Conv2d(16, 64, 5, padding=2),
    ],
    ids=["plain", "stride", "groups", "transposed", "wide"],
)
def test_what_comes_out_of_a_convolution_is_as_large_as_what_comes_in(
    layer: nn.Module, scheme: str
) -> None:
    model = nn.Sequential(layer, nn.ReLU())
    reluctant.initialize(model, scheme)
    torch.manual_seed(0)
    out = layer(torch.randn(64, 16, 12, 12))[:, :, 2:-2, 2:-2]
    assert float(out.detach().square().mean()) == pytest.approx(1, rel=0.15)


def test_fitted_to_a_batch_every_layer_is_standard() -> None:
    torch.manual_seed(0)
    model, x = plain(20), 7 * torch.randn(64, 100) + 3
    told = reluctant.initialize(model, "data", inputs=x)
    assert len(told.layers) == 21
    for module in model:
        x = module(x).detach()
        if isinstance(module, nn.Linear):
            assert float(x.mean(0).square().mean()) < 1e-6
            assert float(x.square().mean()) == pytest.approx(1, rel=1e-3)


class Drawing(nn.Module):
    """Draws from all that there is to draw from."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = plain(5)[:-1], nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x + random.random() + np.random.rand())
        return self.last(F.dropout(x))


def streams() -> list[object]:
    return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]


@pytest.mark.parametrize("scheme", [*SCHEMES, "data"])
def test_it_draws_from_the_generator_alone_and_is_the_same_each_time(scheme: str) -> None:
    x, made = torch.randn(16, 100), []
    for state, seed in enumerate((None, None, 0, 1)):
        for begin in (torch.manual_seed, random.seed, np.random.seed):
            begin(state)
        model = Drawing()
        before = streams()
        drawn = None if seed is None else generator(seed)
        reluctant.initialize(model, scheme, inputs=x, generator=drawn)
        assert streams() == before
        made.append([at.detach() for at in model.parameters()])
    one, two, three, four = made
    assert all(map(torch.equal, one, two))
    assert all(map(torch.equal, one, three))
    assert not any(torch.equal(at, other) for at, other in zip(one, four, strict=True) if at.any())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", MODES)
def test_a_trace_and_a_pass_see_the_same(scheme: str, mode: str) -> None:
    for build, x in ((lambda: images(6), torch.randn(2, 3, 8, 8)), (Residual, torch.randn(4, 8))):
        traced, passed = build(), build()
        told = reluctant.initialize(traced, scheme, mode=mode)  # type: ignore[arg-type]
        again = reluctant.initialize(passed, scheme, mode=mode, inputs=x)  # type: ignore[arg-type]
        assert told == again
        assert all(map(torch.equal, traced.parameters(), passed.parameters()))


# -- what auto sees ---------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, blocks: int = 12, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Linear(8, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.across = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for index, block in enumerate(self.blocks):
            x = (self.across(x) if index == 5 else x) + block(x)
        return self.head(x)


def gains(told: object) -> dict[str, float | None]:
    return {at.layer: at.gain for at in told.layers}  # type: ignore[attr-defined]


def test_the_last_layer_of_a_branch_is_scaled_down_and_no_other() -> None:
    model = Residual()
    told = reluctant.initialize(model)
    found = gains(told)
    share = 1 / sqrt(12)
    for index in range(12):
        assert found[f"blocks.{index}.2"] == pytest.approx(sqrt(2) * share)
        assert found[f"blocks.{index}.0"] == pytest.approx(sqrt(2) if index == 0 else 1)
    assert found["across"] == found["head"] == 1
    assert "12 branches" in told.reason
    torch.manual_seed(0)
    x = torch.randn(256, 8)
    assert 0.2 < float(model(x).detach().std()) < 5


def test_what_is_normalised_gets_independent_weights() -> None:
    model = nn.Sequential(
        *[
            at
            for _ in range(9)
            for at in (nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        ]
    )
    told = reluctant.initialize(model)
    assert {at.scheme for at in told.layers} == {"normal"}
    assert "normalised" in told.reason
    ((why, names),) = told.left
    assert "normalisation" in why
    assert len(names) == 18


def test_a_shallow_network_gets_independent_weights_and_a_deep_one_mirrored_pairs() -> None:
    assert {at.scheme for at in reluctant.initialize(plain(2)).layers} == {"normal"}
    told = reluctant.initialize(plain(9))
    assert [at.scheme for at in told.layers] == ["mirrored"] * 9 + ["orthogonal"]
    assert "mirrored" in told.reason


class Joining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.side, self.last = plain(5)[:-1], nn.Linear(64, 64), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.last(torch.cat([F.relu(self.side(x)), x], dim=1))


class Measuring(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.first = plain(5), weight_norm(nn.Linear(100, 100))

    def forward(self, x: Tensor) -> Tensor:
        self.size = torch.linalg.vector_norm(x) + x.norm()
        return self.body(self.first(x))


@pytest.mark.parametrize("batch", [None, torch.ones(2, 100)])
def test_to_measure_a_size_or_to_divide_a_weight_by_its_own_normalises_nothing(
    batch: Tensor | None,
) -> None:
    told = reluctant.initialize(Measuring(), inputs=batch)
    assert [at.scheme for at in told.layers] == ["mirrored"] * 5 + ["orthogonal"]


def test_what_is_put_side_by_side_is_read_as_it_is() -> None:
    told = reluctant.initialize(Joining())
    found = {at.layer: (at.scheme, at.why) for at in told.layers}
    assert found["side"] == ("orthogonal", "reads pairs of relu as one number")
    assert found["last"] == ("orthogonal", "reads relu")


def test_a_function_that_no_gain_suits_is_said() -> None:
    told = reluctant.initialize(plain(9, function=reluctant.nn.SquaredReLU))
    assert "none do so through squared_relu" in told.reason


class Functional(nn.Module):
    """All in code: products with parameters, methods, clamps."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Parameter(torch.empty(6, 16)), nn.Parameter(torch.empty(16, 16))
        self.three, self.shift = nn.Parameter(torch.empty(16, 16)), nn.Parameter(torch.ones(16))
        self.four = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x.view(x.size(0), -1) @ self.one)
        x = (x @ self.two.T).clamp(min=0)
        return self.four(F.linear(x, self.three, self.shift).relu_())


@pytest.mark.parametrize("batch", [None, torch.randn(5, 2, 3)])
def test_code_is_understood_as_modules_are(batch: Tensor | None) -> None:
    model = Functional().double()
    told = reluctant.initialize(model, inputs=None if batch is None else batch.double())
    assert [at.layer for at in told.layers] == ["one", "two", "three", "four"]
    assert [at.scheme for at in told.layers] == ["mirrored"] * 3 + ["orthogonal"]
    assert told.left == ()
    assert not model.shift.any()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(model(-x), -model(x), rtol=0, atol=1e-9)


class Asking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(100)
        self.body = plain(6)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return self.body(self.norm(x) * scale) if x.mean() < 1e9 else x


def test_what_cannot_be_traced_is_read_in_a_pass_that_leaves_nothing_behind() -> None:
    model = Asking()
    with pytest.raises(NotInitialized, match=r"Asking .* Give one: initialize\(model, inputs="):
        reluctant.initialize(model)
    x = torch.randn(8, 100)
    kept = x.clone()
    for batch in (x, (x,), {"x": x, "scale": 2.0}):
        told = reluctant.initialize(model, inputs=batch)
        assert len(told.layers) == 7
    assert torch.equal(x, kept)
    assert torch.equal(model.norm.running_mean, torch.zeros(100))
    assert model.norm.num_batches_tracked == 0
    assert all(at.grad is None for at in model.parameters())


class Remembering(nn.Module):
    """Keeps what it made last, counts, and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last, self.passes = plain(6), None, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.last = self.body(x + torch.rand(()))
        self.register_buffer("noise", torch.rand(3))
        return self.last


@pytest.mark.parametrize(
    ("scheme", "batch"),
    [("auto", None), ("auto", torch.ones(8, 100)), ("data", torch.ones(8, 100))],
)
def test_what_a_model_keeps_is_put_back(scheme: str, batch: Tensor | None) -> None:
    model = Remembering()
    state = torch.get_rng_state()
    reluctant.initialize(model, scheme, inputs=batch)
    assert model.last is None
    assert model.passes == 0
    assert not dict(model.named_buffers())
    assert torch.equal(torch.get_rng_state(), state)


def test_under_autocast_the_pass_that_follows_has_the_new_weights() -> None:
    torch.manual_seed(0)
    model, x = plain(6), torch.randn(8, 100)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reluctant.initialize(model, inputs=x)
        within = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(within, model(x))


# -- what is left -----------------------------------------------------------------------------


def test_what_is_frozen_stays_and_is_named() -> None:
    model = plain(6)
    model[2].requires_grad_(False)
    before = model[2].weight.clone()
    told = reluctant.initialize(model)
    assert torch.equal(model[2].weight, before)
    assert told.left == (("frozen", ("2.weight", "2.bias")),)
    assert "2" not in gains(told)
    assert "Left as they were: 2.weight, 2.bias (frozen)." in str(told)


class Words(nn.Module):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.norm = nn.LayerNorm(16)
        self.hidden = weight_norm(nn.Linear(16, 16))
        self.last = nn.Linear(16, 16)
        self.head = nn.Linear(16, 20)
        self.rnn = nn.GRU(16, 16)
        self.scale = nn.Parameter(torch.ones(3, 4))
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.rnn(self.norm(self.embed(x)))
        return self.head(F.relu(self.last(self.hidden(x))))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("batch", [None, torch.zeros(5, 2, dtype=torch.long)])
def test_what_is_not_understood_is_left_and_named(tied: bool, batch: Tensor | None) -> None:
    torch.manual_seed(0)
    model = Words(tied)
    before = {name: at.detach().clone() for name, at in model.named_parameters()}
    told = reluctant.initialize(model, inputs=batch)
    found = {at.layer for at in told.layers}
    assert found == ({"last"} if tied else {"last", "head"})
    named = [name for _, names in told.left for name in names]
    for name, at in model.named_parameters():
        assert torch.equal(at, before[name]) == (name in named)
    reasons = " ".join(why for why, _ in told.left)
    for word in ("embedding", "normalisation", "recurrent", "computed", "no layer that is known"):
        assert word in reasons


def test_weights_that_are_used_twice_are_set_once_and_not_mirrored() -> None:
    one = nn.Linear(16, 16)
    model = nn.Sequential(one, nn.ReLU(), one, nn.ReLU(), one, nn.ReLU(), nn.Linear(16, 4))
    told = reluctant.initialize(model)
    assert [at.layer for at in told.layers] == ["0", "6"]
    assert {at.scheme for at in told.layers} == {"orthogonal"}


def test_lazy_layers_need_a_batch() -> None:
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
    with pytest.raises(NotInitialized, match="lazy"):
        reluctant.initialize(model)
    assert len(reluctant.initialize(model, inputs=torch.randn(4, 3)).layers) == 2


def test_on_the_meta_device_there_is_nothing_to_set() -> None:
    with torch.device("meta"):
        model = plain(3)
    with pytest.raises(NotInitialized, match="meta device"):
        reluctant.initialize(model)


def test_a_quantised_layer_is_named() -> None:
    model = plain(4)
    quantised = nn.Parameter(torch.ones(64, 64, dtype=torch.int8), requires_grad=False)
    model[2].weight = quantised
    told = reluctant.initialize(model)
    assert [names for _, names in told.left] == [("2.weight", "2.bias")]
    assert "int8" in str(told)


class FSDPModule(nn.Module):
    """Stands for torch's, which needs several processes."""


def test_a_sharded_model_is_told_to_be_initialised_before() -> None:
    class Sharded(FSDPModule):
        pass

    model = nn.Sequential(Sharded(), nn.Linear(4, 4))
    with pytest.raises(NotInitialized, match=r"Sharded is sharded.* before it is sharded"):
        reluctant.initialize(model)


def test_a_model_that_is_wrapped_is_the_model() -> None:
    model, other = plain(5), plain(5)
    told = reluctant.initialize(nn.DataParallel(model))
    assert told == reluctant.initialize(other)
    assert all(map(torch.equal, model.parameters(), other.parameters()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    model, other = plain(5).to(dtype), plain(5)
    reluctant.initialize(model)
    reluctant.initialize(other)
    assert all(
        torch.equal(one, two.to(dtype))
        for one, two in zip(model.parameters(), other.parameters(), strict=True)
    )


# -- wrong use --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"scheme": "kaiming"}, "no scheme 'kaiming'"),
        ({"mode": "sideways"}, "no mode 'sideways'"),
        ({"scheme": "data"}, "Without a batch"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, str], sentence: str) -> None:
    with pytest.raises(WrongArgument, match=sentence):
        reluctant.initialize(plain(3), **arguments)  # type: ignore[arg-type]


def test_a_model_without_weights_is_told() -> None:
    with pytest.raises(NotInitialized, match="no parameters"):
        reluctant.initialize(nn.Sequential(nn.ReLU()))


def test_a_batch_that_is_not_finite_fits_nothing() -> None:
    with pytest.raises(NotInitialized, match="not finite"):
        reluctant.initialize(plain(3), "data", inputs=torch.full((4, 100), torch.nan))


def test_all_schemes_have_a_name_and_the_other_way_round() -> None:
    assert set(NAMES) == {*SCHEMES, "data"}


def test_it_prints_a_line_for_layers_that_are_alike() -> None:
    text = str(reluctant.initialize(plain(100)))
    assert len(text.splitlines()) == 6
    assert max(map(len, text.splitlines())) < 100
    assert "2 to 198 (99)  mirrored       1  reads pairs of relu as one number" in text


def test_a_transformer_is_understood_in_a_pass() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    network = understood(model, ((torch.randn(2, 5, 16),), {}))
    assert network.branches == 6
    told = reluctant.initialize(model, inputs=torch.randn(2, 5, 16))
    assert gains(told)["layers.0.linear2"] == pytest.approx(sqrt(2 / 6))
    assert any("attention" in why for why, _ in told.left)
