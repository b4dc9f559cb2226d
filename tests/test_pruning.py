"""`reluctant.prune`: from a run and its model to a smaller one that gives the same."""

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

import reluctant
from reluctant.errors import NotInstalled, NotPrunable, WrongArgument
from reluctant.record.run import Run
from tests.records import a_run
from tests.remedy.networks import CASES, ROWS, Case

DEAD = [1, 4, 5, 11]
ROUNDING = 1e-5
TRAINED = ("functions", "batch normalisation", "block", "feed-forward", "gated", "encoder layer")

library = pytest.mark.usefixtures("_library")


@pytest.fixture
def _library() -> None:
    pytest.importorskip("torch_pruning", reason="needs torch-pruning")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(
    case: Case, wrap: Callable[[nn.Module], nn.Module] = lambda model: model, steps: int = 12
) -> tuple[nn.Module, Tensor, Run]:
    """A network that was trained with some units dead, its training set, and the run."""
    model, x = case.made(DEAD)
    optimizer = SGD(model.parameters(), lr=1e-2)
    wrapped = wrap(model)
    target = torch.randn_like(model(x))
    with reluctant.watch(wrapped, optimizer, every=1) as watching:
        for _ in range(steps):
            for part, wanted in zip(x.chunk(2), target.chunk(2), strict=True):
                optimizer.zero_grad()
                F.mse_loss(wrapped(part), wanted).backward()
                optimizer.step()
    return wrapped, x, reluctant.load(watching.path)


def check_same(model: nn.Module, other: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        one, two = (deepcopy(at).eval()(x) for at in (model, other))
    torch.testing.assert_close(two, one, rtol=ROUNDING, atol=ROUNDING)


@library
@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_network_gives_the_same_without_its_dead_units(name: str) -> None:
    case = CASES[name]
    model, x, run = trained(case)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    smaller, pruned = reluctant.prune(model, run, x)
    check_same(model, smaller, x)
    (layer,) = (at for at in pruned.layers if at.name == case.weight.removesuffix(".weight"))
    assert layer.dead >= len(DEAD)
    assert (layer.removed, layer.why) == (layer.dead, "")
    assert smaller.get_parameter(case.shift).numel() == 12 - layer.removed
    assert pruned.removed >= 4
    assert pruned.parameters_before == sum(at.numel() for at in model.parameters())
    assert pruned.parameters_after == sum(at.numel() for at in smaller.parameters())
    assert pruned.parameters_after < pruned.parameters_before
    assert pruned.largest_difference < ROUNDING
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


@library
def test_the_new_model_is_as_ready_to_train() -> None:
    model, x, run = trained(CASES["batch normalisation"])
    model[1].eval()
    model.get_parameter("5.weight").requires_grad = False
    smaller, _ = reluctant.prune(model, run, x)
    assert [at.training for at in smaller.modules()] == [at.training for at in model.modules()]
    frozen = [name for name, at in smaller.named_parameters() if not at.requires_grad]
    assert frozen == ["5.weight"]
    smaller(x).sum().backward()
    assert smaller.get_parameter("0.weight").grad is not None
    assert model.get_parameter("0.weight") is not smaller.get_parameter("0.weight")


@library
@pytest.mark.parametrize("backend", ["eager", None])
def test_wrappers_are_taken_off(backend: str | None) -> None:
    def wrap(model: nn.Module) -> nn.Module:
        if backend is None:
            return nn.DataParallel(model)
        return torch.compile(model, backend=backend)  # type: ignore[return-value]

    case = CASES["functions"]
    model, x, run = trained(case, wrap)
    smaller, pruned = reluctant.prune(model, run, x)
    assert type(smaller) is type(case.build())
    assert pruned.removed >= 4
    check_same(model, smaller, x)


@library
def test_a_path_batches_and_targets() -> None:
    model, x, run = trained(CASES["functions"])
    assert run.path is not None
    loader = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=50, shuffle=True)
    smaller, pruned = reluctant.prune(
        model, str(run.path), loader, forward=lambda model, batch: model(batch[0])
    )
    assert pruned.removed >= 4
    check_same(model, smaller, x)
    _, same = reluctant.prune(model, run, {"x": x})
    assert same.layers == pruned.layers


@library
def test_where_nothing_is_dead_the_model_is_equal() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3))
    smaller, pruned = reluctant.prune(model, a_run(), torch.randn(ROWS))
    assert pruned.layers == ()
    assert pruned.parameters_before == pruned.parameters_after
    assert pruned.largest_difference == 0
    assert smaller is not model
    state = smaller.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert list(state) == list(model.state_dict())


class Chain(nn.Module):
    """That of a hand-built record."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.layer0, self.layer1 = nn.Linear(20, width), nn.Linear(width, 20)
        self.out, self.count = nn.Linear(20, 20), 0
        with torch.no_grad():
            self.layer0.bias[:5] = -100

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.layer0(x))
        output: Tensor = self.out(F.relu(self.layer1(hidden)))
        # On a batch of another size, what it gives depends on how wide it is.
        return output + hidden.shape[1] if len(x) == 7 else output


def a_dead_run(units: int = 5) -> Run:
    fired = [0 if unit < units else 100 for unit in range(20)]
    return a_run(depth=2, sites={0: {"fired": fired}})


@library
def test_only_what_the_run_calls_dead_is_removed() -> None:
    torch.manual_seed(0)
    smaller, pruned = reluctant.prune(Chain(), a_dead_run(3), torch.randn(16, 20))
    assert [(at.name, at.dead, at.removed) for at in pruned.layers] == [("layer0", 3, 3)]
    assert smaller.get_parameter("layer0.weight").shape == (17, 20)


@library
def test_a_model_that_would_give_something_else_on_a_later_batch_is_refused() -> None:
    torch.manual_seed(0)
    model, batches = Chain(), [torch.randn(16, 20), torch.randn(7, 20)]
    with pytest.raises(NotPrunable, match="would differ by 5"):
        reluctant.prune(model, a_dead_run(), batches)
    assert model.layer0.out_features == 20
    assert reluctant.prune(model, a_dead_run(), batches[:1])[1].removed == 5


@library
@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Chain(21), r"in the run layer0 is 20×20, and here 21×20"),
        (nn.Sequential(nn.Linear(20, 20)), "here there is none"),
    ],
)
def test_another_model_than_the_run_s(model: nn.Module, words: str) -> None:
    with pytest.raises(NotPrunable, match=words):
        reluctant.prune(model, a_dead_run(), torch.randn(16, 20))


def a_run_of_two(first: str, second: str) -> Run:
    """Of each of two models the record has a layer, and each with dead units."""
    run = a_run(depth=2, sites={at: {"fired": [0] * 5 + [100] * 15} for at in range(2)})
    roots = first, second
    sites = [replace(at, root=root) for at, root in zip(run.sites, roots, strict=True)]
    names = f"{first}.layer0", f"{second}.body"
    layers = [replace(at, name=name) for at, name in zip(run.layers, names, strict=False)]
    return replace(run, sites=tuple(sites), layers=(*layers, run.layers[2]))


@library
def test_one_of_several_models_of_a_run() -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 20)
    for name in ("Chain", "Chain#1"):
        _, pruned = reluctant.prune(Chain(), a_run_of_two(name, "Critic"), x)
        assert [(at.name, at.removed) for at in pruned.layers] == [("layer0", 5)]
    with pytest.raises(NotPrunable, match="in the run are Actor, Critic, and here is a Chain"):
        reluctant.prune(Chain(), a_run_of_two("Actor", "Critic"), x)


@library
@pytest.mark.parametrize("inputs", [[], iter([torch.randn(16, 20)])])
def test_inputs_of_no_use(inputs: Any) -> None:
    with pytest.raises(WrongArgument, match="inputs"):
        reluctant.prune(Chain(), a_dead_run(), inputs)


def test_quantised_and_compiled_models_are_refused() -> None:
    x = torch.randn(16, 20)
    with pytest.raises(NotPrunable, match=r"before torch\.jit"):
        reluctant.prune(torch.jit.trace(Chain().eval(), x), a_dead_run(), x)
    if torch.backends.quantized.supported_engines == ["none"]:
        pytest.skip("this torch quantises nothing")
    quantised = torch.ao.quantization.quantize_dynamic(Chain(), {nn.Linear}, torch.qint8)
    with pytest.raises(NotPrunable, match=r"layer0 \(Linear\) is quantised"):
        reluctant.prune(quantised, a_dead_run(), x)


def test_what_cannot_be_copied_is_refused() -> None:
    model = Chain()
    model.layer1.register_buffer("kept", model.layer1.weight * 1)
    with pytest.raises(NotPrunable, match="cannot be copied"):
        reluctant.prune(model, a_dead_run(), torch.randn(16, 20))


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(NotInstalled, match=r"pip install 'reluctant\[prune\]'"):
        reluctant.prune(Chain(), a_dead_run(), torch.randn(16, 20))


@library
@pytest.mark.parametrize("whole", [True, False])
def test_compiled_parts_are_followed_as_they_are_written(whole: bool) -> None:
    torch.manual_seed(0)
    model, x = Chain(), torch.randn(16, 20)
    if whole:
        model.compile(backend="eager")
    else:
        model.layer0 = torch.compile(model.layer0, backend="eager")  # type: ignore[assignment]
    smaller, pruned = reluctant.prune(model, a_dead_run(), x)
    assert pruned.removed == 5
    check_same(model, smaller, x)
