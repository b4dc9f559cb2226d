"""What is said of dead units, on records built by hand: two layers, each with two dead units."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.records import FUNCTIONS, Memory, a_run

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.certify import Box, certify
from reluctant.record.finding import Certainty, Diagnosis
from reluctant.record.merging import join
from reluctant.record.run import Function, Link, Run, Way, Weights

UNITS = 4
RELU = replace(FUNCTIONS["relu"], rise=((-1.0, 0.0, 1.0), (0.0, 0.0, 1.0)), straight=True)
DATA = Way(0, None, (Link("product", 0),))
BEHIND = Way(1, 0, (Link("product", 1),))

# Of an input between -1 and 1 unit 0 comes to no more than -1, and unit 1 to no more than 1. Behind
# them all are between 0 and 3, of which unit 0 takes away, and unit 1 adds to it.
FIRST = Weights(np.eye(UNITS)[..., None], np.array([-2.0, 0, 2, 2]), 2.0**-24)
SECOND = Weights(
    np.ones((UNITS, UNITS, 1)) * [[[-1]], [[1]], [[1]], [[1]]], np.array([-0.5, 0, 0, 0]), 2.0**-24
)


def run(
    ways: tuple[Way, ...] = (DATA, BEHIND),
    weights: dict[int, Weights] | None = None,
    function: Function = RELU,
    dead: int = 2,
    **facts: Any,
) -> Run:
    """Of each layer the first `dead` units are, and their last weights are these."""
    silent = np.arange(UNITS) < dead
    columns = {
        "fired": np.where(silent, 0, 100),
        "high": np.where(silent, -0.5, 3.0),
    }
    found = a_run(depth=2, units=UNITS, sites={0: columns, 1: columns})
    memory = found.series
    assert isinstance(memory, Memory)
    memory.ends = {0: FIRST, 1: SECOND} if weights is None else weights
    memory.fed_limits = {0: (-np.ones(UNITS), np.ones(UNITS))}
    return replace(found, ways=ways, functions=(function,), info=replace(found.info, **facts))


def said(diagnosis: Diagnosis) -> dict[str | None, Certainty | None]:
    """Of each layer what is certain."""
    return {at.layer: at.certain for at in diagnosis.findings if at.slug == "dead-units"}


def certified(of: Run, box: Box | None = None) -> dict[str | None, Certainty | None]:
    return said(certify(of, diagnose(of), box))


def test_the_certain_and_the_unseen() -> None:
    found = certified(run())
    for layer in ("layer0", "layer1"):
        certain = found[layer]
        assert certain is not None
        assert certain.units is not None
        assert (certain.units.indices, certain.units.of) == ((0,), UNITS)
        assert certain.text == (
            "1 of 2 dead units is dead for every input in the observed range; the other was only "
            "not seen to fire."
        )


def test_nothing_is_said_unless_asked() -> None:
    assert set(said(diagnose(run())).values()) == {None}


@pytest.mark.parametrize(
    ("box", "indices", "text"),
    [
        (Box(-1, -0.5), (0, 1), "2 of 2 dead units are dead for every input between −1 and −0.5."),
        (Box(-9, 9), (), "0 of 2 dead units are dead for every input between −9 and 9; they were "
         "only not seen to fire."),
    ],
)  # fmt: skip
def test_a_box_of_ones_own(box: Box, indices: tuple[int, ...], text: str) -> None:
    certain = certified(run(), box)["layer0"]
    assert certain is not None
    assert certain.units is not None
    assert certain.units.indices == indices
    assert certain.text == text


FALLS = replace(RELU, rise=((), ()), straight=False)
LARGE = {0: FIRST, 1: Weights(None, None, 0.0)}
OTHERS = {0: FIRST, 1: replace(SECOND, weight=np.ones((UNITS, 3, 1)))}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (run((DATA, Way(1, 0, (), "dropout"))),
         "layer1:relu is not plain feed-forward, for in front of it is dropout."),
        (run((DATA,)), "how the input of layer1:relu comes about is not known."),
        (run(function=FALLS), "relu in layer0:relu falls somewhere, or changes as it is learnt or "
         "drawn, and no bound of it is kept."),
        (run(weights=LARGE), "the weights of layer1 were not kept, being too large or gone before "
         "the end."),
        (run(weights={0: FIRST}), "the weights of layer1 are not in the record."),
        (run(weights=OTHERS), "layer1 takes 3 inputs and is given 4."),
        (run((DATA, Way(1, None, (Link("product", 1),)))), "what layer1 is fed was not seen."),
        (run((DATA, Way(1, 1, (Link("product", 1),)))),
         "how the input of layer1:relu comes about is not known."),
    ],
)  # fmt: skip
def test_why_nothing_is_certain(record: Run, text: str) -> None:
    found = certified(record)
    assert found["layer1"] == Certainty(None, f"Nothing can be certified: {text}")
    first = found["layer0"]
    assert first is not None
    assert first.units is not None, "what comes before is none the worse"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (run(()), "this record holds no weights. Run the script again"),
        (run((), exit_code=None), "this one has not, or was killed. Certify a run that has come"),
        (run(dead=0), "No unit was found to be dead"),
        (replace(run(()), sites=()), "Without activation functions"),
    ],
)
def test_where_there_is_nothing_to_certify(record: Run, text: str) -> None:
    diagnosis = diagnose(record)
    found = certify(record, diagnosis)
    assert found.findings == diagnosis.findings
    assert text in found.limits[-1]


def test_of_several_ranks_the_limits_are_those_of_all() -> None:
    other = run()
    assert isinstance(other.series, Memory)
    other.series.fed_limits = {0: (np.full(UNITS, -9.0), np.full(UNITS, 9.0))}
    whole = join([run(), other])
    assert whole.ways == (DATA, BEHIND)
    limits = whole.series.limits(0)
    assert limits is not None
    assert (limits[0].min(), limits[1].max()) == (-9, 9)
    assert whole.series.weights(1) is SECOND
    certain = certified(whole)["layer0"]
    assert certain is not None
    assert certain.units is not None
    assert certain.units.count == 0
