"""What is told of parameters: which an optimizer has, which are used, which get a gradient."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from reluctant.observe.guard import Guard
from reluctant.observe.names import Names
from reluctant.observe.parameters import Parameters
from reluctant.record.observation import NewParameter


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names(Guard())
    yield made
    made.close()


@pytest.fixture
def parameters(names: Names) -> Parameters:
    return Parameters(names)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 2)


def sgd(*modules: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([at for module in modules for at in module.parameters()], lr=0.1)


def told(parameters: Parameters) -> dict[str, NewParameter]:
    return {at.name: at for at in parameters.take()}


def test_the_whole_model_is_told_of_once(parameters: Parameters) -> None:
    """Also what the optimizer has not; but no model of which it has nothing."""
    net, _ = Net(), nn.Linear(5, 5)
    optimizer = sgd(net.one)
    parameters.stepping(optimizer, 0)
    found = told(parameters)
    assert {name: at.optimized for name, at in found.items()} == {
        "one.weight": True,
        "one.bias": True,
        "two.weight": False,
        "two.bias": False,
    }
    assert {at.root for at in found.values()} == {"Net"}
    assert found["one.weight"].shape == (4, 3)
    assert not any(at.used for at in found.values())
    parameters.stepping(optimizer, 1)
    assert told(parameters) == {}


def test_another_optimizer_brings_what_it_has(parameters: Parameters) -> None:
    net = Net()
    parameters.stepping(sgd(net.one), 0)
    parameters.take()
    parameters.stepping(sgd(net.two), 0)
    found = told(parameters)
    assert sorted(found) == ["two.bias", "two.weight"]
    assert all(at.optimized for at in found.values())


def test_the_first_gradient_is_that_of_the_sample_in_which_it_comes(
    parameters: Parameters,
) -> None:
    net = Net()
    optimizer = sgd(net)
    parameters.stepping(optimizer, 0)
    parameters.take()
    for sample, module in ((3, net.two), (5, net.one)):
        for at in module.parameters():
            at.grad = torch.zeros_like(at)
        parameters.stepping(optimizer, sample)
        found = told(parameters)
        assert len(found) == 2
        assert {at.first_gradient for at in found.values()} == {sample}
        assert all(at.used for at in found.values()), "what has a gradient was used"
    parameters.stepping(optimizer, 6)
    assert told(parameters) == {}, "a later gradient is nothing new"


def test_use_is_seen_in_training_passes(parameters: Parameters) -> None:
    net = Net()
    parameters.stepping(sgd(net), 0)
    parameters.take()
    with torch.no_grad():
        parameters.saw((net.one.weight,))
    assert told(parameters) == {}
    # As an LSTM is called: with a list of its weights.
    parameters.saw((torch.zeros(3), [net.one.weight, (net.two.bias,)], 3, None))
    found = told(parameters)
    assert {name: (at.used, at.first_gradient) for name, at in found.items()} == {
        "one.weight": (True, None),
        "two.bias": (True, None),
    }
    parameters.saw((net.one.weight,))
    assert told(parameters) == {}


def test_a_parameter_that_takes_the_place_of_another_is_a_new_one(
    parameters: Parameters,
) -> None:
    net = Net()
    for sample in (0, 1):
        net.two = nn.Linear(4, 2 + sample)
        for at in net.parameters():
            at.grad = torch.ones_like(at)
        parameters.stepping(sgd(net), sample)
        found = told(parameters)
        assert found["two.weight"].shape == (2 + sample, 4)
        assert found["two.weight"].first_gradient == sample
    assert "one.weight" not in found


def test_what_asks_for_no_gradient_is_not_waited_for(parameters: Parameters) -> None:
    net = Net()
    net.one.requires_grad_(False)
    parameters.stepping(sgd(net), 0)
    found = told(parameters)
    assert {name: at.wanted for name, at in found.items()} == {
        "one.weight": False,
        "one.bias": False,
        "two.weight": True,
        "two.bias": True,
    }


@pytest.mark.parametrize("first", [False, True])
def test_what_ever_asked_for_a_gradient_is_wanted(parameters: Parameters, first: bool) -> None:
    """A body that is thawed in a later epoch is trained, and so was one that is frozen later."""
    net = Net()
    optimizer = sgd(net)
    found: dict[str, NewParameter] = {}
    for sample, wants in enumerate((first, not first)):
        net.one.requires_grad_(wants)
        for at in net.parameters():
            at.grad = torch.ones_like(at) if at.requires_grad else None
        parameters.stepping(optimizer, sample)
        found |= told(parameters)
    ever = found["one.weight"]
    assert ever.wanted
    assert ever.first_gradient == int(not first)
