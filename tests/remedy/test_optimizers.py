"""What each of torch's optimizers remembers of some slices is forgotten, and no more."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from reluctant.remedy import optimizers

NEW = torch.tensor([1, 4])
RATE = 1e-2
# What each keeps of its gradients, and of their sizes.
MOMENTS = {"exp_avg", "momentum_buffer", "grad_avg", "prev", "acc_delta"}
SIZES = {
    "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "square_avg", "sum", "row_var", "col_var",
    "step_size",
}  # fmt: skip

Make = Callable[..., Optimizer]
KINDS: dict[str, Make] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "rmsprop, momentum": partial(torch.optim.RMSprop, momentum=0.9, centered=True),
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "asgd": torch.optim.ASGD,
    "rprop": torch.optim.Rprop,
    "sgd, foreach": partial(torch.optim.SGD, momentum=0.9, foreach=True),
    "adam, foreach": partial(torch.optim.Adam, foreach=True),
    "rmsprop, foreach": partial(torch.optim.RMSprop, foreach=True),
    "sgd, fused": partial(torch.optim.SGD, momentum=0.9, fused=True),
    "adam, fused": partial(torch.optim.Adam, fused=True),
    "adagrad, fused": partial(torch.optim.Adagrad, fused=True),
}
if hasattr(torch.optim, "Muon"):
    KINDS["muon"] = torch.optim.Muon


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Make:
    return KINDS[request.param]


class Training:
    """A product that learns, with rows and columns alike."""

    def __init__(self, kind: Make, steps: int = 5) -> None:
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(6, 8))
        self.optimizer = kind([self.weight], lr=RATE)
        self.x, self.target = torch.randn(64, 8), torch.randn(64, 6)
        for _ in range(steps):
            self.step()

    def step(self) -> Tensor:
        """How far each weight moves."""
        before = self.weight.detach().clone()
        self.optimizer.zero_grad()
        F.mse_loss(F.linear(self.x, self.weight), self.target).backward()
        self.optimizer.step()
        return (self.weight.detach() - before).abs()

    def state(self) -> dict[str, Tensor]:
        return {name: at.clone() for name, at in self.optimizer.state[self.weight].items()}


def along(state: dict[str, Tensor], dim: int) -> Iterator[tuple[str, Tensor]]:
    """What is kept of each slice, with the slices first."""
    for name, value in state.items():
        if value.dim() == 2 and value.shape[dim] > 1:
            yield name, value.movedim(dim, 0)


@pytest.mark.parametrize("dim", [0, 1])
def test_the_new_is_forgotten_and_the_rest_is_kept(kind: Make, dim: int) -> None:
    training = Training(kind)
    before = training.state()
    optimizers.renew(training.optimizer, training.weight, dim, NEW)
    after = training.state()
    assert after.keys() == before.keys()
    others = [at for at in range(training.weight.shape[dim]) if at not in NEW.tolist()]
    renewed = dict(along(after, dim))
    for name, value in after.items():
        if name not in renewed or name == "ax":
            assert torch.equal(value, before[name])
    for name, value in renewed.items():
        old = dict(along(before, dim))[name]
        assert torch.equal(value[others], old[others])
        if name in MOMENTS:
            assert not value[NEW].any()
        elif name in SIZES:
            mean = old[others].mean(dim=0)
            torch.testing.assert_close(value[NEW], mean.expand_as(value[NEW]))
        else:
            assert name == "ax"


@pytest.mark.parametrize("dim", [0, 1])
def test_the_training_goes_on_and_the_new_take_no_larger_steps(kind: Make, dim: int) -> None:
    training = Training(kind)
    with torch.no_grad():
        training.weight.movedim(dim, 0)[NEW] = torch.randn_like(
            training.weight.movedim(dim, 0)[NEW]
        )
    optimizers.renew(training.optimizer, training.weight, dim, NEW)
    moved = training.step().movedim(dim, 0)
    others = [at for at in range(len(moved)) if at not in NEW.tolist()]
    assert moved[NEW].any()
    assert moved[NEW].mean() <= 4 * moved[others].mean()
    for _ in range(5):
        assert training.step().isfinite().all()


def test_from_nothing_the_steps_would_be_larger() -> None:
    """Why the sizes are not forgotten: the proof that the test above would see it."""
    training = Training(torch.optim.Adam, steps=200)
    for name, value in training.optimizer.state[training.weight].items():
        if name != "step":
            value[NEW] = 0
    training.weight.data[NEW] = torch.randn(2, 8)
    moved = training.step()
    assert moved[NEW].mean() > 4 * moved[[0, 2, 3, 5]].mean()


@pytest.mark.parametrize("dim", [0, 1])
def test_where_all_is_new_all_is_forgotten(kind: Make, dim: int) -> None:
    training, anew = Training(kind), Training(kind, steps=0)
    optimizers.renew(training.optimizer, training.weight, dim, torch.arange([6, 8][dim]))
    remembered = training.optimizer.state.get(training.weight, {})
    assert not any(value.any() for value in remembered.values())
    with torch.no_grad():
        anew.weight.copy_(training.weight)
    assert torch.equal(training.step(), anew.step())


def test_what_has_not_been_stepped_needs_no_renewal(kind: Make) -> None:
    training = Training(kind, steps=0)
    optimizers.renew(training.optimizer, training.weight, 0, NEW)
    assert training.step().isfinite().all()


def test_torchs_own_are_not_refused(kind: Make) -> None:
    training = Training(kind)
    assert optimizers.refusal(training.optimizer, [training.weight]) is None


def test_whole_steps_are_refused() -> None:
    weight = nn.Parameter(torch.randn(3, 2))
    why = optimizers.refusal(torch.optim.LBFGS([weight]), [weight])
    assert why == "LBFGS remembers whole steps, and no part of them can be forgotten."


class Lookahead(torch.optim.SGD):
    """Keeps weights of its own."""

    def step(self, closure=None):  # type: ignore[no-untyped-def]
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["slow"] = parameter.detach().clone()
        return super().step(closure)


def test_what_is_not_known_is_refused() -> None:
    training = Training(Lookahead)
    why = optimizers.refusal(training.optimizer, [training.weight])
    assert why == "Lookahead remembers what is not known here (slow)."
    assert optimizers.refusal(training.optimizer, []) is None
