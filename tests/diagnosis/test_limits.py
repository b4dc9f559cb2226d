"""What a record cannot tell is said, and each layer has its line."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.test_rules import dying
from tests.records import Memory, a_run, layer_series

from reluctant.diagnosis import diagnose
from reluctant.record.finding import LayerSummary
from reluctant.record.run import Run


def with_info(run: Run, **facts: Any) -> Run:
    return replace(run, info=replace(run.info, **facts))


def empty(**facts: Any) -> Run:
    return with_info(
        replace(a_run(), samples=(), sites=(), layers=(), series=Memory()), **facts
    )  # fmt: skip


def test_a_record_that_tells_all_has_no_limits() -> None:
    assert diagnose(a_run()).limits == ()


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (empty(torch=None, steps=None), "never imported torch"),
        (empty(steps=0), "neither an optimizer nor backward"),
        (empty(steps=None), "neither an optimizer nor backward"),
        (empty(exit_code=None, steps=None), "before its first optimizer step"),
        (empty(exit_code=None, steps=None, failure="It broke."), "It broke."),
        (with_info(a_run(), exit_code=None), "has not ended, or was killed"),
        (with_info(a_run(), failure="It broke."), "Observation was given up"),
        (replace(a_run(), sites=()), "No activation function was seen"),
    ],
)
def test_the_limit_is_said_once(run: Run, words: str) -> None:
    (limit,) = diagnose(run).limits
    assert words in limit
    assert limit.endswith(".")
    assert diagnose(run).findings == ()


@pytest.mark.parametrize(
    ("samples", "steps", "words"),
    [
        (1, 71, "Of 71 steps 1 was observed, too few to look for output-activation,"),
        (1, 71, ", plateau: --budget 0.05, or --every N, looks more often."),
        (2, 3000, "Of 3,000 steps 2 were observed, too few to look for symmetric-units,"),
        (2, 2, "Only 2 steps were observed, too few to look for symmetric-units,"),
        (1, 1, ", plateau: let it train longer."),
        (1, None, "Only 1 step was observed, too few"),
    ],
)
def test_few_samples_leave_much_unsaid(samples: int, steps: int | None, words: str) -> None:
    (limit,) = diagnose(with_info(a_run(steps=range(samples)), steps=steps)).limits
    assert words in limit
    assert ("dead-units" in limit) == (samples < 2)


def test_with_three_all_is_looked_for() -> None:
    assert diagnose(with_info(a_run(steps=range(3)), steps=3000)).limits == ()


# -- the lines --------------------------------------------------------------------------------


def test_a_line_says_how_things_stood_at_the_end() -> None:
    late = np.where(np.arange(20) < 15, 1.0, 0.002)[:, None]
    run = a_run(
        sites={1: {**dying(8, 5, 4.0), "gradient_out": late}}, rows={1: {"update": late}}
    )  # fmt: skip
    assert diagnose(run).layers[1] == LayerSummary(
        "layer1", "Linear", 20, "relu", pytest.approx(0.375), 5,
        pytest.approx(0.002), pytest.approx(0.002),
    )  # fmt: skip


def test_only_what_switches_off_can_be_dead() -> None:
    assert [line.dead for line in diagnose(a_run(function="tanh")).layers] == [None] * 5
    assert [line.dead for line in diagnose(a_run()).layers] == [0, 0, 0, 0, None]


def test_of_what_was_not_observed_nothing_is_said() -> None:
    run = a_run(sites={0: {"gradient_out": np.nan}}, rows={0: {"update": np.nan}})
    line = diagnose(run).layers[0]
    assert (line.gradient, line.update_ratio) == (None, None)
    out = diagnose(a_run()).layers[-1]
    assert (out.function, out.firing, out.gradient) == (None, None, None)


def test_a_layer_that_took_no_part_has_no_line() -> None:
    run = a_run(depth=2)
    assert isinstance(run.series, Memory)
    run.series.layers[2] = layer_series(0, 20)
    assert [line.name for line in diagnose(run).layers] == ["layer0", "layer1"]


def test_lines_are_in_the_order_of_the_model() -> None:
    run = a_run()
    backwards = tuple(replace(layer, order=10 - layer.order) for layer in run.layers)
    names = [line.name for line in diagnose(replace(run, layers=backwards)).layers]
    assert names == ["out", "layer3", "layer2", "layer1", "layer0"]
