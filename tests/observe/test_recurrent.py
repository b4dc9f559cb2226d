"""Recurrent networks on a GPU are one node of the graph: how it is read, on a node made by hand."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from torch import nn

from reluctant.observe import graph


@dataclass(eq=False)
class Node:
    """What is read of a node of autograd's."""

    next_functions: tuple[Any, ...]
    _saved_mode: int
    metadata: dict[str, Any] = field(default_factory=dict)

    def name(self) -> str:
        return "CudnnRnnBackward0"


@dataclass
class Output:
    """A tensor that such a node made."""

    grad_fn: Node


def output(mode: int, network: nn.RNNBase) -> Any:
    state = nn.Parameter(network.weight_hh_l0.new_zeros(2, 4, 5))  # one that is learnt
    leaves = [*network.parameters(), state]
    edges = [(at.expand_as(at).grad_fn.next_functions[0][0], 0) for at in leaves]
    return Output(Node(((None, 0), *edges, (None, 0)), mode))


@pytest.mark.parametrize(("mode", "kind"), [(0, nn.RNN), (1, nn.RNN), (3, nn.GRU)])
def test_what_feeds_is_what_the_last_layer_makes_of_its_state(
    mode: int, kind: type[nn.RNNBase]
) -> None:
    network = kind(3, 5, num_layers=2)  # type: ignore[call-arg,arg-type]
    feed = graph.feed(output(mode, network))
    assert feed is not None
    assert feed.weight is network.weight_hh_l1
    assert feed.axis == 0


def test_what_an_lstm_gives_is_a_product_of_two() -> None:
    assert graph.feed(output(2, nn.LSTM(3, 5, num_layers=2))) is None
