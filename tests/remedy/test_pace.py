"""How far a step changes what a network computes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Optimizer

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


def changes(optimizer: Optimizer, gradients: Callable[[Tensor], Tensor], steps: int) -> list[float]:
    """By how much steps at the pace that is found change the layers, added up over these."""
    factor, found = pace.factor(optimizer), []
    for group in optimizer.param_groups:
        group["lr"] *= factor
    for _ in range(steps):
        before = [at.detach().clone() for at in weights(optimizer)]
        optimizer.step()
        after = [at.detach() for at in weights(optimizer)]
        found.append(
            sum(
                float((at - was).norm() / was.norm()) for at, was in zip(after, before, strict=True)
            )
        )
        for at, was in zip(weights(optimizer), before, strict=True):
            at.detach().copy_(was)  # always the same weights
            at.grad = gradients(at)
    return found


def alike(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


@pytest.mark.parametrize("lr", [1e-4, 1.0, 100.0])
def test_at_that_pace_the_step_is_sound(lr: float) -> None:
    assert changes(trained(4, SGD, lr=lr), alike, 1) == pytest.approx([pace.SOUND], rel=1e-3)


@pytest.mark.parametrize("make", [Adam, AdamW])
@pytest.mark.parametrize("lr", [1e-4, 1.0])
def test_of_adam_it_lies_between_that_of_steps_alike_and_of_random_ones(
    make: Callable[..., Optimizer], lr: float
) -> None:
    def at(gradients: Callable[[Tensor], Tensor]) -> float:
        optimizer = trained(4, make, lr=lr, weight_decay=0.0, eps=1e-30)
        return float(np.mean(changes(optimizer, gradients, 400)[-100:]))

    high, low = at(alike), at(torch.randn_like)
    assert low < pace.SOUND < high
    assert (high * low) ** 0.5 == pytest.approx(pace.SOUND, rel=0.1)


def test_of_adagrad_it_is_that_of_a_hundred_steps() -> None:
    found = changes(trained(4, Adagrad, lr=1.0), alike, 100)
    assert np.exp(np.mean(np.log(found))) == pytest.approx(pace.SOUND, rel=0.1)


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
