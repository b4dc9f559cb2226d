"""Revived units begin anew, and the network computes what it computed before."""

import pytest
import torch
from tests.remedy.networks import CASES, ROWS, Case, Functional, surveyed
from tests.remedy.obstacles import REFUSED
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from reluctant.remedy import revive
from reluctant.remedy.refusal import Refused
from reluctant.remedy.revive import Revival
from reluctant.remedy.survey import Survey
from reluctant.remedy.wiring import Wiring

DEAD = torch.tensor([1, 4, 5, 11])
ROUNDING = 1e-5


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def planned(case: Case, model: nn.Module, x: Tensor, share: float = 0.5) -> Revival:
    wiring = surveyed(model, x, model.get_parameter(case.weight))
    return revive.plan(wiring, DEAD, torch.Generator().manual_seed(1), share)


def outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    """In training and in evaluation, with nothing changed by that."""
    kept = {name: at.clone() for name, at in model.state_dict().items()}
    with torch.no_grad():
        found = [model.train()(x), model.eval()(x)]
    model.load_state_dict(kept)
    model.train()
    return found


def kill(layer: nn.Module, value: float = -100.0) -> None:
    with torch.no_grad():
        layer.get_parameter("bias")[DEAD] = value


def check_same(found: list[Tensor], expected: list[Tensor], moves: bool) -> None:
    """To the last bit, but where a constant has moved into a bias."""
    for one, other in zip(found, expected, strict=True):
        if moves:
            torch.testing.assert_close(one, other, rtol=ROUNDING, atol=ROUNDING)
        else:
            assert torch.equal(one, other)


def test_the_network_computes_what_it_did(case: Case) -> None:
    model, x = case.made(DEAD.tolist())
    assert not case.firing(model, x)[DEAD].any()
    plan = planned(case, model, x)
    before = outputs(model, x)
    revive.apply(plan, lambda tensor: ())
    check_same(outputs(model, x), before, case.moves)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_units_fire_on_the_share_that_is_wanted(case: Case, share: float) -> None:
    model, x = case.made(DEAD.tolist())
    others = case.firing(model, x)
    revive.apply(planned(case, model, x, share), lambda tensor: ())
    fires = case.firing(model, x)
    torch.testing.assert_close(fires[DEAD], torch.full((len(DEAD),), share), rtol=0, atol=0.02)
    fires[DEAD] = others[DEAD]
    assert torch.equal(fires, others)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_the_units_learn(case: Case, kind: type[Optimizer]) -> None:
    """What reads them learns in the first step, and they themselves in the second."""
    model, x = case.made(DEAD.tolist())
    optimizer = kind(model.parameters(), lr=1e-3)  # type: ignore[call-arg]
    weight, shift = model.get_parameter(case.weight), model.get_parameter(case.shift)
    target = torch.randn_like(model(x))

    def gradient() -> Tensor:
        """Of what shifts them, which comes through their function alone."""
        optimizer.zero_grad()
        F.mse_loss(model(x), target).backward()
        optimizer.step()
        assert shift.grad is not None
        return shift.grad.flatten()[DEAD]

    for _ in range(3):
        assert not gradient().any()
    axis = surveyed(model, x, weight).product.units_axis
    revive.apply(planned(case, model, x), lambda tensor: [optimizer])
    assert not gradient().any()
    assert gradient().all()
    assert weight.grad is not None
    assert weight.grad.movedim(axis, 0).flatten(1)[DEAD].any(dim=1).all()


def test_half_of_it_would_change_what_is_computed(case: Case) -> None:
    """The proof that the tests above would see it."""
    model, x = case.made(DEAD.tolist())
    plan = planned(case, model, x)
    weight = model.get_parameter(case.weight)
    read = {id(at.product.leaf) for at in surveyed(model, x, weight).readers}
    half = Revival(tuple(write for write in plan.writes if id(write[0]) not in read))
    before = outputs(model, x)
    revive.apply(half, lambda tensor: ())
    for one, other in zip(outputs(model, x), before, strict=True):
        assert not torch.allclose(one, other, rtol=1e-2, atol=1e-2)


def test_a_plan_changes_nothing(case: Case) -> None:
    model, x = case.made(DEAD.tolist())
    wiring = surveyed(model, x, model.get_parameter(case.weight))
    before = {name: at.clone() for name, at in model.state_dict().items()}
    revive.plan(wiring, DEAD, torch.Generator())
    for name, at in model.state_dict().items():
        assert torch.equal(at, before[name])


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_the_network_is_refused(name: str) -> None:
    build, shape, reason = REFUSED[name]
    model, x = build(), torch.randn(shape)
    before = {key: at.clone() for key, at in model.named_parameters()}
    wiring = surveyed(model, x, model.get_parameter("one.weight"))
    with pytest.raises(Refused, match=reason) as refusal:
        revive.plan(wiring, DEAD, torch.Generator())
    assert str(refusal.value).endswith(".")
    for key, at in model.named_parameters():
        assert torch.equal(at, before[key])


def test_a_penalty_on_units_reads_none_of_them() -> None:
    model, x = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)), torch.randn(ROWS)
    kill(model[0])
    survey = Survey(lambda leaf: leaf is model[0].weight)
    with survey:
        hidden = model[1](model[0](x))
        loss = (model[2](hidden) - 1).square().mean()
        (loss + 0.1 * hidden.abs().sum(-1).mean() + hidden.pow(2).sum()).backward()
    wiring = survey.wiring(model[0].weight)
    assert wiring is not None
    before = model(x)
    revive.apply(revive.plan(wiring, DEAD, torch.Generator()), lambda tensor: ())
    assert torch.equal(model(x), before)


def test_a_shift_before_a_convolution_is_refused() -> None:
    """Its padding takes no part in the shift."""
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.ReLU(), nn.BatchNorm2d(12), nn.Conv2d(12, 2, 3, padding=1)
    )
    kill(model[0])
    wiring = surveyed(model, torch.randn(4, 3, 8, 8), model[0].weight)
    with pytest.raises(Refused, match="shifts the unit, and it is read"):
        revive.plan(wiring, DEAD, torch.Generator())


def test_where_nothing_comes_in_nothing_is_revived() -> None:
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    kill(model[0])
    wiring = surveyed(model, torch.zeros(ROWS), model[0].weight)
    with pytest.raises(Refused, match="Nothing comes in"):
        revive.plan(wiring, DEAD, torch.Generator())


def test_units_that_a_normalisation_makes_constant_are_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.ReLU(), nn.Linear(12, 3))
    with torch.no_grad():
        model[0].weight.zero_()
    kill(model[1])
    wiring = surveyed(model, torch.randn(ROWS), model[0].weight)
    with pytest.raises(Refused, match="the same on all inputs"):
        revive.plan(wiring, DEAD, torch.Generator())


@pytest.mark.parametrize(
    ("function", "value"),
    [(nn.ReLU(), 0.0), (nn.ReLU6(), 100.0), (nn.LeakyReLU(), -100.0), (nn.PReLU(), -100.0)],
)
def test_units_that_are_not_off_are_refused(function: nn.Module, value: float) -> None:
    """They live, are stuck at the other end, or are never off."""
    model = nn.Sequential(nn.Linear(6, 12), function, nn.Linear(12, 3))
    kill(model[0], value)
    wiring = surveyed(model, torch.randn(ROWS), model[0].weight)
    with pytest.raises(Refused, match="None of the units is off"):
        revive.plan(wiring, DEAD, torch.Generator())


def test_units_that_live_are_left_alone(case: Case) -> None:
    """Only those of which it is wrongly said that they are dead."""
    dead = DEAD[:2].tolist()
    model, x = case.made(dead)
    firing = case.firing(model, x)
    plan = planned(case, model, x)
    before = outputs(model, x)
    revive.apply(plan, lambda tensor: ())
    check_same(outputs(model, x), before, case.moves)
    changed = case.firing(model, x) != firing
    assert changed.nonzero().flatten().tolist() == dead


# -- other circumstances ----------------------------------------------------------------------


@pytest.mark.parametrize("positive", [False, True])
def test_without_a_bias_units_fire_on_what_they_can(positive: bool) -> None:
    """On data on both sides of zero that is half of it; always, if the choice is all or nothing."""
    model = nn.Sequential(nn.Linear(1, 12, bias=False), nn.ReLU(), nn.Linear(12, 3))
    with torch.no_grad():
        model[0].weight[DEAD] = 0
    x = torch.rand(64, 1) + 1 if positive else torch.linspace(-1, 1, 64)[:, None]
    wiring = surveyed(model, x, model[0].weight)
    revive.apply(revive.plan(wiring, DEAD, torch.Generator()), lambda tensor: ())
    fires = (model[0](x)[:, DEAD] > 0).float().mean(dim=0)
    assert torch.equal(fires, torch.full((len(DEAD),), 1.0 if positive else 0.5))


def test_without_a_bias_units_that_would_never_fire_are_refused() -> None:
    model = nn.Sequential(nn.Linear(1, 12, bias=False), nn.ReLU(), nn.Linear(12, 3))
    with torch.no_grad():
        model[0].weight[DEAD] = -1
    wiring = surveyed(model, torch.rand(64, 1) + 1, model[0].weight)
    with pytest.raises(Refused, match="no bias"):
        revive.plan(wiring, DEAD, torch.Generator(), share=0.0)


def test_under_autocast_the_plan_is_made_outside_of_it() -> None:
    torch.manual_seed(0)
    model, x = Functional(), torch.randn(ROWS)
    kill(model.two)
    survey = Survey(lambda leaf: leaf is model.two.weight)
    with torch.autocast("cpu", dtype=torch.bfloat16), survey:
        model(x)
    wiring = survey.wiring(model.two.weight)
    assert wiring is not None
    before = model(x)
    revive.apply(revive.plan(wiring, DEAD, torch.Generator(), 0.5), lambda tensor: ())
    assert torch.equal(model(x), before)
    fires = (model.two(F.relu(model.one(x))) > 0).float().mean(dim=0)[DEAD]
    torch.testing.assert_close(fires, torch.full_like(fires, 0.5), rtol=0, atol=0.05)


def surveyed_before_a_step(*passes: str) -> Wiring:
    """Of a layer of which the passes, each with a backward pass, come by all layers or by two."""
    model = Functional()
    kill(model.two)
    survey = Survey(lambda leaf: leaf is model.two.weight)
    with survey:
        for name in passes:
            x = torch.randn(ROWS)
            out = model(x) if name == "whole" else model.out(F.relu(model.one(x)))
            out.square().mean().backward()
    wiring = survey.wiring(model.two.weight)
    assert wiring is not None
    return wiring


def test_gradients_may_be_accumulated() -> None:
    wiring = surveyed_before_a_step("whole", "whole", "whole")
    assert wiring.obstacle == ""
    assert len(revive.plan(wiring, DEAD, torch.Generator()).tensors) > 2


def test_a_reader_that_another_pass_uses_for_something_else_is_an_obstacle() -> None:
    assert "more than once" in surveyed_before_a_step("whole", "part").obstacle


def test_a_pass_that_is_none_of_training_is_not_followed() -> None:
    model = Functional()
    survey = Survey(lambda leaf: True)
    with survey, torch.no_grad():
        model(torch.randn(ROWS))
    assert survey.wiring(model.one.weight) is None


def test_what_goes_wrong_in_following_is_kept_from_the_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> None:
        raise ValueError("broken")

    model, x = Functional(), torch.randn(ROWS)
    expected = model(x)
    monkeypatch.setattr(Survey, "_carried", broken)
    survey = Survey(lambda leaf: True)
    with survey:
        assert torch.equal(model(x), expected)
    with pytest.raises(ValueError, match="broken"):
        survey.wiring(model.one.weight)


def test_nothing_that_is_followed_draws_a_number_or_changes_the_output(case: Case) -> None:
    model, x = case.made(())
    model.eval()
    expected, state = model(x), torch.get_rng_state()
    with Survey(lambda leaf: True):
        found = model(x)
    assert torch.equal(found, expected)
    assert torch.equal(torch.get_rng_state(), state)
