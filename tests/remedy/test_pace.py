"""How far a step changes what a network computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adam, AdamW, Optimizer

from reluctant.remedy import pace


def trained(depth: int, make: Callable[..., Optimizer], **options: float) -> Optimizer:
    """An optimizer about to take its first step on a deep linear network."""
    torch.manual_seed(0)
    model = nn.Sequential(*[nn.Linear(16, 16) for _ in range(depth)])
    model(torch.randn(32, 16)).square().mean().backward()
    return make(model.parameters(), **options)


def weights(optimizer: Optimizer) -> list[Tensor]:
    held = [at for group in optimizer.param_groups for at in group["params"]]
    return [at for at in held if at.dim() == 2]


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
@pytest.mark.parametrize("lr", [1e-4, 1.0, 100.0])
def test_at_that_pace_the_step_is_sound(make: Callable[..., Optimizer], lr: float) -> None:
    options = {} if make is SGD else {"eps": 1e-30}
    optimizer = trained(4, make, lr=lr, weight_decay=0.0, **options)
    factor = pace.factor(optimizer)
    before = [at.detach().clone() for at in weights(optimizer)]
    for group in optimizer.param_groups:
        group["lr"] *= factor
    optimizer.step()
    change = sum(
        float((at.detach() - was).norm() / was.norm())
        for at, was in zip(weights(optimizer), before, strict=True)
    )
    assert change == pytest.approx(pace.SOUND, rel=1e-3)


def test_a_deeper_network_takes_shorter_steps() -> None:
    shallow, deep = (pace.factor(trained(depth, Adam, lr=0.1)) for depth in (2, 20))
    assert deep == pytest.approx(shallow / 10, rel=0.1)


def test_of_what_is_not_known_the_pace_is_kept() -> None:
    assert pace.factor(trained(2, Adadelta, lr=1.0)) == 1
    idle = SGD([torch.zeros(3, 3, requires_grad=True)], lr=1.0)
    assert pace.factor(idle) == 1  # no gradient


def test_momentum_makes_steps_longer() -> None:
    assert pace.momentum(trained(2, SGD, lr=0.1)) == 1
    assert pace.momentum(trained(2, SGD, lr=0.1, momentum=0.9)) == pytest.approx(10**0.5)
    assert pace.momentum(trained(2, Adam, lr=0.1)) == 1
