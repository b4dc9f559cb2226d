"""A run that was treated is judged by what followed the last remedy that was kept."""

from dataclasses import replace

import numpy as np
import pytest
from tests.records import INPUTS, a_run

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.treated import since, stretches
from reluctant.record.run import Intervention, Run
from reluctant.record.window import window
from reluctant.report import document

COUNT = 40
STEPS = range(0, 10 * COUNT, 10)


def done(step: int, kept: bool | None = True, index: int = 0) -> Intervention:
    return Intervention(
        index, step, "rescale", "dead-units", "born-dead", "layer1", 20, "dead-units", 20.0, 0.0,
        after=None if kept is None else 0.0, kept=kept,
    )  # fmt: skip


def treated(*interventions: Intervention) -> Run:
    """Half of the time a layer is dead, and nothing is learnt."""
    fired = np.where(np.arange(COUNT) < COUNT // 2, 0, INPUTS // 2)[:, None]
    losses = [2.3] * (COUNT // 2) + np.linspace(2.3, 0.1, COUNT // 2).tolist()
    gradient = np.where(fired > 0, 1e-3, 0.0)
    sick = {"fired": fired, "high": np.where(fired > 0, 3.0, -6.0), "gradient_in": gradient}
    run = a_run(steps=STEPS, losses=losses, sites={1: sick})
    return replace(run, interventions=interventions)


def test_it_is_the_diagnosis_of_what_followed() -> None:
    run = treated(done(100), done(200, index=1), done(300, None, 2), done(350, False, 3))
    assert not any(at.kept for at in window(run, 21).interventions)
    found, part = diagnose(run), diagnose(replace(window(run, 20), interventions=()))
    assert (found.findings, found.layers) == (part.findings, part.layers)
    assert found.limits == (
        *part.limits,
        "Steps are counted from the last intervention, at step 200.",
    )


def test_the_loss_is_that_of_the_whole_run() -> None:
    told = document.document(run := treated(done(200)), diagnose(run))["loss"]
    assert told == {"first": {"value": 2.3, "step": 10}, "last": told["last"]}
    assert told["last"]["step"] > 300


@pytest.mark.parametrize("intervention", [done(200, None), done(200, False), done(4000)])
def test_what_was_not_kept_cuts_nothing(intervention: Intervention) -> None:
    """Nor does what nothing was seen after."""
    assert repr(diagnose(treated(intervention))) == repr(diagnose(treated()))


@pytest.mark.parametrize("first", [0, 10, 20])
def test_a_window_that_begins_with_a_remedy_is_not_cut_again(first: int) -> None:
    part = window(treated(done(10 * first)), first)
    assert [at.step for at in part.interventions] == [0]
    assert repr(diagnose(part)) == repr(diagnose(replace(part, interventions=())))


@pytest.mark.parametrize(
    ("interventions", "parts"),
    [
        ((), [(0, COUNT)]),
        ((done(100),), [(0, 10), (10, COUNT)]),
        ((done(100), done(200, index=1)), [(0, 10), (10, 20), (20, COUNT)]),
        ((done(100), done(95, index=1)), [(0, 10), (10, COUNT)]),
        ((done(100, None), done(200, False, 1)), [(0, COUNT)]),
        ((done(0),), [(0, COUNT)]),
        # Nothing was sampled after it.
        ((done(100), done(10 * COUNT, index=1)), [(0, COUNT)]),
    ],
    ids=["none", "one", "two", "at one sample", "none kept", "at the start", "at the end"],
)
def test_stretches_end_where_a_remedy_was_kept(
    interventions: tuple[Intervention, ...], parts: list[tuple[int, int]]
) -> None:
    run = treated(*interventions)
    assert stretches(run) == parts
    # The last of them is what is judged.
    assert since(run)[1] == run.samples[parts[-1][0]].step
