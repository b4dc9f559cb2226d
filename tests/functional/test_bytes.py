"""What is kept for the backward pass between two linear layers, in bytes."""

import gc
from weakref import ref

import pytest
import torch
from torch import Tensor, nn

from reluctant import facts, functional
from reluctant import nn as modules

ROWS, WIDTH = 512, 128


def kept(name: str, lean: functional.Lean, rows: int = ROWS, **more: object) -> float:
    """Bytes for each element that goes in, all that is kept by the function or the layer after."""
    act = modules.module(name)(**more, lean=lean).train()
    before = nn.Linear(4, WIDTH)
    x = torch.randn(rows, 4)
    outputs = act(before(x)).shape[1]
    net = nn.Sequential(before, act, nn.Linear(outputs, 4))
    others = {at.untyped_storage().data_ptr() for at in (x, *net.parameters())}
    found: dict[int, int] = {}
    alive = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage.data_ptr() not in others:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = net(x)
    y.sum().backward()
    return sum(found.values()) / (rows * WIDTH)


THRESHOLD = {"threshold": 0.0, "value": 0.0}


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "identity"])
def test_the_output_alone_whatever_is_asked(name: str) -> None:
    for lean in (None, True, False, "bit"):
        assert kept(name, lean) == 4


LEAN = "leaky_relu prelu elu selu celu softplus logsigmoid squared_relu relu6 hardtanh"


@pytest.mark.parametrize("name", [*LEAN.split(), "penalized_tanh", "rrelu"])
def test_lean_the_output_alone(name: str) -> None:
    assert kept(name, True) == 4


# By the number of elements from which it costs no time.
BY_DEFAULT = {"prelu": 0, "elu": 1 << 20, "selu": 1 << 20, "celu": 1 << 20, "leaky_relu": 4 << 20}


@pytest.mark.parametrize("name", BY_DEFAULT)
def test_by_default_the_output_alone_where_that_is_free(name: str) -> None:
    # Whether slopes are above zero is known of those in the processor's memory alone.
    unknown = name == "prelu" and torch.get_default_device().type != "cpu"
    assert kept(name, None, max(ROWS, BY_DEFAULT[name] // WIDTH)) == (8 if unknown else 4)
    if BY_DEFAULT[name]:
        assert kept(name, None, BY_DEFAULT[name] // WIDTH - 1) == 8


@pytest.mark.parametrize("name", ["softplus", "squared_relu", "logsigmoid", "hardtanh", "relu6"])
def test_by_default_as_torch_where_it_is_not(name: str) -> None:
    assert kept(name, None) == kept(name, False) > 4


@pytest.mark.parametrize("name", sorted(functional.ONE_BIT))
def test_a_bit_in_place_of_the_input(name: str) -> None:
    assert kept(name, None) == 8
    assert kept(name, "bit") == 4.125


def test_shapes() -> None:
    """For each element that goes in; half as many come out of gates, twice as many of CReLU."""
    for name in ("reglu", "geglu", "swiglu"):
        assert kept(name, True) == 4 + 2
        assert kept(name, None) == 4 + 2 + 2
    assert kept("glu", None) == 4 + 2
    assert kept("crelu", None) == 8
    assert kept("maxout", None) == 2 + 1 / 16
    assert kept("maxout", None, pieces=4) == 1 + 1 / 4


def test_what_is_measured_is_freed() -> None:
    """The output is saved for its own backward pass, by a graph that it holds."""
    made: list[ref[Tensor]] = []

    def sigmoid(z: Tensor) -> Tensor:
        y = torch.sigmoid(z)
        made.append(ref(y))
        return y

    assert facts._measured(sigmoid) == 4
    gc.collect()
    assert made[0]() is None
