"""Gradients that are far larger than is usual."""

import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from reluctant.remedy.clip import FACTOR, Clip


def applied(clip: Clip, norms: list[float]) -> list[float]:
    """The norms that are left of gradients of these."""
    at = torch.zeros(4, requires_grad=True)
    optimizer, found = SGD([at], lr=0.1), []
    for norm in norms:
        at.grad = torch.full((4,), norm / 2)
        clip.apply(optimizer)
        gradient: Tensor = at.grad
        found.append(float(gradient.norm()))
    return found


def test_ordinary_gradients_are_left_alone() -> None:
    norms = [1.0, 2.5, 0.2, 1.8, 2.9, 1.0]
    assert applied(Clip(), norms) == pytest.approx(norms)


def test_one_that_is_unlike_all_others_is_clipped() -> None:
    assert applied(Clip(), [1.0, 1.0, 1e6, 1.0]) == pytest.approx([1.0, 1.0, FACTOR, 1.0], rel=1e-4)


def test_what_stays_becomes_usual() -> None:
    assert applied(Clip(), [1.0] * 3 + [1e3] * 8)[-1] == pytest.approx(1e3)


def test_without_a_gradient_there_is_nothing_to_clip() -> None:
    Clip().apply(SGD([torch.zeros(2, requires_grad=True)], lr=0.1))
