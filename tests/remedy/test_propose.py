"""From findings to remedies."""

from dataclasses import replace

import pytest

from reluctant.diagnosis import causes
from reluctant.record.finding import (
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    LayerSummary,
    Severity,
    Units,
)
from reluctant.remedy.propose import (
    _LADDER,
    LEARNT,
    REMEDIES,
    is_grave,
    is_of_deaths,
    is_of_making,
    is_of_one,
    is_of_the_script,
    opposes,
    propose,
)


def finding(slug: str, cause: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(slug, severity, "1", Units((0, 2, 5), 8), 3, Cause(cause, ""))


def summary(name: str, update_ratio: float | None, gradient: float | None) -> LayerSummary:
    return LayerSummary(name, "Linear", 8, "relu", 0.5, 0, gradient, update_ratio)


def test_what_dead_units_get_goes_by_their_cause() -> None:
    ladders = {
        cause: [at.remedy for at in propose(finding("dead-units", cause))]
        for cause in causes.REMEDIES
    }
    assert ladders["born-dead"][0] == "rescale"
    assert ladders["killed-by-step"][0] == "roll-back"
    assert ladders["drifted"][0] == "revive"
    # What changes the network itself comes last.
    assert all(ladder[-1] == "leak" for ladder in ladders.values() if ladder)
    # The script's data, and a layer that is dead behind another, are mended elsewhere.
    assert ladders["input-scale"] == ladders["upstream-dead"] == []


def test_where_steps_kill_on_they_are_shortened_before_anything_is_revived() -> None:
    drifted = finding("dead-units", "drifted", Severity.WARNING)
    hasty = replace(drifted, evidence=(Evidence("living-update-ratio", 0.02),))
    remedies = [at.remedy for at in propose(drifted)]
    assert "slow-down" not in remedies
    assert [at.remedy for at in propose(hasty)] == ["slow-down", *remedies]


def test_a_proposal_says_what_it_promises() -> None:
    proposal = propose(finding("dead-units", "drifted"))[0]
    assert (proposal.measure, proposal.before, proposal.predicted) == ("dead-units", 3, 0)
    assert proposal.remedy in REMEDIES


def test_what_a_length_of_steps_is_to_do_is_told_by_what_they_change() -> None:
    layers = [summary("0", 0.01, 1e-3), summary("1", 0.4, 1e-6), summary("2", 0.02, 1e-5)]
    high = replace(finding("learning-rate-too-high", "outsized-update"), units=None)
    back, slower = propose(high, layers)
    assert (back.measure, back.before) == (slower.measure, slower.before) == ("update-ratio", 0.4)
    assert back.predicted == slower.predicted == pytest.approx(0.4 * back.least_slowed)
    low = replace(finding("learning-rate-too-low", "small-updates"), units=None, layer=None)
    (faster,) = propose(low, layers)
    assert (faster.before, faster.predicted) == (0.02, pytest.approx(0.06))
    after = Diagnosis((high,), (summary("1", 0.05, 1.0),))
    assert back.measured(after) == 0.05
    assert back.measured(Diagnosis((), (summary("1", float("nan"), 1.0),))) == float("inf")


def test_what_fresh_weights_are_to_do_is_told_by_the_gradient() -> None:
    layers = [summary("0", 0.01, 1e-9), summary("1", 0.01, 1e-6), summary("2", 0.02, 1e-3)]
    vanishing = replace(finding("vanishing-gradient", "depth"), units=None)
    (anew,) = propose(vanishing, layers)
    assert (anew.measure, anew.before, anew.predicted) == (
        "gradient-ratio", pytest.approx(1e-6), 1.0
    )  # fmt: skip
    assert anew.measured(Diagnosis((), tuple(reversed(layers)))) == pytest.approx(1e6)


def test_where_nothing_was_measured_a_finding_is_to_be_gone() -> None:
    high = replace(finding("learning-rate-too-high", "outsized-update"), units=None)
    for layers in [(), (summary("1", None, None),)]:
        proposal = propose(high, layers)[0]
        assert (proposal.measure, proposal.before) == ("learning-rate-too-high", 1)
        assert proposal.measured(Diagnosis((high,), layers)) == 1
        assert proposal.measured(Diagnosis((), layers)) == 0


@pytest.mark.parametrize("slug", ["plateau", "input-scale", "uncentred-activations", "unheard-of"])
def test_for_what_cannot_be_mended_in_the_run_nothing_is_proposed(slug: str) -> None:
    assert propose(finding(slug, "any")) == ()


def test_what_is_grave() -> None:
    note, warning = Severity.NOTE, Severity.WARNING
    assert is_grave(finding("dead-units", "born-dead"), untaught=False)
    assert not is_grave(finding("dead-units", "born-dead", warning), untaught=True)
    assert is_grave(finding("dead-units", "drifted", warning), untaught=False)
    assert not is_grave(finding("dead-units", "drifted", note), untaught=True)
    high = finding("learning-rate-too-high", "outsized-update", warning)
    assert is_grave(high, untaught=True)
    assert not is_grave(high, untaught=False)
    thrown = replace(high, evidence=(Evidence("loss-highest", 1e3),))
    assert is_grave(thrown, untaught=False)


def test_where_numbers_were_lost_a_rate_is_lowered_by_more() -> None:
    lost, high = (
        propose(finding(*at))[0].least_slowed
        for at in [
            ("non-finite", "learning-rate"),
            ("learning-rate-too-high", "outsized-update"),
        ]
    )
    assert lost < high < 1


def test_what_speaks_against_a_remedy() -> None:
    high = finding("learning-rate-too-high", "outsized-update")
    assert opposes(high, "speed-up")
    assert not opposes(replace(high, severity=Severity.NOTE), "speed-up")
    assert not opposes(high, "slow-down")
    raw = finding("input-scale", "input-scale")
    assert opposes(raw, "rescale")
    assert not opposes(raw, "roll-back")
    assert not opposes(finding("input-scale", "input-scale", Severity.WARNING), "rescale")


def test_whose_fault_it_is() -> None:
    assert is_of_the_script(finding("output-activation", "blocked-output"))
    assert not is_of_the_script(finding("output-activation", "blocked-output", Severity.WARNING))
    assert is_of_making(finding("dead-units", "born-dead"))
    assert is_of_making(finding("vanishing-gradient", "depth"))
    assert not is_of_making(finding("dead-units", "drifted"))


def test_what_is_as_good_as_one_unit_and_what_steps_have_killed() -> None:
    assert is_of_one(finding("symmetric-units", "constant-init"))
    assert not is_of_one(finding("symmetric-units", "constant-init", Severity.WARNING))
    assert not is_of_one(finding("dead-units", "born-dead"))
    assert is_of_deaths(finding("dead-units", "killed-by-step", Severity.WARNING))
    assert not is_of_deaths(finding("dead-units", "killed-by-step", Severity.NOTE))
    assert not is_of_deaths(finding("dead-units", "drifted"))


def test_a_leak_is_for_dead_units_alone() -> None:
    for slug, cause in _LADDER:
        remedies = [at.remedy for at in propose(finding(slug, cause))]
        assert ("leak" in remedies) == (slug == "dead-units")
    # Learnt, it gives checkpoints another parameter: who wants that asks for it.
    assert LEARNT not in REMEDIES
