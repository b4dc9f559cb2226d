"""Layers are set one after another while data pass, and each gives what is sound to the next."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from reluctant.calls import PRODUCTS
from reluctant.initialization.choice import lasting, recurrent
from reluctant.initialization.network import understand
from reluctant.initialization.passing import Restart, is_training_pass
from reluctant.initialization.tracing import Recorder


class Outputs(TorchFunctionMode):
    """Keeps what products with a weight give, as (units, numbers)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            self.found.append(result.detach().float().movedim(PRODUCTS[func][2], 0).flatten(1))
        return result


def restart(
    model: nn.Module, x: Tensor, *, rectified: bool = False, leave: tuple[Tensor, ...] = ()
) -> Restart:
    """Begin anew in one pass, with all weights but those that are left."""
    left = {id(at) for at in leave}
    mode = Restart(lambda leaf: id(leaf) not in left, lambda leaf: rectified, seed=3)
    with mode:
        model(x)
    return mode


def outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.no_grad(), Outputs() as seen:
        model(x)
    return seen.found


class Functional(nn.Module):
    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.one, self.two = nn.Parameter(torch.randn(9, 6)), nn.Parameter(torch.randn(4, 9))
        self.bias = nn.Parameter(torch.randn(9)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(weight=self.two, input=torch.tanh(F.linear(x, self.one, bias=self.bias)))


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Parameter(torch.randn(6, 9)), nn.Parameter(torch.randn(9, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.mm(torch.tanh(x @ self.one), self.two)


@dataclass(frozen=True)
class Case:
    """A network, what goes in, and which of its products have a bias."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    biased: tuple[bool, ...]


ROWS, IMAGES = (200, 6), (16, 3, 8, 8)
CASES = {
    "dense": Case(
        lambda: nn.Sequential(
            nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 2)
        ),
        ROWS, (True, True, True),
    ),
    "no bias": Case(
        lambda: nn.Sequential(nn.Linear(6, 9, bias=False), nn.ReLU(), nn.Linear(9, 2, bias=False)),
        ROWS, (False, False),
    ),
    "sequences": Case(
        lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 2)), (20, 7, 6), (True, True)
    ),
    "images": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 6, 3, groups=2, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 3),
        ),
        IMAGES, (True, True, True),
    ),
    "transposed convolutions": Case(
        lambda: nn.Sequential(
            nn.ConvTranspose2d(3, 8, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(8, 4, 3, groups=2), nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 2, bias=False),
        ),
        IMAGES, (True, True, False),
    ),
    "one dimension": Case(
        lambda: nn.Sequential(nn.Conv1d(6, 8, 3), nn.GELU(), nn.Conv1d(8, 2, 1)), (30, 6, 9),
        (True, True),
    ),
    "functional": Case(Functional, ROWS, (True, False)),
    "functional, no bias": Case(lambda: Functional(False), ROWS, (False, False)),
    "bare": Case(Bare, ROWS, (False, False)),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.mark.parametrize("rectified", [False, True])
def test_what_comes_out_of_each_layer_is_standard(case: Case, rectified: bool) -> None:
    """A mean of zero and a variance of one; without a bias, a mean square of one."""
    torch.manual_seed(0)
    model, x = case.build(), 30 * torch.randn(case.shape) + 5
    mode = restart(model, x, rectified=rectified)
    assert mode.failure is None
    assert {id(at) for at in mode.done} == {id(at) for at in model.parameters()}
    found = outputs(model, x)
    assert len(found) == len(case.biased)
    for output, biased in zip(found, case.biased, strict=True):
        if biased:
            zeros = torch.zeros(len(output))
            torch.testing.assert_close(output.mean(dim=1), zeros, rtol=0, atol=1e-4)
        assert float(output.square().mean()) == pytest.approx(1, rel=1e-4)


def test_a_pass_gives_what_the_next_would(case: Case) -> None:
    torch.manual_seed(0)
    model, x = case.build(), torch.randn(case.shape)
    with Restart(lambda leaf: True, lambda leaf: False, 0):
        first = model(x)
    assert torch.equal(first, model(x))


def test_it_is_the_same_each_time_and_draws_no_number_of_the_script(case: Case) -> None:
    torch.manual_seed(0)
    model, other, x = case.build(), case.build(), torch.randn(case.shape)
    with torch.no_grad():
        for at in (*model.parameters(), *other.parameters()):
            at.zero_()
    state = torch.get_rng_state()
    for net in (model, other):
        restart(net, x)
    assert torch.equal(torch.get_rng_state(), state)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def deep(layers: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        *[at for _ in range(layers) for at in (nn.Linear(width, width), nn.ReLU())]
    )


def ends(model: nn.Sequential, x: Tensor) -> tuple[float, float]:
    """The last norm of the signal by the first, and the first of the gradient by the last."""
    signals = []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            x.retain_grad()
            signals.append(x)
    torch.manual_seed(1)
    (signals[-1] * torch.randn_like(signals[-1])).sum().backward()
    gradients = [at.grad.norm() for at in signals if at.grad is not None]
    signal = signals[-1].norm() / signals[0].norm()
    return signal.item(), (gradients[0] / gradients[-1]).item()


@pytest.mark.parametrize("width", [32, 33])
def test_through_a_hundred_layers_signal_and_gradient_keep_their_size(width: int) -> None:
    torch.manual_seed(0)
    model, x = deep(100, width), torch.randn(64, width)
    assert min(ends(model, x)) < 1e-3  # as torch begins
    model.zero_grad()
    mode = restart(model, x, rectified=True)
    assert mode.failure is None
    for ratio in ends(model, x):
        assert 1 / 3 < ratio < 3


class Leaky(nn.Module):
    """Deep, plain, and its functions called in code."""

    def __init__(self, function: Callable[[Tensor], Tensor], depth: int = 40) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(depth))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.function(layer(x))
        return x


@pytest.mark.parametrize("size", [1.0, 1e3])
@pytest.mark.parametrize("function", [F.leaky_relu, torch.tanh])
def test_layers_that_were_chosen_keep_the_size_of_signal_and_gradient(
    function: Callable[[Tensor], Tensor], size: float
) -> None:
    """Whatever the size of the data."""
    torch.manual_seed(0)
    model, x = Leaky(function), torch.randn(64, 32)
    recorder = Recorder(wanted=is_training_pass)
    with recorder:
        model(size * x)
        with torch.no_grad():
            model(size * x)
    chosen = lasting(understand(recorder.nodes, {id(at): "" for at in model.parameters()}))
    assert len(chosen) == len(model.layers)
    mode = Restart(lambda leaf: True, lambda leaf: False, 3, chosen)
    with mode:
        first = model.layers[0](size * x)
        first.retain_grad()
        out = first
        for layer in model.layers[1:]:
            out = layer(function(out))
    assert mode.failure is None
    torch.manual_seed(1)
    (sent := torch.randn_like(out)).mul(out).sum().backward()
    assert first.grad is not None
    for ratio in (out.norm() / first.norm(), first.grad.norm() / sent.norm()):
        assert 1 / 3 < ratio.item() < 3
    assert 0.05 < first.square().mean().sqrt().item() < 3


def test_what_does_not_last_or_is_not_deep_or_plain_is_not_chosen() -> None:
    def chosen(model: nn.Module) -> int:
        with Recorder() as recorder:
            model(torch.randn(8, 32))
        return len(lasting(understand(recorder.nodes, {id(at): "" for at in model.parameters()})))

    assert chosen(Leaky(torch.tanh, 4)) == 4
    assert chosen(Leaky(torch.tanh, 3)) == 0
    assert chosen(Leaky(torch.sigmoid, 4)) == 0
    assert chosen(nn.Sequential(Leaky(torch.tanh, 4), nn.LayerNorm(32))) == 0
    twice = Leaky(torch.tanh, 4)
    twice.layers.append(twice.layers[0])
    assert chosen(twice) == 0


class Recurrent(nn.Module):
    """A state that is fed an embedding, a product, or both, turn by turn; row 0 is padding."""

    def __init__(self, fed: str, function: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 32, padding_idx=0) if "table" in fed else None
        self.product = nn.Linear(4, 32) if "product" in fed else None
        self.step = nn.Linear(32, 32)
        self.read = nn.Linear(32, 8)
        self.function = function

    def forward(self, tokens: Tensor) -> Tensor:
        h = torch.zeros(len(tokens), 32)
        self.states = []
        for t in range(tokens.shape[1]):
            total = self.step(h)
            if self.table is not None:
                total = total + self.table(tokens[:, t])
            if self.product is not None:
                total = total + self.product(F.one_hot(tokens[:, t] % 4, 4).float())
            h = self.function(total)
            self.states.append(h)
        return self.read(h)


def began(model: Recurrent, tokens: Tensor, known: bool = True) -> Restart:
    with Recorder() as recorder:
        model(tokens)
    network = understand(recorder.nodes, {id(at): "" for at in model.parameters()})
    chosen, tables = recurrent(network) if known else ({}, {})
    with Restart(lambda leaf: True, lambda leaf: False, 3, chosen, tables) as mode:
        model(tokens)
    return mode


@pytest.mark.parametrize("fed", ["table", "product", "table and product"])
def test_a_gradient_lasts_through_a_state_that_goes_round(fed: str) -> None:
    def kept(known: bool) -> float:
        torch.manual_seed(0)
        model, tokens = Recurrent(fed), torch.randint(1, 8, (64, 40))
        mode = began(model, tokens, known)
        assert mode.failure is None
        assert {id(at) for at in mode.done} >= (
            {id(at) for at in model.parameters()} if known else set()
        )
        out = model(tokens)
        first, last = torch.autograd.grad(out.square().sum(), [model.states[0], model.states[-1]])
        assert model.states[-1].abs().max() < 1
        return float(first.norm() / last.norm())

    assert 0.1 < kept(True) < 10
    assert kept(False) < 0.01


def test_a_row_that_stands_for_nothing_stays_so() -> None:
    model = Recurrent("table")
    began(model, torch.randint(0, 8, (16, 40)))
    assert model.table is not None
    assert not model.table.weight[0].any()
    assert 0.05 < model.table.weight[1:].std() < 0.15


@pytest.mark.parametrize(
    ("function", "turns"), [(torch.tanh, 3), (F.relu, 40), (torch.sigmoid, 40)]
)
def test_a_table_that_feeds_no_lasting_state_stays(
    function: Callable[[Tensor], Tensor], turns: int
) -> None:
    model = Recurrent("table", function)
    assert model.table is not None
    before = model.table.weight.detach().clone()
    began(model, torch.randint(0, 8, (16, turns)))
    assert torch.equal(model.table.weight, before)


def test_what_cannot_be_written_down_does_not_stop_the_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Recorder, "_given", fail)
    with Recorder() as recorder:
        nn.Linear(3, 2)(torch.ones(1, 3))
    assert str(recorder.failure) == "ours"
    assert recorder.nodes == []


# -- what is left as it is --------------------------------------------------------------------


def kept(model: nn.Module) -> list[Tensor]:
    return [at.detach().clone() for at in model.parameters()]


def check_untouched(model: nn.Module, before: list[Tensor]) -> None:
    for one, other in zip(model.parameters(), before, strict=True):
        assert torch.equal(one, other)


def test_what_is_frozen_or_not_wanted_is_left() -> None:
    model, x = deep(3, 6), torch.randn(ROWS)
    model[0].requires_grad_(False)
    before = kept(model)
    mode = restart(model, x, leave=(model[4].weight,))
    assert {id(at) for at in mode.done} == {id(model[2].weight), id(model[2].bias)}
    check_untouched(nn.Sequential(model[0], model[4]), before[:2] + before[4:])
    assert not torch.equal(model[2].weight, before[2])


def test_a_bias_that_is_frozen_is_left() -> None:
    model, x = nn.Sequential(nn.Linear(6, 9)), torch.randn(ROWS)
    model[0].bias.requires_grad_(False)
    bias = model[0].bias.clone()
    mode = restart(model, x)
    assert [id(at) for at in mode.done] == [id(model[0].weight)]
    assert torch.equal(model[0].bias, bias)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_pass_of_evaluation_is_left(context: Callable[[], torch.no_grad]) -> None:
    model, x = deep(2, 6), torch.randn(ROWS)
    before = kept(model)
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with mode, context():
        model(x)
    assert mode.done == []
    check_untouched(model, before)


def test_what_functorch_computes_is_left() -> None:
    model, x = deep(2, 6), torch.randn(ROWS)
    before = kept(model)
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with mode:
        torch.func.vmap(model)(x)
    assert mode.failure is None
    assert mode.done == []
    check_untouched(model, before)


def test_a_pass_that_checkpointing_repeats_is_left() -> None:
    model, x = nn.Sequential(nn.Linear(6, 9), nn.Tanh()), torch.randn(ROWS)
    out = checkpoint(model, x.requires_grad_(), use_reentrant=False)
    assert isinstance(out, Tensor)
    before = kept(model)
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with mode:
        out.sum().backward()
    assert mode.done == []
    check_untouched(model, before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_where_what_comes_in_is_not_finite_nothing_is_set(value: float) -> None:
    torch.manual_seed(0)
    model, x = deep(2, 6), torch.randn(ROWS)
    x[3, 2] = value
    before = kept(model)
    mode = restart(model, x)
    assert mode.failure is None
    assert mode.done == []
    check_untouched(model, before)


def test_where_nothing_comes_in_weights_are_fresh_and_finite() -> None:
    model = deep(2, 6)
    restart(model, torch.zeros(ROWS))
    for at in model.parameters():
        assert at.isfinite().all()
    assert model[0].weight.norm() > 1


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(torch.tanh(self.one(x)))


def test_weights_that_are_used_twice_are_set_once() -> None:
    torch.manual_seed(0)
    model, x = Tied(), torch.randn(ROWS)
    mode = restart(model, x)
    assert [id(at) for at in mode.done] == [id(model.one.weight), id(model.one.bias)]
    first, _ = outputs(model, x)
    assert float(first.square().mean()) == pytest.approx(1, rel=1e-4)


def test_a_second_pass_changes_nothing_more() -> None:
    model, x = deep(2, 6), torch.randn(ROWS)
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with mode:
        model(x)
        before = kept(model)
        model(3 * x)
    check_untouched(model, before)
    assert len(mode.done) == 4


@pytest.mark.parametrize("name", ["_set", "_product"])
def test_an_error_never_reaches_the_script(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("broken")

    model, x = deep(2, 6), torch.randn(ROWS)
    expected, before = model(x), kept(model)
    monkeypatch.setattr(Restart, name, broken)
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with mode:
        assert torch.equal(model(x), expected)
    assert str(mode.failure) == "broken"
    assert mode.done == []
    check_untouched(model, before)


def test_the_scripts_own_error_is_its_own() -> None:
    mode = Restart(lambda leaf: True, lambda leaf: False, 0)
    with pytest.raises(RuntimeError, match="shapes"), mode:
        nn.Linear(6, 9)(torch.randn(4, 5))


def test_under_autocast_layers_are_standard() -> None:
    torch.manual_seed(0)
    model, x = deep(3, 16), 9 * torch.randn(100, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mode = restart(model, x)
    assert mode.failure is None
    for output in outputs(model, x):
        assert float(output.square().mean()) == pytest.approx(1, rel=0.05)
