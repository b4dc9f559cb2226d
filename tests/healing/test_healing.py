"""What is treated while it trains, and what is not."""

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.healing.training import Make, Trained, born_dead, modes, sgd, sound, train
from torch import nn
from torch.optim import LBFGS, SGD, Adam, Optimizer

import reluctant
from reluctant.diagnosis import diagnose
from reluctant.errors import WrongArgument
from reluctant.healing import healer
from reluctant.healing.healer import Healer
from reluctant.healing.operations import Operations
from reluctant.record.finding import Cause, Diagnosis, Finding, Severity, Units
from reluctant.record.run import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check_same(one: nn.Module, other: nn.Module) -> None:
    """To the last bit."""
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


# -- what is sick, and what is not -------------------------------------------------------------


def decaying(model: nn.Module) -> Optimizer:
    """Its rate has gone after a dozen steps."""

    def lower(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        optimizer.param_groups[0]["lr"] *= 0.7

    optimizer = SGD(model.parameters(), lr=0.003)
    optimizer.register_step_post_hook(lower)
    return optimizer


def faint(seed: int = 0) -> nn.Module:
    """Weights so small that its signal is lost on the way."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for at in range(8):
        parts += [nn.Linear(64, 64), nn.Tanh()]
        nn.init.normal_(parts[2 * at].weight, std=0.02)  # type: ignore[arg-type]
    return nn.Sequential(*parts, nn.Linear(64, 10))


RATES: dict[str, tuple[Callable[[int], nn.Module], Make, str]] = {
    "born dead": (born_dead, sgd, "rescale"),
    "born faint": (faint, sgd, "rescale"),
    "much too fast": (sound, lambda at: SGD(at.parameters(), lr=3.0, momentum=0.9), "roll-back"),
    "much too slow": (sound, lambda at: SGD(at.parameters(), lr=1e-5), "speed-up"),
    "slower each step": (sound, decaying, "speed-up"),
}


@pytest.mark.parametrize("case", RATES)
def test_what_is_sick_is_healed(case: str) -> None:
    """Paired, with three seeds: the same weights and batches, treated and not."""
    build, make, remedy = RATES[case]
    for seed in range(3):
        plain = train(build(seed), make)
        healed = train(build(seed), make, heal=True, every=1)
        assert (remedy, True) in healed.remedies
        assert healed.loss < 0.9 * plain.loss or not np.isfinite(plain.loss)
        if remedy != "speed-up":
            assert healed.loss < 0.5
        assert healed.run is not None
        assert healed.run.info.failure is None
        assert diagnose(healed.run).verdict != "error"


@pytest.mark.parametrize(
    "remedy", ["rescale", "revive", "leak", "leak-learnt", "roll-back", "speed-up"]
)
def test_the_default_device_may_be_another(remedy: str) -> None:
    """What we make of our own accord must lie where the script's tensors do."""
    makes = {case[2]: case[:2] for case in RATES.values()}
    build, make = makes.get(remedy, (born_dead, sgd))
    usual = train(build(0), make, heal=(remedy,), every=1)
    model = build(0)
    with torch.device("meta"):
        other = train(model, make, heal=(remedy,), every=1)
    assert other.run is not None
    assert other.run.info.failure is None
    assert usual.remedies
    assert other.remedies == usual.remedies
    check_same(other.model, usual.model)


def test_units_that_are_all_alike_are_told_apart_though_the_loss_falls() -> None:
    """It falls to what a constant answer costs, which one unit is enough for."""

    def alike() -> nn.Sequential:
        model = sound()
        for layer in model[::2]:
            nn.init.constant_(layer.weight, 0.02)  # type: ignore[arg-type]
        nn.init.normal_(model[-1].bias, std=3.0)  # type: ignore[arg-type]
        return model

    plain, healed = train(alike()), train(alike(), heal=True, every=1)
    assert plain.losses[20] < 0.9 * plain.losses[0]
    assert healed.remedies == [("rescale", True)]
    assert healed.interventions[0].step < 20
    assert healed.loss < 0.5 * plain.loss


@pytest.mark.parametrize(
    ("hasty", "learning", "done"),
    [(True, False, [("roll-back", True)]), (False, False, []), (True, True, [])],
)
def test_steps_that_kill_before_anything_is_learnt(
    monkeypatch: pytest.MonkeyPatch, hasty: bool, learning: bool, done: list[Any]
) -> None:
    """That units were killed is only a warning, and that steps were outsized a note."""
    units = Units((0, 1), 64)
    killed = Cause("killed-by-step", ""), Cause("outsized-update", "")
    said = [Finding("dead-units", Severity.WARNING, "2", units, 3, killed[0])]
    if hasty:
        said.append(Finding("learning-rate-too-high", Severity.NOTE, "2", None, 3, killed[1]))

    def told(run: Run) -> Diagnosis:
        return replace(diagnose(run), findings=() if run.interventions else tuple(said))

    monkeypatch.setattr(healer, "diagnose", told)
    monkeypatch.setattr(healer, "untaught", lambda run: not learning)
    trained = train(sound(), steps=50, heal=True, every=1)
    assert trained.remedies == done
    assert all(at.step < 20 for at in trained.interventions)


@pytest.mark.parametrize("make", [sgd, lambda at: Adam(at.parameters(), lr=1e-3)])
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_run_is_left_alone(seed: int, make: Make) -> None:
    random.seed(3)
    np.random.seed(3)
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    plain, watched = train(sound(seed), make), train(sound(seed), make, heal=True, every=1)
    assert watched.interventions == ()
    check_same(watched.model, plain.model)
    assert watched.losses == plain.losses
    assert all(map(torch.equal, watched.random, plain.random))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # type: ignore[index]


REMEDIES: dict[str, Callable[..., Trained]] = {
    "rescale": partial(train, make=sgd, steps=80),
    "revive": partial(train, make=sgd, steps=80),
    "roll-back": partial(train, make=RATES["much too fast"][1], steps=80),
    "slow-down": partial(train, make=lambda at: Adam(at.parameters(), lr=0.3), steps=80),
    "speed-up": partial(train, make=RATES["much too slow"][1]),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_no_remedy_draws_a_number_or_changes_a_shape(remedy: str) -> None:
    """The batches are those of the plain run, and checkpoints fit."""
    build = born_dead if remedy in ("rescale", "revive") else sound
    plain, healed = REMEDIES[remedy](build()), REMEDIES[remedy](build(), heal=[remedy], every=1)
    assert {at.remedy for at in healed.interventions} == {remedy}
    assert any(at.kept is not False for at in healed.interventions)
    assert all(map(torch.equal, healed.batches, plain.batches))
    assert all(map(torch.equal, healed.random, plain.random))
    shapes = [{key: at.shape for key, at in t.model.state_dict().items()} for t in (plain, healed)]
    assert shapes[0] == shapes[1]
    assert healed.model.load_state_dict(plain.model.state_dict())
    resumed = REMEDIES[remedy].keywords["make"](healed.model)  # type: ignore[attr-defined]
    resumed.load_state_dict(healed.optimizer.state_dict())
    assert healed.optimizer.param_groups[0]["lr"] == plain.optimizer.param_groups[0]["lr"]


# -- what goes wrong ---------------------------------------------------------------------------


def test_what_a_remedy_has_made_worse_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[dict[str, Any]] = []

    def ruin(self: Operations, proposal: Any, attempt: int, begun: Any, done: Any) -> None:
        begun()
        kept.append(deepcopy(model.state_dict()))
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.linspace(-9.0, 9.0, weight.numel()).reshape(weight.shape))
        done()

    restored: list[dict[str, Any]] = []
    restore = Operations.restore

    def and_look(self: Operations, state: Any) -> None:
        restore(self, state)
        restored.append(deepcopy(model.state_dict()))

    monkeypatch.setattr(Operations, "rescale", ruin)
    monkeypatch.setattr(Operations, "restore", and_look)
    model = born_dead()
    healed = train(model, heal=["rescale"], every=1)
    first = healed.interventions[0]
    assert (first.remedy, first.kept) == ("rescale", False)
    assert first.text.startswith("The loss ")
    assert first.after is not None
    assert restored
    for before, after in zip(kept, restored, strict=False):
        assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", ["_look", "_treat", "_begin"])
def test_a_failure_of_ours_ends_healing_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Healer, name, fail)
    healed = train(born_dead(), heal=True, every=1)
    err = capsys.readouterr().err
    assert err.count("Healing was given up, while the training goes on") == 1
    assert "ZeroDivisionError" in err
    assert "Traceback" not in err
    assert healed.run is not None
    assert (healed.run.info.failure, len(healed.run.samples)) == (None, 150)
    check_same(healed.model, train(born_dead()).model)


def test_a_pass_that_fails_ends_healing_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("reluctant.initialization.passing.Restart._product", fail)
    train(born_dead(), heal=True, every=1)
    assert "Healing was given up" in capsys.readouterr().err
    assert modes() == 0


class Unknown(SGD):
    """Remembers what nobody knows of."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for at in group["params"]:
                self.state[at]["secret"] = torch.zeros_like(at)
        return super().step(closure)


def frozen(seed: int = 0) -> nn.Module:
    model = born_dead(seed)
    for at in model[2].parameters():
        at.requires_grad_(False)
    return model


REFUSALS: dict[str, tuple[Callable[[], nn.Module], Make, tuple[str, ...]]] = {
    "lbfgs": (
        born_dead,
        lambda at: LBFGS(at.parameters(), lr=0.1, max_iter=2),
        ("LBFGS remembers whole",),
    ),
    "unknown": (born_dead, lambda at: Unknown(at.parameters(), lr=0.05), ("not known here",)),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_treated_is_refused_and_goes_on(case: str) -> None:
    build, make, words = REFUSALS[case]
    plain = train(build(), make, steps=40)
    healed = train(build(), make, steps=40, heal=["revive"], every=1)
    assert healed.interventions
    for at in healed.interventions:
        assert (at.kept, at.after) == (False, None)
        assert any(word in at.text for word in words), at.text
    check_same(healed.model, plain.model)


def test_frozen_layers_stay_as_they_are() -> None:
    model = frozen()
    before = deepcopy(model[2].state_dict())  # type: ignore[index]
    train(model, lambda at: SGD([p for p in at.parameters() if p.requires_grad], 0.05), heal=True)
    assert all(torch.equal(before[key], at) for key, at in model[2].state_dict().items())  # type: ignore[index]


# -- the ways in -------------------------------------------------------------------------------


def test_it_is_a_watch() -> None:
    model = born_dead()
    with reluctant.heal(model, every=1, out="run", remedies=["rescale"]) as healing:
        train(model, steps=80)
    assert isinstance(healing, type(reluctant.watch(model)))
    assert [at.remedy for at in healing.run().interventions] == ["rescale"]
    assert healing.diagnose().limits
    assert reluctant.load("run").info.exit_code == 0
    assert reluctant.watch(model, heal=True)._options.share == 0.05
    assert reluctant.watch(model, heal=())._options.share == 0.01


def test_a_decorated_function_is_healed_in_each_call() -> None:
    model = born_dead()
    optimizer = Adam(model.parameters(), lr=1.0)

    @reluctant.heal(model, optimizer, every=1, out="run", remedies=["slow-down", "roll-back"])
    def fit() -> float:
        train(model, lambda _: optimizer, steps=60)
        return float(optimizer.param_groups[0]["lr"])

    assert [fit(), fit()] == [1.0, 1.0]


@pytest.mark.parametrize("given", ["revive", ["nonsense"], 3, [["revive"]]])
def test_remedies_that_are_none(given: Any) -> None:
    with pytest.raises(WrongArgument, match=r"heal needs True, False or some of rescale"):
        reluctant.heal(sound(), remedies=given)


def test_only_what_is_watched_is_touched() -> None:
    """One of two models with one optimizer is healed; the other is as it would be."""
    bodies = []
    for heal in (False, True):
        sick, other = born_dead(), born_dead(1)
        optimizer: Optimizer = Adam([*sick.parameters(), *other.parameters()], lr=1e-3)
        torch.manual_seed(0)
        watching = reluctant.heal(sick, optimizer, every=1) if heal else None
        for _ in range(80):
            x = torch.randn(32, 64)
            optimizer.zero_grad()
            loss = sick(x).square().mean() + other(x).square().mean()
            loss.backward()
            optimizer.step()
        if watching is not None:
            watching.close()
            assert any(at.kept for at in watching.run().interventions)
        bodies.append((other, {at: optimizer.state[at]["exp_avg"] for at in other.parameters()}))
    check_same(bodies[0][0], bodies[1][0])
    assert all(map(torch.equal, bodies[0][1].values(), bodies[1][1].values()))


def test_nothing_is_treated_where_somebody_asks_in_the_midst_of_a_step() -> None:
    model = born_dead()
    optimizer = sgd(model)
    torch.manual_seed(0)
    with reluctant.heal(model, optimizer, every=1) as healing:
        for _ in range(60):
            optimizer.zero_grad()
            loss = model(torch.randn(32, 64)).square().mean()
            healing.diagnose()
            loss.backward()
            optimizer.step()
    assert healing.run().info.failure is None
    assert healing.run().info.steps == 60


def test_nothing_is_left_behind() -> None:
    from torch.optim import optimizer as hooks

    before = dict(hooks._global_optimizer_pre_hooks), dict(hooks._global_optimizer_post_hooks)
    for steps in range(8, 20):
        train(born_dead(), heal=True, every=1, steps=steps)
    after = dict(hooks._global_optimizer_pre_hooks), dict(hooks._global_optimizer_post_hooks)
    assert before == after
    assert modes() == 0
