"""A function in front of the loss, and the line that takes it away."""

from dataclasses import replace

import numpy as np
import pytest
from tests.records import a_run

from reluctant.activations import CATALOGUE
from reluctant.diagnosis import diagnose
from reluctant.record.finding import Finding
from reluctant.record.run import Function, Head, Run


def squashed(function: str, low: float, high: float) -> Run:
    """A regression whose outputs go through a function, with targets between these."""
    of = CATALOGUE[function]
    last = Function(0, function, flat=of.flat_regions(), curve=of.curve())
    run = a_run(head={"target_low": low, "target_high": high}, loss="mse_loss")
    return replace(run, heads=(Head(0, "mse_loss", site=3),), functions=(last,))


def found(run: Run) -> Finding | None:
    return next((at for at in diagnose(run).findings if at.slug == "output-activation"), None)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [("relu", 0.0, np.inf), ("sigmoid", 0.0, 1.0), ("tanh", -1.0, 1.0), ("relu6", 0.0, 6.0)],
)
def test_the_line_brings_targets_into_its_range(function: str, low: float, high: float) -> None:
    finding = found(squashed(function, -40.0, 90.0))
    assert finding is not None
    line = finding.remedies[0].text.partition("into its range: y = ")[2]
    y = np.linspace(-40.0, 90.0, 7)
    scaled = eval(line, {"y": y})
    assert scaled.min() == pytest.approx(low)
    assert scaled.max() <= high + 1e-9
    # As far as they were apart, in proportion.
    assert np.corrcoef(scaled, y)[0, 1] == pytest.approx(1)


def test_targets_in_reach_are_no_fault() -> None:
    assert found(squashed("sigmoid", 0.0, 1.0)) is None


def test_a_second_softmax_is_to_be_left_out() -> None:
    finding = found(a_run(head={}, behind="softmax"))
    assert finding is not None
    assert "F.cross_entropy(outputs, targets), with no softmax" in finding.remedies[0].text
