"""A step is taken at a part of its rate, and a schedule does not notice."""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer, lr_scheduler

from reluctant.remedy.throttle import Throttle

RATE, STEPS = 0.1, 12
Schedule = Callable[[Optimizer], lr_scheduler.LRScheduler]

SCHEDULES: dict[str, Schedule] = {
    "lambda": lambda at: lr_scheduler.LambdaLR(at, lambda step: 0.9**step),
    "multiplicative": lambda at: lr_scheduler.MultiplicativeLR(at, lambda step: 0.9),
    "step": lambda at: lr_scheduler.StepLR(at, 3, 0.5),
    "exponential": lambda at: lr_scheduler.ExponentialLR(at, 0.9),
    "cosine": lambda at: lr_scheduler.CosineAnnealingLR(at, STEPS),
    "warm restarts": lambda at: lr_scheduler.CosineAnnealingWarmRestarts(at, 4),
    "one cycle": lambda at: lr_scheduler.OneCycleLR(at, RATE, total_steps=STEPS + 1),
    "linear": lambda at: lr_scheduler.LinearLR(at, 0.1, total_iters=5),
}


def optimizer(rate: float | Tensor = RATE, groups: int = 2, **facts: float) -> Optimizer:
    parameters = [nn.Parameter(torch.ones(3)) for _ in range(groups)]
    return torch.optim.SGD([{"params": [at]} for at in parameters], lr=rate, **facts)  # type: ignore[arg-type]


def moved(at: Optimizer) -> list[float]:
    """How far one step goes, by parameter, with gradients of one."""
    parameters = [parameter for group in at.param_groups for parameter in group["params"]]
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    at.step()
    return [float((b - p).detach()[0]) for b, p in zip(before, parameters, strict=True)]


def test_a_step_is_a_part_of_itself() -> None:
    throttle, slowed = Throttle(), optimizer()
    assert throttle.factor(slowed) == 1
    throttle.set(slowed, 0.25)
    assert throttle.factor(slowed) == 0.25
    assert moved(slowed) == pytest.approx([0.25 * RATE] * 2, rel=1e-5)
    assert [group["lr"] for group in slowed.param_groups] == [RATE] * 2


def test_a_second_factor_takes_the_place_of_the_first() -> None:
    throttle, slowed = Throttle(), optimizer()
    throttle.set(slowed, 0.5)
    throttle.set(slowed, 0.2)
    assert moved(slowed) == pytest.approx([0.2 * RATE] * 2, rel=1e-5)
    throttle.set(slowed, 1.0)
    assert moved(slowed) == pytest.approx([RATE] * 2, rel=1e-5)


def test_others_go_as_fast_as_before() -> None:
    throttle, slowed, other = Throttle(), optimizer(), optimizer()
    throttle.set(slowed, 0.5)
    assert moved(other) == pytest.approx([RATE] * 2, rel=1e-5)


def test_each_group_keeps_its_own_rate() -> None:
    throttle, slowed = Throttle(), optimizer()
    slowed.param_groups[1]["lr"] = 3 * RATE
    throttle.set(slowed, 0.5)
    assert moved(slowed) == pytest.approx([0.5 * RATE, 1.5 * RATE], rel=1e-5)


@pytest.mark.parametrize("rate", [RATE, torch.tensor(RATE)], ids=["float", "tensor"])
def test_one_that_is_held_follows_its_schedule_no_more(rate: float | Tensor) -> None:
    throttle, slowed = Throttle(), optimizer(rate)
    schedule = lr_scheduler.ExponentialLR(slowed, 0.5)
    throttle.set(slowed, 2.0, hold=True)
    for step in range(3):
        assert moved(slowed) == pytest.approx([2 * RATE] * 2, rel=1e-5)
        assert float(slowed.param_groups[0]["lr"]) == pytest.approx(RATE * 0.5**step)
        schedule.step()
    throttle.set(slowed, 1.0)
    assert moved(slowed) == pytest.approx([RATE] * 2, rel=1e-5)


def test_how_it_was_is_put_back() -> None:
    throttle, slowed = Throttle(), optimizer()
    before = throttle.pace(slowed)
    throttle.set(slowed, 3.0, hold=True)
    slowed.param_groups[0]["lr"] = RATE / 2
    throttle.put(slowed, before)
    assert moved(slowed) == pytest.approx([RATE / 2, RATE], rel=1e-5)


def test_a_group_that_comes_later_has_its_own_rate() -> None:
    throttle, slowed = Throttle(), optimizer()
    throttle.set(slowed, 2.0, hold=True)
    slowed.add_param_group({"params": [nn.Parameter(torch.ones(3))], "lr": RATE / 4})
    assert moved(slowed) == pytest.approx([2 * RATE, 2 * RATE, RATE / 2], rel=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(
    "rate", [lambda: RATE, lambda: torch.tensor(RATE)], ids=["float", "tensor"]
)
def test_a_schedule_gives_what_it_gave(name: str, rate: Callable[[], float | Tensor]) -> None:
    def rates(factor: float | None) -> tuple[list[list[float]], list[list[float]], list[float]]:
        slowed = optimizer(rate())
        schedule = SCHEDULES[name](slowed)
        throttle = Throttle()
        groups, told, steps = [], [], []
        for step in range(STEPS):
            if factor is not None and step == 2:  # not from the beginning
                throttle.set(slowed, factor)
            steps.append(moved(slowed)[0])
            schedule.step()
            groups.append([float(group["lr"]) for group in slowed.param_groups])
            told.append([float(at) for at in schedule.get_last_lr()])
        return groups, told, steps

    free, held = rates(None), rates(0.25)
    assert held[:2] == free[:2]
    assert held[2][:2] == free[2][:2]
    assert held[2][2:] == pytest.approx([0.25 * at for at in free[2][2:]], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_one_tensor_that_all_groups_share_is_lowered_once(kind: Callable[..., Optimizer]) -> None:
    rate = torch.tensor(RATE)
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    slowed = kind([{"params": [one]}, {"params": [two]}], lr=rate)
    throttle = Throttle()
    throttle.set(slowed, 0.5)
    assert moved(slowed) == pytest.approx([0.5 * RATE] * 2, rel=1e-5)
    assert float(rate) == pytest.approx(RATE)
    assert slowed.param_groups[0]["lr"] is rate


@pytest.mark.parametrize("make", [optimizer, partial(optimizer, momentum=0.9)])
def test_a_step_with_a_closure_is_slowed(make: Callable[..., Optimizer]) -> None:
    throttle, slowed = Throttle(), make()
    throttle.set(slowed, 0.5)
    seen: list[float] = []

    def closure() -> float:
        seen.append(slowed.param_groups[0]["lr"])
        for group in slowed.param_groups:
            group["params"][0].grad = torch.ones(3)
        return 7.0

    assert slowed.step(closure) == 7.0
    assert seen == [0.5 * RATE]
    assert slowed.param_groups[0]["lr"] == RATE


def test_a_step_that_fails_slows_down_no_other() -> None:
    throttle, slowed = Throttle(), optimizer()
    throttle.set(slowed, 0.5)

    def closure() -> float:
        raise MemoryError

    for _ in range(3):
        with pytest.raises(MemoryError):
            slowed.step(closure)
    assert moved(slowed) == pytest.approx([0.5 * RATE] * 2, rel=1e-5)
    assert slowed.param_groups[0]["lr"] == RATE


def test_it_keeps_no_optimizer_alive() -> None:
    throttle, slowed = Throttle(), optimizer()
    throttle.set(slowed, 0.5)
    moved(slowed)
    kept = weakref.ref(slowed)
    del slowed
    gc.collect()
    assert kept() is None


def test_all_are_slowed_from_their_first_step_until_that_is_ended() -> None:
    throttle, slowed = Throttle(), optimizer()
    throttle.set(slowed, 0.2)
    with throttle.all(0.5):
        first, second = optimizer(), optimizer(torch.tensor(RATE))
        second.param_groups[1]["lr"] = 3 * RATE
        for _ in range(2):
            assert moved(first) == pytest.approx([0.5 * RATE] * 2, rel=1e-5)
            assert moved(second) == pytest.approx([0.5 * RATE, 1.5 * RATE], rel=1e-5)
            assert moved(slowed) == pytest.approx([0.5 * RATE] * 2, rel=1e-5)
        assert first.param_groups[0]["lr"] == RATE
    assert moved(first) == moved(optimizer()) == pytest.approx([RATE] * 2, rel=1e-5)
    assert moved(slowed) == pytest.approx([0.2 * RATE] * 2, rel=1e-5)


def test_one_without_a_rate_is_left_as_it_is() -> None:
    class Plain(Optimizer):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data -= 0.5

    with Throttle().all(0.1):
        assert moved(Plain([nn.Parameter(torch.ones(3))], {})) == [0.5]


def test_lbfgs_goes_its_way_at_a_part_of_its_rate() -> None:
    def after(factor: float) -> float:
        parameter = nn.Parameter(torch.tensor([4.0]))
        at = torch.optim.LBFGS([parameter], lr=1.0, max_iter=1)

        def closure() -> Tensor:
            at.zero_grad()
            loss = parameter.square().sum() / 16
            loss.backward()
            return loss.detach()

        with Throttle().all(factor):
            at.step(closure)  # type: ignore[arg-type]
        return float(parameter.detach())

    # Its first step is along the gradient, which is 0.5.
    assert (after(1.0), after(0.5)) == pytest.approx((3.5, 3.75))
