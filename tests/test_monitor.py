"""`reluctant.watch` as a context manager, a decorator and an object, alone and beside others."""

import code
import contextlib
import gc
import importlib
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.overrides import BaseTorchFunctionMode

import reluctant
from reluctant.errors import FolderNotWritable, RunNotFound, WrongArgument
from reluctant.record.run import Run
from tests.commands import python


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.1)


def train(
    model: nn.Module, optimizer: Optimizer | None = None, steps: int = 3, width: int = 4
) -> None:
    optimizer = optimizer or sgd(model)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(16, width)).square().mean().backward()
        optimizer.step()


def sites(run: Run) -> dict[str, str | None]:
    """Each site's name, and the name of the layer that feeds it."""
    return {
        site.name: None if site.layer is None else run.layers[site.layer].name for site in run.sites
    }


def layers(run: Run) -> list[str]:
    return [layer.name for layer in run.layers]


SITES = {"1:relu": "0", "3:tanh": "2"}
LAYERS = ["0", "2", "4"]


def check_complete(run: Run, steps: int) -> None:
    """All of a run of `net` that was observed at every step, and its end."""
    assert (sites(run), layers(run)) == (SITES, LAYERS)
    assert [layer.inputs for layer in run.layers] == [(), (0,), (1,)]
    assert run.steps.tolist() == list(range(steps))
    assert (run.info.steps, run.info.failure) == (steps, None)
    for sample in run.samples:
        assert sample.loss is not None
        assert sample.rate == 0.1
    for site in run.sites:
        series = run.series.site(site.index)
        assert series.inputs.tolist() == [16] * steps
        assert (series.gradient_in >= 0).all()
    for layer in run.layers:
        assert run.series.layer(layer.index).samples.tolist() == list(range(steps))


# -- the three uses ----------------------------------------------------------------------------


def test_a_with_block() -> None:
    model = net()
    with reluctant.watch(model, every=1) as watching:
        train(model)
    train(model)
    check_complete(watching.run(), 3)
    assert watching.run().info.exit_code == 0
    assert watching.path.parent == Path.cwd() / ".reluctant" / "runs"


def test_an_object() -> None:
    model = net()
    watching = reluctant.watch(model, every=1)
    train(model)
    watching.close()
    train(model)
    watching.close()
    check_complete(watching.run(), 3)


def test_a_decorator() -> None:
    """Each call is a run of its own; before the first there is none."""
    model = net()
    watching = reluctant.watch(model, every=1)

    @watching
    def fit(steps: int, *, more: int = 0) -> int:
        """Train."""
        train(model, steps=steps + more)
        return steps

    assert (fit.__name__, fit.__doc__) == ("fit", "Train.")
    assert not list(Path(".reluctant/runs").iterdir())
    paths = []
    for steps in (2, 4):
        assert fit(steps, more=1) == steps
        check_complete(watching.run(), steps + 1)
        paths.append(watching.path)
    assert sorted(Path.cwd().glob(".reluctant/runs/*")) == paths


def test_a_decorated_method() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = net()
            self.fit = reluctant.watch(self.model, every=1, out="run")(self.train)

        def train(self) -> None:
            train(self.model)

    Trainer().fit()
    check_complete(reluctant.load("run"), 3)


def test_a_decorated_function_that_calls_itself_is_one_run() -> None:
    model = net()
    optimizer = sgd(model)

    @reluctant.watch(model, every=1, out="run")
    def fit(depth: int) -> None:
        train(model, optimizer, steps=1)
        if depth:
            fit(depth - 1)
            train(model, optimizer, steps=1)

    fit(2)
    check_complete(reluctant.load("run"), 5)
    assert not Path("run-2").exists()


def test_a_decorator_with_a_folder_of_its_own() -> None:
    """What else is in the folder stays; later calls go beside the first."""
    Path("results").mkdir()
    Path("results/weights.pt").write_text("mine")
    model = net()

    @reluctant.watch(model, every=1, out="results")
    def fit() -> None:
        train(model)

    assert [path.name for path in Path("results").iterdir()] == ["weights.pt"]
    for _ in range(3):
        fit()
    for name in ("results", "results-2", "results-3"):
        check_complete(reluctant.load(name), 3)
    assert Path("results/weights.pt").read_text() == "mine"


def test_a_second_with_block_is_a_second_run() -> None:
    model = net()
    watching = reluctant.watch(model, every=1, out="run")
    for steps in (2, 3):
        with watching:
            train(model, steps=steps)
        check_complete(watching.run(), steps)
    assert [len(reluctant.load(name).samples) for name in ("run", "run-2")] == [2, 3]


@pytest.mark.parametrize("kind", ["generator", "coroutine"])
def test_functions_that_return_before_they_run_are_refused(kind: str) -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def coroutine() -> None: ...

    watching = reluctant.watch(net())
    with pytest.raises(WrongArgument, match=r"as `with reluctant.watch\(model\):`"):
        watching(generator if kind == "generator" else coroutine)


# -- asking ------------------------------------------------------------------------------------


def test_a_diagnosis_at_any_time() -> None:
    model = net()
    with torch.no_grad():
        model[0].bias -= 100.0
    optimizer = sgd(model)
    with reluctant.watch(model, every=1) as watching:
        assert not watching.diagnose().layers
        assert "has not come to it" in watching.diagnose().limits[0]
        for steps in (1, 2, 3):
            train(model, optimizer, steps=1)
            assert watching.run().steps.tolist() == list(range(steps))
        assert watching.run().info.exit_code is None
        train(model, optimizer, steps=27)
        during = watching.diagnose()
    after = watching.diagnose()
    assert after.findings == during.findings
    assert [(finding.slug, finding.layer) for finding in after.findings] == [("dead-units", "0")]
    check_complete(watching.run(), 30)


def test_a_watch_that_saw_no_step_says_which() -> None:
    model, other = net(), net(1)
    with reluctant.watch(model, every=1) as watching:
        train(other, steps=70)
    (limit,) = watching.diagnose().limits
    assert limit.startswith("No optimizer trained the model that was watched (Sequential)")
    assert not watching.run().samples


# -- what is recorded --------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.GELU())
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.out(self.inner(x)))


def test_nested_modules() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({"body": nn.Sequential(Block(), Block()), "head": nn.Linear(4, 2)})
    optimizer = sgd(model)
    with reluctant.watch(model, every=1) as watching:
        for _ in range(2):
            optimizer.zero_grad()
            model["head"](model["body"](torch.randn(16, 4))).square().mean().backward()
            optimizer.step()
    run = watching.run()
    assert sites(run) == {
        "body.0.inner.1:gelu": "body.0.inner.0",
        "body.0:relu": "body.0.out",
        "body.1.inner.1:gelu": "body.1.inner.0",
        "body.1:relu": "body.1.out",
    }
    names = [f"body.{block}.{part}" for block in (0, 1) for part in ("inner.0", "out")]
    assert layers(run) == [*names, "head"]


@pytest.mark.parametrize("early", [True, False], ids=["before the model", "after the model"])
def test_a_part_of_a_model(early: bool) -> None:
    """Named as seen from the part; what feeds it, and what it feeds, is not the part's."""
    torch.manual_seed(0)
    part = net()
    if early:
        watching = reluctant.watch(part, every=1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), part, nn.ReLU(), nn.Linear(2, 2))
    if not early:
        watching = reluctant.watch(part, every=1)
    train(model, width=3)
    watching.close()
    check_complete(watching.run(), 3)


def test_what_others_compute_is_not_recorded() -> None:
    """An optimizer, a loss and a graph shared with the watched model change nothing."""
    torch.manual_seed(0)
    encoder, model, decoder = (
        nn.Sequential(nn.Linear(3, 4), nn.ReLU()),
        net(),
        nn.Sequential(nn.ReLU(), nn.Linear(2, 5), nn.Sigmoid()),
    )
    matrix = nn.Parameter(torch.randn(5, 5))
    everything = nn.ModuleList([encoder, model, decoder])
    joint = SGD([*everything.parameters(), matrix], lr=0.1)
    other = net(1)
    with reluctant.watch(model, every=1) as watching:
        for _ in range(3):
            train(other, steps=2)
            joint.zero_grad()
            output = decoder(model(encoder(torch.randn(16, 3))))
            torch.relu(output @ matrix).square().mean().backward()
            joint.step()
    check_complete(watching.run(), 3)


def test_two_watches_on_two_models() -> None:
    """Each sees its own, whichever is closed first, and however the models meet in a graph."""
    first, second = net(0), nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 1))
    both = nn.Sequential(first, second)
    optimizers = sgd(first), Adam(second.parameters(), lr=0.01)
    watching = [reluctant.watch(model, every=1) for model in (first, second)]
    for step in range(5):
        for optimizer in optimizers:
            optimizer.zero_grad()
        both(torch.randn(16, 4)).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        if step == 2:
            watching[0].close()
    watching[1].close()
    check_complete(watching[0].run(), 3)
    run = watching[1].run()
    assert (sites(run), layers(run)) == ({"1:gelu": "0"}, ["0", "2"])
    assert [layer.inputs for layer in run.layers] == [(), (0,)]
    assert run.steps.tolist() == list(range(5))
    assert {sample.rate for sample in run.samples} == {0.01}
    assert all(sample.loss is not None for sample in run.samples)


def test_two_watches_on_one_model() -> None:
    model = net()
    optimizer = sgd(model)
    outer = reluctant.watch(model, every=1)
    train(model, optimizer, steps=1)
    with reluctant.watch(model, every=1) as inner:
        train(model, optimizer, steps=2)
    train(model, optimizer, steps=2)
    outer.close()
    check_complete(inner.run(), 2)
    check_complete(outer.run(), 5)


@pytest.mark.parametrize("first", [0, 1])
def test_nothing_of_ours_stays_in_torch(first: int) -> None:
    """In whichever order two watches are closed."""
    model, other = net(), net(1)
    before = _patchable()
    for close_after in (0, 1):
        watching = [reluctant.watch(at, every=1) for at in (model, other)]
        train(model, steps=close_after)
        watching[first].close()
        watching[1 - first].close()
        assert _patchable() == before
    assert not torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]


def _patchable() -> list[object]:
    scaler, module = torch.amp.GradScaler, nn.modules.module
    optimizer = sys.modules["torch.optim.optimizer"]
    return [
        Tensor.backward,
        scaler.step,
        scaler.scale,
        torch.overrides.has_torch_function,
        *(len(hooks) for name, hooks in vars(optimizer).items() if name.startswith("_global_")),
        *(len(hooks) for name, hooks in vars(module).items() if name.endswith("_hooks")),
    ]


def test_others_are_not_told_that_somebody_looks() -> None:
    """torch's transformer layers ask who overrides its functions before they take a faster path."""
    models, x = (net(), net(1)), torch.zeros(3)
    first, second = (reluctant.watch(at, every=1) for at in models)
    assert not torch.overrides.has_torch_function((x,))
    with BaseTorchFunctionMode():
        assert torch.overrides.has_torch_function((x,))
    first.close()
    assert not torch.overrides.has_torch_function((x,))
    second.close()


def test_two_watches_leave_the_compiler_as_it_was() -> None:
    """While either looks, what is compiled runs as it is written; afterwards not."""
    importlib.import_module("torch._dynamo")
    frames = sys.modules["torch._dynamo.eval_frame"]
    before, models = frames._stance.stance, (net(), net(1))
    first, second = (reluctant.watch(at, every=1) for at in models)
    first.close()
    assert frames._stance.stance == "force_eager" != before
    second.close()
    assert frames._stance.stance == before


def test_a_manual_loop() -> None:
    """Steps are the backward passes that give the watched model a gradient."""
    model, other = net(), net(1)
    with reluctant.watch(model, every=1) as watching:
        train(other, steps=100)
        for _ in range(66):
            train(other, steps=1)
            model(torch.randn(16, 4)).square().mean().backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
            model.zero_grad()
    run = watching.run()
    # So long an optimizer is waited for, since there are some.
    assert (run.info.backwards, run.info.steps) == (66, 3)
    assert (sites(run), layers(run)) == (SITES, LAYERS)
    assert not run.samples[-1].optimizers


def test_several_optimizers() -> None:
    """The first that steps is the clock; rows of all are recorded."""
    model = net()
    optimizers = sgd(model[:2]), Adam(model[2:].parameters(), lr=0.01)
    with reluctant.watch(model, every=1) as watching:
        for _ in range(3):
            for optimizer in optimizers:
                optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
    run = watching.run()
    assert (sites(run), layers(run)) == (SITES, LAYERS)
    assert run.steps.tolist() == [0, 1, 2]
    assert {sample.rate for sample in run.samples} == {0.1}
    # A sample ends with the step of the first.
    assert [run.series.layer(at).samples.tolist() for at in range(3)] == [[0, 1, 2], [1, 2], [1, 2]]
    assert run.samples[-1].optimizers == 2


def test_one_of_several_optimizers() -> None:
    model = net()
    first, second = sgd(model[:2]), Adam(model[2:].parameters(), lr=0.01)
    with reluctant.watch(model, second, every=1) as watching:
        for step in range(6):
            model.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            first.step()
            if step % 2:
                second.step()
    run = watching.run()
    assert run.info.steps == 3
    assert {sample.rate for sample in run.samples} == {0.01}
    assert layers(run) == ["0", "2", "4"]  # `0` feeds a site, but nothing of its rows is known
    assert not run.series.layer(0).samples.size


class Wrapper:
    """As frameworks wrap optimizers."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer


def test_a_wrapped_optimizer() -> None:
    model = net()
    optimizer = sgd(model)
    wrapped: Any = Wrapper(Wrapper(optimizer))  # type: ignore[arg-type]
    with reluctant.watch(model, wrapped, every=1) as watching:
        train(model, optimizer)
    check_complete(watching.run(), 3)


def test_an_optimizer_that_gets_the_model_later() -> None:
    model, other = net(), net(1)
    optimizer = sgd(other)
    with reluctant.watch(model, every=1) as watching:
        train(other, optimizer)
        optimizer.add_param_group({"params": model.parameters()})
        train(model, optimizer)
    check_complete(watching.run(), 3)


class Spends(Optimizer):
    """Leaves nothing of a gradient."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.1})

    def step(self, closure: Any = None) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.data -= 0.1 * parameter.grad
            parameter.grad = None


def test_gradients_are_read_before_a_step_without_a_closure() -> None:
    """Though it is told so, as wrappers do: `step(None)`."""
    model = net()
    optimizer = Spends(model.parameters())
    with reluctant.watch(model, every=1) as watching:
        for _ in range(3):
            model(torch.randn(16, 4)).square().mean().backward()
            optimizer.step(None)
    check_complete(watching.run(), 3)


class Derived(SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def test_a_step_within_a_step_is_one() -> None:
    """Both classes announce it, once each has had an instance."""
    model = net()
    sgd(net(1))
    with reluctant.watch(model, every=1) as watching:
        train(model, Derived(model.parameters(), lr=0.1), steps=3)
    check_complete(watching.run(), 3)


def test_what_feeds_a_model_from_without_is_not_its_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.ReLU(), nn.Linear(8, 2))
    before = nn.Linear(4, 8)
    both = nn.Sequential(before, model)
    with reluctant.watch(model, every=1) as watching:
        train(both)
    run = watching.run()
    assert (sites(run), layers(run)) == ({"0:relu": None}, ["1"])


@pytest.mark.parametrize("when", ["between steps", "after forward", "after backward"])
def test_opened_in_mid_training(when: str) -> None:
    model = net()
    optimizer = Adam(model.parameters(), lr=0.1)
    train(model, optimizer)
    watching = []
    for step in range(4):
        optimizer.zero_grad()
        if step == 1 and when == "between steps":
            watching.append(reluctant.watch(model, every=1))
        loss = model(torch.randn(16, 4)).square().mean()
        if step == 1 and when == "after forward":
            watching.append(reluctant.watch(model, every=1))
        loss.backward()
        if step == 1 and when == "after backward":
            watching.append(reluctant.watch(model, every=1))
        optimizer.step()
    watching[0].close()
    run = watching[0].run()
    assert (sites(run), layers(run)) == (SITES, LAYERS)
    assert run.info.steps == 3
    assert run.series.layer(0).samples.tolist() == [0, 1, 2]
    whole = [0, 1, 2] if when == "between steps" else [1, 2]
    assert run.series.site(0).samples.tolist() == whole


# -- the training is the same ------------------------------------------------------------------


class Transformer(nn.Module):
    """Evaluated between steps, when its fused path rounds otherwise than its plain one."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 16, dropout=0.1, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x[:, None])[:, 0])


def learn(model: nn.Module, watches: Callable[[nn.Module], Any] | None = None) -> list[Tensor]:
    """Weights, random state, and outputs in evaluation on the way, after some steps."""
    torch.manual_seed(3)
    model = deepcopy(model)
    optimizer = Adam(model.parameters(), lr=0.05)
    outputs = []
    with watches(model) if watches is not None else contextlib.nullcontext():
        for _ in range(6):
            train(model.train(), optimizer, steps=2)
            with torch.no_grad():
                outputs.append(model.eval()(torch.randn(9, 4)))
    return [*model.state_dict().values(), torch.get_rng_state(), *outputs]


MODELS: dict[str, Callable[[], nn.Module]] = {"net": net, "transformer": Transformer}


@pytest.mark.parametrize("options", [{}, {"every": 1}, {"every": 1, "observe": "parameters"}])
@pytest.mark.parametrize("name", MODELS)
def test_the_training_is_the_same(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    watched = learn(model, lambda at: reluctant.watch(at, **options))
    assert all(map(torch.equal, watched, learn(model)))


@pytest.mark.parametrize("name", MODELS)
def test_the_training_is_the_same_under_two_watches(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()

    @contextlib.contextmanager
    def twice(at: nn.Module) -> Iterator[None]:
        first, second = (reluctant.watch(at, every=every) for every in (3, 2))
        yield
        first.close()
        second.close()

    assert all(map(torch.equal, learn(model, twice), learn(model)))


def test_an_exception_in_the_block() -> None:
    model = net()
    watching = reluctant.watch(model, every=1)

    def fails() -> None:
        with watching:
            train(model)
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fails()
    check_complete(watching.run(), 3)
    assert watching.run().info.exit_code == 1
    with reluctant.watch(model, every=1) as watching:
        train(model)
    check_complete(watching.run(), 3)


def test_an_exception_in_a_step() -> None:
    """A sample that is open then is closed by the next step."""
    model = net()
    optimizer = sgd(model)
    with reluctant.watch(model, every=1) as watching:
        with pytest.raises(RuntimeError):
            model(torch.randn(16, 3))
        train(model, optimizer)
    check_complete(watching.run(), 3)


# -- on_sample ---------------------------------------------------------------------------------


def test_on_sample() -> None:
    told: list[tuple[int, dict[str, float]]] = []
    model = net()
    with reluctant.watch(model, every=2, on_sample=lambda *sample: told.append(sample)) as watching:
        train(model, steps=5)
        assert [step for step, _ in told] == [0, 2]
    run = watching.run()
    assert [step for step, _ in told] == [0, 2, 4]
    for (_, scalars), sample in zip(told, run.samples, strict=True):
        assert scalars["loss"] == sample.loss
        assert scalars["rate"] == 0.1
    of_sites = {f"{name}/{key}" for name in SITES for key in ("firing", "silent", "gradient")}
    of_layers = {f"{name}/update" for name in LAYERS}
    assert told[0][1].keys() == {"loss", "rate"} | of_sites | of_layers
    fired = run.series.site(0).fired / run.series.site(0).values[:, None]
    assert [scalars["1:relu/firing"] for _, scalars in told] == pytest.approx(fired.mean(1))


def test_on_sample_that_raises(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def fails(step: int, scalars: dict[str, float]) -> None:
        calls.append(step)
        raise ValueError("no network")

    model = net()
    with reluctant.watch(model, every=1, on_sample=fails) as watching:
        train(model)
    check_complete(watching.run(), 3)
    assert calls == [0]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "reluctant: on_sample raised ValueError (no network) and is not called any more; "
        "the training goes on.\n"
    )


def test_on_sample_that_asks_for_a_diagnosis() -> None:
    seen = []
    model = net()
    watching = reluctant.watch(
        model, every=1, on_sample=lambda step, scalars: seen.append(watching.diagnose().verdict)
    )
    train(model)
    watching.close()
    assert seen == ["healthy"] * 3
    check_complete(watching.run(), 3)


def test_on_sample_that_has_seen_enough() -> None:
    model = net()
    watching = reluctant.watch(
        model, every=1, on_sample=lambda step, scalars: watching.close() if step == 1 else None
    )
    train(model, steps=5)
    run = watching.run()
    assert run.steps.tolist()[:2] == [0, 1]
    assert (run.info.failure, run.info.exit_code) == (None, 0)
    assert not torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]


def test_a_sampled_step_alone_is_told(tmp_path: Path) -> None:
    """Scalars of a record's last sample come before `close` returns."""
    told: list[int] = []
    model = net()
    with reluctant.watch(model, every=1, on_sample=lambda step, _: told.append(step)):
        train(model, steps=1)
        assert told == []
    assert told == [0]


# -- bad input ---------------------------------------------------------------------------------


class Call(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no module": (lambda: reluctant.watch("net"), "torch.nn.Module, and was given a str"),  # type: ignore[arg-type]
    "a class": (lambda: reluctant.watch(nn.Linear), "was given the class Linear"),  # type: ignore[arg-type]
    "parameters": (
        lambda: reluctant.watch(net().parameters()),  # type: ignore[arg-type]
        "was given a generator",
    ),
    "no optimizer": (
        lambda: reluctant.watch(net(), 0.1),  # type: ignore[arg-type]
        "torch.optim.Optimizer, and was given a float",
    ),
    "another's optimizer": (
        lambda: reluctant.watch(net(), sgd(net(1))),
        "This SGD holds no parameter of this Sequential",
    ),
    "nothing to train": (lambda: reluctant.watch(Call()), "This Call has no parameters"),
    "budget": (lambda: reluctant.watch(net(), budget=5), "between 0 and 1"),
    "budget in words": (lambda: reluctant.watch(net(), budget="1%"), "between 0 and 1"),  # type: ignore[arg-type]
    "every": (lambda: reluctant.watch(net(), every=0), "whole number from 1"),
    "observe": (lambda: reluctant.watch(net(), observe="everything"), '"parameters"'),
    "on_sample": (lambda: reluctant.watch(net(), on_sample=[]), "on_sample"),  # type: ignore[arg-type]
    "out": (lambda: reluctant.watch(net(), out=3), "out"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    call, words = BAD[name]
    with pytest.raises(WrongArgument) as raised:
        call()
    assert words in str(raised.value)
    sentence, way_out = raised.value.sentence, raised.value.way_out
    assert (sentence[-1], way_out[-1]) == (".", ".")
    assert "\n" not in str(raised.value)
    assert not Path(".reluctant").exists()
    assert not torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]


def test_lazy_parameters_are_parameters() -> None:
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
    optimizer = sgd(model)
    with reluctant.watch(model, optimizer, every=1) as watching:
        train(model, optimizer)
    assert sites(watching.run()) == {"1:relu": "0"}
    assert watching.run().steps.tolist() == [0, 1, 2]


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    Path("file").write_text("")
    before = _patchable()
    with pytest.raises(FolderNotWritable, match=r"No run can be recorded in .*file/run") as raised:
        reluctant.watch(net(), out="file/run")
    assert "out=DIR" in raised.value.way_out
    assert _patchable() == before
    assert not list(temporary.iterdir())


def test_a_folder_that_holds_a_run() -> None:
    model = net()
    with reluctant.watch(model, out="run"):
        train(model)
    with pytest.raises(FolderNotWritable, match="already holds a run"):
        reluctant.watch(model, out="run")
    assert reluctant.load("run").info.steps == 3


def test_asking_for_a_record_that_was_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    model = net()
    with reluctant.watch(model, every=1, out="run") as watching:
        train(model)
        for path in Path("run").iterdir():
            path.unlink()
        train(model)
    assert "deleted or replaced" in capsys.readouterr().err
    assert watching.path == Path.cwd() / "run"
    with pytest.raises(RunNotFound):
        watching.diagnose()


# -- what is let go ----------------------------------------------------------------------------


def test_a_model_that_is_forgotten_ends_its_watch() -> None:
    """As in a notebook, where a cell that makes both is run again."""
    model = net()
    watching = reluctant.watch(model, every=1)
    train(model)
    gone = weakref.ref(model[0].weight)
    del model
    gc.collect()
    assert gone() is None
    check_complete(watching.run(), 3)
    assert watching.run().info.exit_code == 0
    assert not torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]
    with pytest.raises(WrongArgument, match="is gone"):
        watching.__enter__()


def test_a_watch_that_is_forgotten_goes_on() -> None:
    model = net()
    reluctant.watch(model, every=1, out="run")
    gc.collect()
    train(model)
    del model
    gc.collect()
    check_complete(reluctant.load("run"), 3)


def test_a_closed_watch_keeps_no_model() -> None:
    model = net()
    with reluctant.watch(model, every=1) as watching:
        train(model)
    gone = weakref.ref(model[0].weight)
    del model
    gc.collect()
    assert gone() is None
    check_complete(watching.run(), 3)


def test_how_it_looks() -> None:
    model = net()
    watching = reluctant.watch(model, every=1, out="run")
    train(model)
    path = Path.cwd() / "run"
    assert repr(watching) == f"<reluctant.watch(Sequential), open, 3 steps, {path}>"
    watching.close()
    assert repr(watching) == f"<reluctant.watch(Sequential), closed, 3 steps, {path}>"


def test_a_notebook_shows_how_it_stands() -> None:
    model = net()
    with reluctant.watch(model) as watching:
        assert "nothing seen" in watching._repr_html_()
        train(model)
        assert "3 steps observed" in watching._repr_html_()
        train(model)
    html = watching._repr_html_()
    assert html == watching.run()._repr_html_()
    assert "6 steps, " in html
    rmtree(watching.path)
    assert watching._repr_html_().startswith("<p>There is no run at ")


# -- where it is used --------------------------------------------------------------------------

CELLS = [
    "import torch, reluctant",
    "from torch import nn",
    "model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))",
    "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
    "watching = reluctant.watch(model, every=1)",
    "for step in range(3):\n"
    "    optimizer.zero_grad()\n"
    "    model(torch.randn(16, 4)).square().mean().backward()\n"
    "    optimizer.step()\n",
    "watching.diagnose().verdict",
    "model(torch.randn(16, 3))",
    "watching.close()",
    "len(watching.run().samples)",
]


def test_a_notebook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Cells run one by one in a namespace, one of them failing, in a process with no script."""
    monkeypatch.setattr(sys, "argv", ["/usr/lib/ipykernel_launcher.py", "-f", "kernel.json"])
    main = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    console = code.InteractiveInterpreter(vars(main))
    for cell in CELLS:
        console.runsource(cell, "<cell>", "single")
    out, err = capsys.readouterr()
    assert out.splitlines() == ["'healthy'", "3"]
    assert err.count("Traceback") == 1
    assert "mat1 and mat2 shapes cannot be multiplied" in err
    (path,) = Path(".reluctant/runs").iterdir()
    assert path.name.endswith("-notebook")
    assert reluctant.load(path).info.script == "notebook"


SCRIPT = """
import sys, torch
from torch import nn
import reluctant
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
other = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
optimizer = torch.optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)
if "watch" in sys.argv:
    watching = reluctant.watch(model, every=2, out="watched")
for step in range(6):
    optimizer.zero_grad()
    x = torch.randn(16, 4)
    (model(x).square().mean() + other(x).square().mean()).backward()
    optimizer.step()
print(sum(p.double().sum().item() for p in model.parameters()).hex())
"""


@pytest.mark.slow
def test_inside_reluctant_run_and_never_closed(tmp_path: Path) -> None:
    """Both records are complete, each with its own; an open watch is closed at the end."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    plain = python(script, cwd=tmp_path)
    both = python(
        *("-m", "reluctant", "run", "--every", 1, "--out", "run", script, "watch"), cwd=tmp_path
    )
    assert (both.code, both.out) == (plain.code, plain.out) == (0, plain.out), both.err
    assert both.err.count("reluctant  healthy") == 1
    whole, part = reluctant.load(tmp_path / "run"), reluctant.load(tmp_path / "watched")
    assert whole.steps.tolist() == list(range(6))
    assert sites(whole) == {
        "Sequential.1:relu": "Sequential.0",
        "Sequential#1.1:tanh": "Sequential#1.0",
    }
    assert part.steps.tolist() == [0, 2, 4]
    assert (sites(part), layers(part)) == ({"1:relu": "0"}, ["0", "2"])
    assert (part.info.exit_code, part.info.steps, part.info.failure) == (0, 6, None)
