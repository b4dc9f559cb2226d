"""In whose place candidates are put: runs made by hand."""

import pytest

from reluctant.errors import UnknownActivation, WrongArgument
from reluctant.record.info import RunInfo
from reluctant.record.reader import NOTHING
from reluctant.record.run import Function, Run, Site
from reluctant.trials.places import replaced, swaps


def run(*functions: str, last: str = "") -> Run:
    names = list(dict.fromkeys(functions))
    sites = tuple(
        Site(place, f"{place}:{name}", names.index(name), None, 4, place, last=name == last)
        for place, name in enumerate(functions)
    )
    known = tuple(Function(place, name) for place, name in enumerate(names))
    return Run(RunInfo("train.py"), (), sites, known, (), NOTHING)


def test_what_stands_between_layers_is_replaced() -> None:
    assert replaced(run("relu", "sigmoid", "gelu", "relu", "tanh")) == ("relu", "gelu")
    assert replaced(run("relu", "softplus", last="softplus")) == ("relu",)


def test_or_what_stands_at_the_sites_that_were_named() -> None:
    assert replaced(run("relu", "tanh", "gelu"), ["1:tanh", "0:relu"]) == ("tanh", "relu")


@pytest.mark.parametrize(
    ("functions", "sites", "words"),
    [
        (("sigmoid", "tanh"), [], "there is sigmoid, tanh"),
        ((), [], "no activation function at all"),
        (("relu",), ["1:relu"], "There is no site 1:relu. There are: 0:relu"),
        (("relu",), ["0:relu#1"], "cannot be told apart"),
    ],
)
def test_nowhere_to_stand(functions: tuple[str, ...], sites: list[str], words: str) -> None:
    with pytest.raises(WrongArgument, match=words):
        replaced(run(*functions), sites)


def test_a_candidate_takes_the_place_of_all_that_it_is_not() -> None:
    assert swaps("gelu", ("relu", "gelu")) == ("--swap", "relu=gelu")
    assert swaps("leaky_relu:0.1", ("relu",)) == ("--swap", "relu=leaky_relu:0.1")
    assert swaps("ReLU", ("relu",)) == ()
    with pytest.raises(UnknownActivation):
        swaps("prelo", ("relu",))
