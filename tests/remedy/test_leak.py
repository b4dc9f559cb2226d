"""A leak is made at one spot and no other, is learnt by, and can be undone to the last bit."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from tests.remedy.networks import ROWS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import relu
from torch.optim import SGD, Adagrad, Adam, Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from reluctant.remedy import leak
from reluctant.remedy.leak import SLOPE, Spot
from reluctant.remedy.refusal import Refused


class Calls(nn.Module):
    """Three calls in one `forward`, each spelled in its own way, and one in a module in it."""

    spellings: tuple[Callable[[Tensor], Tensor], ...] = (
        F.relu, relu, torch.relu, lambda z: z.relu(), lambda z: z.clamp(min=0),
        lambda z: F.relu(z, inplace=True), torch.relu_, lambda z: z.relu_(),
    )  # fmt: skip

    def __init__(self, first: int = 0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(len(self.spellings) + 1))
        self.function, self.first = nn.ReLU(), first

    def forward(self, x: Tensor) -> Tensor:
        x = x + F.relu(x)  # of data: no site, as no gradient comes by
        for layer, spelling in zip(self.layers, self.spellings, strict=False):
            x = spelling(layer(x))
        return self.function(self.layers[-1](x))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.function = nn.Linear(6, 6), nn.Linear(6, 6), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.two(self.function(self.one(x))))


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2))


class Leaky(TorchFunctionMode):
    """Counts the calls of rectifiers, and remembers which were leaky."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bool] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        rectifiers = F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, Tensor.clamp
        leaky = F.leaky_relu, F.prelu
        if func in rectifiers or func in leaky:
            self.seen.append(func in leaky)
        return func(*args, **(kwargs or {}))


def leaks(model: nn.Module, x: Tensor) -> list[int]:
    """Which rectifiers of a pass leak; what data go through is 0."""
    with Leaky() as spy:
        model(x)
    return [place for place, leaky in enumerate(spy.seen) if leaky]


def made(seed: int = 0, of: Callable[[], nn.Module] = plain) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(seed)
    return of(), torch.randn(ROWS)


def check_undone(model: nn.Module, x: Tensor, before: dict[str, Any]) -> None:
    assert leaks(model, x) == []
    assert list(model.state_dict()) == list(before["state"])
    assert torch.equal(model(x), before["output"])


def before(model: nn.Module, x: Tensor) -> dict[str, Any]:
    return {"state": deepcopy(model.state_dict()), "output": model(x)}


@pytest.fixture(autouse=True)
def _nothing_compiled() -> None:
    torch._dynamo.utils.counters.clear()


TURNS = range(len(Calls.spellings))


@pytest.mark.parametrize("turn", TURNS)
def test_one_call_leaks_and_no_other(turn: int) -> None:
    model, x = made(of=Calls)
    known = before(model, x)
    name = ":relu" + (f"#{turn}" if turn else "")
    undo = leak.apply(leak.plan([Spot.of(model, name)]))
    assert leaks(model, x) == [turn + 1]
    assert list(model.state_dict()) == list(known["state"])
    with torch.no_grad():  # where it cannot be told which calls are sites
        assert leaks(model, x) == [turn + 1]
    undo()
    check_undone(model, x, known)


def test_what_is_given_is_that_of_a_leaky_rectifier() -> None:
    model, x = made(of=Calls)
    twin = deepcopy(model)
    twin.spellings = (lambda z: F.leaky_relu(z, SLOPE), *Calls.spellings[1:])
    leak.apply(leak.plan([Spot.of(model, ":relu")]))
    assert torch.equal(model(x), twin(x))
    for at in (model, twin):
        at(x).sum().backward()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_several_calls() -> None:
    model, x = made(of=Calls)
    known = before(model, x)
    spots = [Spot.of(model, name) for name in (":relu#2", ":relu#5")]
    undo = leak.apply(leak.plan(spots))
    assert leaks(model, x) == [3, 6]
    again = leak.apply(leak.plan([Spot.of(model, ":relu")]))
    for wants in (True, False):
        with torch.set_grad_enabled(wants):
            assert leaks(model, x) == [1, 3, 6]
    again()
    assert leaks(model, x) == [3, 6]
    undo()
    check_undone(model, x, known)


def test_a_module_is_replaced_where_it_stands() -> None:
    model, x = made()
    known = before(model, x)
    old = model[3]
    planned = leak.plan([Spot.of(model, "3:relu")], others=["1:relu"])
    undo = leak.apply(planned)
    assert isinstance(model[3], nn.LeakyReLU)
    assert model[3].negative_slope == SLOPE
    assert leaks(model, x) == [1]
    assert list(model.state_dict()) == list(known["state"])
    assert "nn.LeakyReLU(0.01) as 3" in planned.text
    undo()
    assert model[3] is old
    check_undone(model, x, known)


@pytest.mark.parametrize("name", ["1:relu", "3:relu6"])
def test_in_place_and_capped_modules(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 6), nn.ReLU6())
    undo = leak.apply(leak.plan([Spot.of(model, name)]))
    assert leaks(model, torch.randn(ROWS)) == [0 if name == "1:relu" else 1]
    assert getattr(model[1], "inplace", False)
    undo()
    assert isinstance(model[3], nn.ReLU6)


@pytest.mark.parametrize("function", ["relu", nn.ReLU()])
@pytest.mark.parametrize("training", [True, False])
def test_torchs_own_encoder_layer(function: Any, training: bool) -> None:
    """In evaluation it fuses what it takes for ReLU."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(6, 2, 12, 0.0, activation=function, batch_first=True)
    twin = nn.TransformerEncoderLayer(
        6, 2, 12, 0.0, activation=lambda z: F.leaky_relu(z, SLOPE), batch_first=True
    )
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(4, 5, 6)
    layer.train(training), twin.train(training)
    with torch.set_grad_enabled(training):
        expected = layer(x)
        name = ":relu" if isinstance(function, str) else "activation:relu"
        undo = leak.apply(leak.plan([Spot.of(layer, name)]))
        torch.testing.assert_close(layer(x), twin(x))
        undo()
        assert torch.equal(layer(x), expected)


KINDS: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "module": (plain, "1:relu", "1.weight"),
    "call": (Calls, ":relu#1", "leak_0"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[Callable[[], nn.Module], str, str]:
    return KINDS[request.param]


def layer_of(model: nn.Module) -> nn.Linear:
    found = model.layers[1] if isinstance(model, Calls) else model[0]  # type: ignore[index]
    assert isinstance(found, nn.Linear)
    return found


@pytest.mark.parametrize("learnt", [False, True])
def test_dead_units_are_learnt_by(
    kind: tuple[Callable[[], nn.Module], str, str], learnt: bool
) -> None:
    model, x = made(of=kind[0])
    layer = layer_of(model)
    optimizer = SGD(model.parameters(), lr=0.1)
    with torch.no_grad():
        layer.bias[:3] = -100

    def gradient() -> Tensor:
        model.zero_grad()
        model(x).square().sum().backward()
        assert layer.weight.grad is not None
        return layer.weight.grad[:3]

    assert not gradient().any()
    spot = Spot.of(model, kind[1])
    undo = leak.apply(leak.plan([spot], (), layer.weight, [optimizer] if learnt else None))
    assert gradient().any(dim=1).all()
    undo()
    assert not gradient().any()


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_slope_is_learnt_with_the_layer(
    kind: tuple[Callable[[], nn.Module], str, str], make: type[Optimizer]
) -> None:
    model, x = made(of=kind[0])
    known = before(model, x)
    weight = layer_of(model).weight
    others = [at for at in model.parameters() if at is not weight]
    optimizer = make([{"params": others}, {"params": [weight], "lr": 0.05}], lr=0.01)  # type: ignore[call-arg]
    planned = leak.plan([Spot.of(model, kind[1])], (), weight, [optimizer])
    undo = leak.apply(planned)
    (slope,) = (at for name, at in model.named_parameters() if name == kind[2])
    assert kind[2] in planned.text
    assert slope.item() == pytest.approx(SLOPE)
    assert [any(at is slope for at in group["params"]) for group in optimizer.param_groups] == [
        False,
        True,
    ]
    model(x).square().sum().backward()
    assert slope.grad is not None
    assert slope.grad.abs() > 0
    optimizer.step()
    assert slope.item() != pytest.approx(SLOPE)
    assert list(model.state_dict()).count(kind[2]) == 1
    undo()
    assert not any(at is slope for group in optimizer.param_groups for at in group["params"])
    assert slope not in optimizer.state
    model.load_state_dict(known["state"])
    check_undone(model, x, known)


def test_a_copy_and_a_pickle_leak_by_themselves() -> None:
    model, x = made(of=Calls)
    weight = model.layers[1].weight
    leak.apply(leak.plan([Spot.of(model, ":relu#1")], (), weight, [SGD([weight], lr=0.1)]))
    for other in (deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
        with torch.no_grad():
            other.get_parameter("leak_0").fill_(1.0)
        assert not torch.equal(other(x), model(x))
        assert leaks(other, x) == [2]


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    model, x = made(of=Calls)
    undo = leak.apply(leak.plan([Spot.of(model, ":relu")]))
    for _ in range(2):
        with pytest.raises(RuntimeError):
            model(x[:, :3])
    assert leaks(model, x) == [1]
    undo()
    assert leaks(model, x) == []


def test_a_module_within_is_another_s() -> None:
    """And one that is made for the call alone is not."""

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.inner = nn.Linear(6, 6), Shared()

        def forward(self, x: Tensor) -> Tensor:
            return nn.ReLU()(self.inner(self.one(x)))

    model, x = made(of=Outer)
    leak.apply(leak.plan([Spot.of(model, ":relu")]))
    assert leaks(model, x) == [2]


@pytest.mark.parametrize(
    ("make", "name", "others", "words"),
    [
        (Shared, "function:relu", ["function:relu#1"], "several places"),
        (
            lambda: nn.Sequential(nn.Linear(6, 6), act := nn.ReLU(), nn.Linear(6, 6), act),
            "1:relu", [], "several places",
        ),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.GELU()), "1:gelu", [], "in place of gelu"),
        (lambda: torch.compile(Calls(), backend="eager"), ":relu", [], "code has been compiled"),
    ],
)  # fmt: skip
def test_what_cannot_leak_alone_is_refused(make, name, others, words) -> None:  # type: ignore[no-untyped-def]
    model = make()
    found = Spot.of(model, name, getattr(model, "_orig_mod", None))
    with pytest.raises(Refused, match=words):
        leak.plan([found], others)


def test_a_compiled_function_tells_nobody_and_is_found_out() -> None:
    model, x = made(of=Calls)
    leak.plan([Spot.of(model, ":relu")])
    torch.compile(lambda: model(x), backend="eager")()
    with pytest.raises(Refused, match="code has been compiled"):
        leak.plan([Spot.of(model, ":relu")])


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_call_that_will_be_repeated_stays_as_it_is(reentrant: bool) -> None:
    class Repeating(Shared):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(lambda x: self.two(F.relu(self.one(x))), x, use_reentrant=reentrant)

    model, x = made(of=Repeating)
    twin = deepcopy(model)
    leak.apply(leak.plan([Spot.of(model, ":relu")]))
    x.requires_grad_()
    for at in (model, twin):
        at(x).square().sum().backward()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_slopes_that_would_not_be_learnt_are_refused() -> None:
    model, _ = made()
    spot, weight = [Spot.of(model, "1:relu")], model[0].weight
    with pytest.raises(Refused, match="No optimizer"):
        leak.plan(spot, (), weight, [])
    with pytest.raises(Refused, match="Adagrad may not"):
        leak.plan(spot, (), weight, [Adagrad([weight])])


def test_a_compiled_model_is_compiled_anew() -> None:
    model, x = made()
    compiled = torch.compile(model, backend="eager")
    compiled(x)
    planned = leak.plan([Spot.of(compiled, "1:relu", model[1])])
    assert planned.text.endswith("compiled anew.")
    expected = compiled(x)
    undo = leak.apply(planned)
    assert torch.equal(compiled(x), model(x))
    assert not torch.equal(compiled(x), expected)
    undo()
    assert torch.equal(compiled(x), expected)
