"""`reluctant.tailor`: the leaky slope by the depth."""

from math import pi, sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import reluctant
from reluctant.errors import NotInitialized, WrongArgument
from reluctant.initialization.tailor import correlation, slope_for, through


def plain(depth: int, width: int = 64) -> nn.Sequential:
    hidden = [at for _ in range(depth) for at in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def test_relu_makes_a_correlation_of_one_over_pi_of_none() -> None:
    """The arc-cosine kernel of Cho and Saul 2009."""
    assert correlation(0.0, 0.0) == pytest.approx(1 / pi)
    assert correlation(1.0, 0.3) == pytest.approx(1)
    assert correlation(0.4, 1.0) == pytest.approx(0.4)


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.7])
@pytest.mark.parametrize("between", [-0.5, 0.0, 0.6])
def test_the_correlation_is_that_of_drawn_numbers(between: float, slope: float) -> None:
    one, other = torch.randn(2, 2_000_000, generator=torch.Generator().manual_seed(0))
    other = between * one + sqrt(1 - between**2) * other
    one, other = F.leaky_relu(one, slope), F.leaky_relu(other, slope)
    found = (one * other).mean() / (one.square().mean() * other.square().mean()).sqrt()
    assert correlation(between, slope) == pytest.approx(found.item(), abs=3e-3)


@given(st.integers(3, 400), st.floats(0.1, 0.99))
def test_behind_so_many_the_correlation_is_the_goal(depth: int, goal: float) -> None:
    slope = slope_for(depth, goal)
    assert 0 <= slope < 1
    if slope > 0:
        assert through(depth, slope) == pytest.approx(goal, abs=1e-6)
    else:
        assert through(depth, slope) <= goal


def test_the_deeper_the_more_it_leaks() -> None:
    slopes = [slope_for(depth) for depth in (1, 5, 10, 50, 100, 1000)]
    assert slopes == sorted(slopes)
    assert slopes[0] == 0
    assert slopes[3] == pytest.approx(0.43, abs=0.01)


def test_modules_are_replaced_and_weights_set() -> None:
    model = plain(50)
    done = reluctant.tailor(model)
    assert done.depth == len(done.swapped) == 50
    assert done.slope == slope_for(50)
    assert all(at.negative_slope == done.slope for at in model if isinstance(at, nn.LeakyReLU))
    assert not any(type(at) is nn.ReLU for at in model)
    gain = sqrt(2 / (1 + done.slope**2))
    assert model[2].weight.square().sum(1).mean().item() == pytest.approx(gain**2, rel=1e-5)
    assert "50 rectifiers leak 0.43" in str(done)


def test_inputs_are_told_apart_at_the_far_end() -> None:
    torch.manual_seed(0)
    x = F.normalize(torch.randn(2, 512)) * sqrt(512)
    ends = []
    for tailored in (True, False):
        model = plain(50, 512)
        if tailored:
            reluctant.tailor(model)
        else:
            reluctant.initialize(model, "orthogonal")
        one, other = model[:-2](x)
        ends.append(F.cosine_similarity(one, other, dim=0).item())
    assert ends[0] == pytest.approx(0.9, abs=0.07)
    assert ends[1] > 0.98


def test_a_depth_of_ones_own_and_a_generator() -> None:
    one, other = plain(5), plain(5)
    for model, seed in ((one, 1), (other, 1)):
        drawn = torch.Generator().manual_seed(seed)
        assert reluctant.tailor(model, depth=30, generator=drawn).slope == slope_for(30)
    assert all(map(torch.equal, one.parameters(), other.parameters()))


class Code(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.relu(self.one(x)))


@pytest.mark.parametrize("model", [Code(), nn.Sequential(nn.Linear(3, 3), nn.Tanh())])
def test_where_there_is_no_module_of_it_nothing_is_done(model: nn.Module) -> None:
    before = [at.detach().clone() for at in model.parameters()]
    with pytest.raises(NotInitialized, match="no ReLU"):
        reluctant.tailor(model)
    assert all(map(torch.equal, before, model.parameters()))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"depth": 0}, "depth >= 1"), ({"correlation": 1.0}, "0 < correlation < 1")],
)
def test_wrong_arguments_are_told(arguments: dict[str, float], sentence: str) -> None:
    with pytest.raises(WrongArgument, match=sentence):
        reluctant.tailor(plain(3), **arguments)  # type: ignore[arg-type]
