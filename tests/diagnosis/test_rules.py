"""Each rule on hand-built records: what is sick is found with its cause, what is healthy is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.records import INPUTS, a_run

from reluctant.diagnosis import diagnose
from reluctant.diagnosis.progress import Progress
from reluctant.diagnosis.reading import Reading
from reluctant.record.finding import Finding, Severity
from reluctant.record.run import Parameter, Run

FLAT = [2.3] * 20
CUT_OFF = {"gradient_out": 0.0, "gradient_in": 0.0}
SILENT = {"fired": 0, "high": -0.5, "gradient_in": 0.0}


def only(run: Run, slug: str) -> Finding:
    found = [finding for finding in diagnose(run).findings if finding.slug == slug]
    assert len(found) == 1, diagnose(run).findings
    return found[0]


def evidence(finding: Finding, name: str) -> float:
    return next(at.value for at in finding.evidence if at.name == name)


def over_time(sick: Any, healthy: Any, since: int, units: int, count: int = 20) -> np.ndarray:
    """(20, 20): `sick` for the first `units` units from sample `since` on."""
    values = np.full((20, 20), healthy, dtype=float)
    values[since:count, :units] = sick
    return values


def dying(since: int, units: int, fall: float) -> dict[str, Any]:
    """The first units fall silent at sample `since`, their mean having fallen by `fall`."""
    return {
        "fired": over_time(0, INPUTS // 2, since, units),
        "high": over_time(-0.5, 3.0, since, units),
        "mean": over_time(-fall, 0.0, since, units),
    }


def test_a_healthy_run_has_no_finding() -> None:
    diagnosis = diagnose(a_run())
    assert diagnosis.findings == ()
    assert diagnosis.verdict == "healthy"
    assert [line.name for line in diagnosis.layers] == [
        "layer0",
        "layer1",
        "layer2",
        "layer3",
        "out",
    ]
    assert diagnosis.layers[0].firing == 0.5
    assert diagnosis.layers[-1].function is None


# -- dead-units -------------------------------------------------------------------------------


def test_born_dead() -> None:
    sites = {0: CUT_OFF, 1: {**SILENT, "mean": -9.0, "high": -6.0}}
    finding = only(a_run(sites=sites, rows={1: {"bias": -9.0}}, losses=FLAT), "dead-units")
    assert (finding.layer, finding.cause.slug, finding.first_step) == ("layer1", "born-dead", 0)
    assert finding.severity is Severity.ERROR
    assert finding.units is not None
    assert finding.units.indices == tuple(range(20))
    assert evidence(finding, "bias") == -9
    assert "the bias alone" in finding.cause.text
    assert evidence(finding, "margin") == -6


@pytest.mark.parametrize("share", [4, 6, 12])
def test_some_dead_in_a_network_that_learns_are_a_note(share: int) -> None:
    finding = only(a_run(sites={1: dying(8, share, 4.0)}), "dead-units")
    assert finding.severity is Severity.NOTE
    assert diagnose(a_run(sites={1: dying(8, share, 4.0)})).verdict == "healthy"


def test_most_dead_is_a_warning_and_nearly_all_an_error() -> None:
    assert only(a_run(sites={1: dying(8, 15, 4.0)}), "dead-units").severity is Severity.WARNING
    assert only(a_run(sites={1: dying(8, 19, 4.0)}), "dead-units").severity is Severity.ERROR


def test_half_dead_in_a_network_that_does_not_learn_is_an_error() -> None:
    run = a_run(sites={1: dying(8, 11, 4.0)}, losses=FLAT)
    assert only(run, "dead-units").severity is Severity.ERROR


def test_killed_by_a_step_that_is_named() -> None:
    steps = [*range(16), 20, 25, 30, 100]
    rows = {1: {"update": over_time(0.4, 1e-3, 7, 18, count=8)}}
    run = a_run(sites={1: dying(8, 18, 5.0)}, rows=rows, steps=steps, losses=FLAT)
    finding = only(run, "dead-units")
    assert finding.cause.slug == "killed-by-step"
    assert "The update of step 7 killed 18 of the 18" in finding.cause.text
    assert (finding.first_step, evidence(finding, "update-ratio")) == (8, 0.4)
    assert evidence(finding, "update-ratio-before") == 1e-3


def test_killed_between_two_samples() -> None:
    finding = only(a_run(sites={1: dying(8, 18, 50.0)}, losses=FLAT), "dead-units")
    assert finding.cause.slug == "killed-by-step"
    assert "steps 70 to 79" in finding.cause.text


def test_drifted() -> None:
    fired, mean, high = np.full((20, 20), 100), np.zeros((20, 20)), np.full((20, 20), 3.0)
    for unit in range(14):
        dead_from = 5 + unit // 2 * 2
        fired[dead_from:, unit] = 0
        high[dead_from:, unit] = -0.1
        mean[:, unit] = -3.5 * np.minimum(np.arange(20) / dead_from, 1.2)
    run = a_run(sites={2: {"fired": fired, "mean": mean, "high": high}}, losses=FLAT)
    finding = only(run, "dead-units")
    assert (finding.cause.slug, finding.first_step) == ("drifted", 50)
    assert "from step 50 to 170" in finding.cause.text


def test_units_that_die_as_the_rate_rises_are_killed_by_it() -> None:
    run = a_run(sites={1: dying(10, 16, fall=0.5)}, losses=FLAT)
    assert only(run, "dead-units").cause.slug == "drifted"
    rates = [0.01 if at.index < 9 else 0.1 for at in run.samples]
    samples = tuple(replace(at, rate=rate) for at, rate in zip(run.samples, rates, strict=True))
    finding = only(replace(run, samples=samples), "dead-units")
    assert finding.cause.slug == "killed-by-step"
    assert "the learning rate had risen from 0.01 to 0.1" in finding.cause.text


@pytest.mark.parametrize("feeds", [{1: (1,)}, {1: (2,), 2: (1,)}])
def test_a_layer_that_stands_before_itself(feeds: dict[int, tuple[int, ...]]) -> None:
    """As an encoder does whose weight is the decoder's too, or a cell of a recurrent network."""
    run = a_run(sites={at: {**SILENT, "mean": -9.0} for at in feeds}, losses=FLAT)
    layers = tuple(replace(at, inputs=feeds.get(at.index, at.inputs)) for at in run.layers)
    found = diagnose(replace(run, layers=layers)).findings
    assert {at.layer for at in found if at.slug == "dead-units"} >= {f"layer{at}" for at in feeds}


def test_upstream_dead_names_the_root() -> None:
    constant = {"fired": 0, "low": -0.3, "high": -0.3, "mean": -0.3, "std": 0.0}
    sites = {0: CUT_OFF, 1: {**SILENT, "mean": -9.0}, 2: constant, 3: constant}
    run = a_run(sites=sites, losses=FLAT)
    findings = [at for at in diagnose(run).findings if at.slug == "dead-units"]
    assert [(at.layer, at.cause.slug, at.severity) for at in findings] == [
        ("layer1", "born-dead", Severity.ERROR),
        ("layer2", "upstream-dead", Severity.NOTE),
        ("layer3", "upstream-dead", Severity.NOTE),
    ]
    assert all("layer1" in at.cause.text for at in findings[1:])


def test_a_dead_layer_that_is_passed_by_is_a_warning() -> None:
    """With a skip connection the gradient reaches the layers before it all the same."""
    finding = only(a_run(sites={1: {**SILENT, "mean": -9.0}}), "dead-units")
    assert finding.severity is Severity.WARNING


def test_saturated_sigmoids_are_not_called_dead() -> None:
    run = a_run(function="sigmoid", sites={1: {"fired": 0, "mean": -9.0, "high": -7.0}})
    assert "dead-units" not in {at.slug for at in diagnose(run).findings}


# -- the gradient -----------------------------------------------------------------------------


def fading(function: str, slope: float, gain: float, depth: int = 8) -> Run:
    """A chain in which each layer leaves `slope` times `gain` of the gradient."""
    sites = {}
    for index in range(depth):
        out = 1e-2 * (slope * gain) ** (depth - 1 - index)
        sites[index] = {"gradient_out": out, "gradient_in": out * slope}
    return a_run(depth=depth, function=function, sites=sites, losses=FLAT)


@pytest.mark.parametrize(
    ("function", "slope", "gain", "cause"),
    [
        ("sigmoid", 0.2, 1.0, "saturating-activation"),
        ("tanh", 0.3, 0.9, "saturating-activation"),
        ("relu", 0.7, 0.2, "weight-scale"),
        ("tanh", 0.8, 0.3, "weight-scale"),
        ("relu", 0.72, 0.71, "depth"),
    ],
)
def test_vanishing_gradient(function: str, slope: float, gain: float, cause: str) -> None:
    finding = only(fading(function, slope, gain), "vanishing-gradient")
    assert (finding.cause.slug, finding.severity) == (cause, Severity.ERROR)
    assert evidence(finding, "slope-factor") == pytest.approx(slope)
    assert evidence(finding, "weight-factor") == pytest.approx(gain)
    assert evidence(finding, "ratio") == pytest.approx((slope * gain) ** 7)


def test_a_gradient_that_fades_by_ninety_and_learns_is_healthy() -> None:
    run = a_run(
        depth=17,
        function="tanh",
        sites={i: {"gradient_out": 1e-2 * 0.755 ** (16 - i)} for i in range(17)},
    )
    assert diagnose(run).findings == ()


def test_behind_a_dead_layer_the_dead_layer_is_the_cause() -> None:
    sites = {
        0: CUT_OFF,
        1: CUT_OFF,
        2: {**SILENT, "mean": -9.0},
    }
    finding = only(a_run(sites=sites, losses=FLAT), "vanishing-gradient")
    assert (finding.cause.slug, finding.severity) == ("dead-layer", Severity.NOTE)
    assert "layer2" in finding.cause.text


def test_exploding_gradient_by_weights() -> None:
    finding = only(fading("relu", 0.7, 4.0), "exploding-gradient")
    assert (finding.cause.slug, finding.severity) == ("weight-scale", Severity.ERROR)


def test_exploding_gradient_over_the_run() -> None:
    growing = {i: {"gradient_out": np.geomspace(1e-3, 1e3, 20)[:, None]} for i in range(4)}
    finding = only(a_run(sites=growing, losses=[*FLAT[:10], *[50.0] * 10]), "exploding-gradient")
    assert finding.cause.slug == "learning-rate"


# -- the rate, and what is not finite ----------------------------------------------------------


def test_learning_rate_too_high() -> None:
    rows = {4: {"update": over_time(0.8, 1e-3, 2, 20, count=5)}}
    finding = only(a_run(rows=rows, losses=FLAT), "learning-rate-too-high")
    assert (finding.layer, finding.first_step) == ("out", 20)
    assert evidence(finding, "learning-rate") == 0.1
    assert diagnose(a_run(rows=rows)).findings == (), "with a falling loss it is no fault"


@pytest.mark.parametrize(("outsized", "said"), [((3, 4, 5), [Severity.NOTE]), ((3,), [])])
def test_outsized_steps_of_a_run_that_may_yet_learn_are_a_note(
    outsized: tuple[int, ...], said: list[Severity]
) -> None:
    """In a few steps its loss has fallen to that of a constant answer."""
    update = np.full((20, 1), 1e-3)
    update[list(outsized)] = 0.8
    losses = np.linspace(4.6, 2.3, 20).tolist()
    run = a_run(steps=range(20), losses=losses, rows={4: {"update": update}}, head={})
    found = [at for at in diagnose(run).findings if at.slug == "learning-rate-too-high"]
    assert [at.severity for at in found] == said


def test_a_layer_that_grows_from_zero_is_no_sign_of_a_high_rate() -> None:
    small = np.linspace(0.009, 0.011, 20)
    rows = {4: {"update": over_time(0.8, 1e-3, 1, 20, count=4), "weight": small}}
    slugs = [at.slug for at in diagnose(a_run(rows=rows, losses=FLAT)).findings]
    assert slugs == ["plateau"]


def test_non_finite_by_the_rate() -> None:
    nan = {i: {"low": over_time(np.nan, -3.0, 6, 20), "high": over_time(np.nan, 3.0, 6, 20),
               "mean": over_time(np.nan, 0.0, 6, 20)} for i in range(4)}  # fmt: skip
    rows = {2: {"update": over_time(7.0, 1e-3, 5, 20, count=6)}}
    losses = [2.3] * 6 + [float("nan")] * 14
    finding = only(a_run(sites=nan, rows=rows, losses=losses), "non-finite")
    assert (finding.layer, finding.first_step, finding.cause.slug) == (
        "layer0",
        60,
        "learning-rate",
    )
    assert "layer2 by 700 %" in finding.cause.text


def test_non_finite_by_overflow() -> None:
    sites = {3: {"high": np.geomspace(1, 1e30, 20)[:, None]}}
    losses = [2.3] * 19 + [float("inf")]
    finding = only(a_run(sites=sites, losses=losses), "non-finite")
    assert (finding.cause.slug, finding.layer) == ("overflow", None)


def test_non_finite_by_division() -> None:
    finding = only(a_run(losses=[2.3] * 10 + [float("nan")] * 10), "non-finite")
    assert (finding.cause.slug, finding.first_step) == ("division", 100)


def test_skipped_steps_of_a_gradient_scaler_are_a_note() -> None:
    run = a_run(rows={0: {"gradient": over_time(np.inf, 1e-2, 3, 20, count=4)}})
    assert only(run, "non-finite").severity is Severity.NOTE


# -- what is told by the consequence, and by how a run began ------------------------------------

WIDE = {"std": 20.0, "low": -60.0, "high": 60.0}
LEARNT = [2.3] * 2 + [0.9] * 18


def spreading(since: int, update: float) -> Run:
    """The inputs of every tanh spread from sample `since` on; until then steps are `update`."""
    sites = {
        index: {name: over_time(wide, healthy, since, 20)
                for name, wide, healthy in (("std", 20.0, 1.0), ("low", -60.0, -3.0),
                                            ("high", 60.0, 3.0))}
        for index in range(4)
    }  # fmt: skip
    rows = {index: {"update": over_time(update, 1e-3, 0, 20, count=since)} for index in range(4)}
    return a_run(function="tanh", sites=sites, rows=rows, losses=LEARNT)


@pytest.mark.parametrize(
    ("run", "cause"),
    [
        (spreading(0, 1e-3), "born-dead"),
        (spreading(8, 0.05), "killed-by-step"),
        (spreading(8, 1e-3), "drifted"),
    ],
)
def test_a_layer_on_the_flat_ends_though_no_unit_stays_at_one(run: Run, cause: str) -> None:
    found = [at for at in diagnose(run).findings if at.slug == "saturated-units"]
    assert [at.layer for at in found] == [f"layer{index}" for index in range(4)]
    assert {(at.cause.slug, at.severity) for at in found} == {(cause, Severity.WARNING)}
    # Of a normal distribution of deviation 20, 84 per cent lie beyond 4.1.
    assert evidence(found[0], "flat") == pytest.approx(0.84, abs=0.02)


def test_a_layer_on_the_flat_ends_in_a_network_that_has_learnt_is_a_note() -> None:
    sites = dict.fromkeys(range(4), WIDE)
    for losses, severity in ((FLAT, Severity.ERROR), (np.linspace(2.3, 0.2, 20), Severity.NOTE)):
        run = a_run(function="tanh", sites=sites, losses=list(losses), head={})
        found = [at for at in diagnose(run).findings if at.slug == "saturated-units"]
        assert {at.severity for at in found} == {severity}


def test_a_step_that_threw_the_loss() -> None:
    rows = {4: {"update": over_time(0.8, 1e-3, 2, 20, count=5)}}
    thrown = [2.3, 2.3, 2.3, 90.0, 40.0, 9.0, *[0.9] * 14]
    finding = only(a_run(rows=rows, losses=thrown), "learning-rate-too-high")
    assert finding.severity is Severity.WARNING
    assert evidence(finding, "loss-highest") == 90.0
    assert diagnose(a_run(rows=rows, losses=thrown, head={})).findings == (), "it has learnt"
    assert diagnose(a_run(losses=thrown)).findings == (), "no step was outsized"
    little = [*FLAT[:6], *[1.5] * 14]
    assert only(a_run(rows=rows, losses=little), "learning-rate-too-high").severity == 2


@pytest.mark.parametrize(
    ("losses", "update", "slug"),
    [
        pytest.param({5: 90.0}, {5: 0.8}, "exploding-gradient", id="its own doing"),
        pytest.param({5: 90.0, 6: 80.0}, {5: 0.8}, "learning-rate-too-high", id="it stays"),
        pytest.param({6: 90.0}, {5: 0.8}, "learning-rate-too-high", id="the step before did it"),
        pytest.param(
            {5: 90.0}, {4: 0.8, 5: 0.8}, "learning-rate-too-high", id="two outsized in a row"
        ),
        pytest.param(
            {5: 90.0}, {5: 0.8, 12: 0.8}, "learning-rate-too-high", id="one without a loss"
        ),
        pytest.param({5: 90.0}, {5: 0.1}, None, id="not outsized"),
        pytest.param({}, {5: 0.8}, None, id="a usual loss"),
    ],
)
def test_a_batch_that_is_far_from_all_others(
    losses: dict[int, float], update: dict[int, float], slug: str | None
) -> None:
    every = [losses.get(at, 2.3 - 0.05 * at) for at in range(20)]
    ratios = np.array([update.get(at, 1e-3) for at in range(20)])
    rows = {4: {"update": np.repeat(ratios[:, None], 20, axis=1)}}
    run = a_run(rows=rows, losses=every, steps=[*range(18), 100, 200])
    found = [at for at in diagnose(run).findings if at.severity > Severity.NOTE]
    assert [at.slug for at in found] == ([slug] if slug else [])
    if slug == "exploding-gradient":
        assert (found[0].cause.slug, found[0].first_step, found[0].layer) == (
            "outlier-batch",
            5,
            "out",
        )
        assert evidence(found[0], "loss-of-batch") == 90.0


def test_a_rate_that_decays_before_anything_is_learnt() -> None:
    rows = {index: {"update": over_time(0.05, 1e-6, 0, 20, count=4)} for index in range(5)}
    assert only(a_run(rows=rows, losses=FLAT), "learning-rate-too-low").first_step == 0
    assert diagnose(a_run(rows=rows)).findings == (), "with a falling loss it is no fault"


def test_what_was_not_finite_first() -> None:
    nan = [2.3] * 10 + [float("nan")] * 10
    bad = np.where(np.arange(20) < 10, 0.0, np.nan)
    data = only(a_run(losses=nan, fed={"mean": bad}), "non-finite")
    assert (data.cause.slug, "the data that layer0 was fed" in data.cause.text) == (
        "division",
        True,
    )
    output = only(a_run(losses=nan, head={"output_mean": bad}), "non-finite")
    assert (output.cause.slug, output.first_step) == ("overflow", 100)
    at_once = only(
        a_run(losses=nan, sites={3: {"high": 1e5}}, rows={1: {"update": 2.0}}), "non-finite"
    )
    assert "before any step" in at_once.cause.text


def test_rows_that_a_smaller_layer_lacks_are_not_nan() -> None:
    gone = {
        "gradient": over_time(np.nan, 1e-2, 12, 5),
        "weight": np.where(over_time(1, 0, 12, 5) > 0, np.nan, np.linspace(0.9, 1.1, 20)),
        "update": over_time(np.nan, 1e-3, 12, 5),
    }
    assert diagnose(a_run(rows={2: gone})).findings == ()
    kept = {**gone, "weight": np.linspace(0.9, 1.1, 20)}
    assert only(a_run(rows={2: kept}), "non-finite").first_step == 120


def test_an_optimizer_most_of_whose_parameters_take_no_part() -> None:
    some, most = ((Parameter("a", (10, 10), True, True, True, 0),
                   Parameter("b", (size, 10), True, True, False)) for size in (5, 50))  # fmt: skip
    assert only(a_run(parameters=some), "no-gradient").severity is Severity.NOTE
    assert only(a_run(parameters=most), "no-gradient").severity is Severity.WARNING
    learnt = only(a_run(parameters=most, head={}), "no-gradient")
    assert learnt.severity is Severity.NOTE


def test_a_gradient_that_exploded_and_died() -> None:
    """What is left at the end tells nothing; with a loss that falls, nor does the start."""

    def run(losses: Any) -> Run:
        growth = {index: np.where(np.arange(20) < 1, 1e-3 * 5.0 ** (3 - index), 1e-3)[:, None]
                  for index in range(4)}  # fmt: skip
        sites = {index: {"gradient_out": at, "gradient_in": at} for index, at in growth.items()}
        return a_run(sites=sites, losses=losses)

    finding = only(run(FLAT), "exploding-gradient")
    assert (finding.cause.slug, finding.severity) == ("weight-scale", Severity.ERROR)
    assert diagnose(run(None)).findings == ()


def test_a_layer_that_is_silent_at_once_is_dead_sooner() -> None:
    """One sample of 50 inputs says it of all units, not of half of them."""
    few = {"fired": over_time(0, 20, 19, 20), "high": over_time(-0.5, 3.0, 19, 20)}
    half = {"fired": over_time(0, 20, 19, 10), "high": over_time(-0.5, 3.0, 19, 10)}
    for columns, dead in ((few, 20), (half, 0)):
        run = a_run(sites={1: columns})
        series = run.series.site(1)
        series.inputs[:], series.values[:] = 50, 50
        (site,) = [at for at in Reading(run).sites if at.label == "layer1"]
        assert site.stuck.count == dead


def test_a_mutant_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that does not look at the consequence fails the tests above."""
    from reluctant.diagnosis import dead

    monkeypatch.setattr(dead, "MOST", 0.1)
    with pytest.raises(AssertionError):
        test_some_dead_in_a_network_that_learns_are_a_note(4)


def recurrent(factor: float, losses: Any) -> Run:
    """One layer that feeds itself: six calls, each of which leaves so much of the gradient."""
    sites = {}
    for call in range(6):
        out = 1e-2 * factor ** (5 - call)
        sites[call] = {"gradient_out": out, "gradient_in": 0.5 * out}
    run = a_run(depth=6, function="tanh", sites=sites, losses=losses)
    layer = replace(run.layers[0], name="step", inputs=tuple(range(6)))
    calls = tuple(replace(site, name=f"Net:tanh#{site.index}", layer=0) for site in run.sites)
    return replace(run, layers=(layer, run.layers[6]), sites=calls)


def test_a_gradient_that_does_not_reach_back_in_time() -> None:
    finding = only(recurrent(0.4, FLAT), "vanishing-gradient")
    assert (finding.severity, finding.layer) == (Severity.ERROR, "step")
    assert finding.cause.text.startswith("Back through time")
    assert evidence(finding, "slope-factor") == pytest.approx(0.5)
    assert evidence(finding, "weight-factor") == pytest.approx(0.8)
    assert finding.cause.slug == "depth"


def test_what_is_forgotten_in_a_run_that_learns_may_not_matter() -> None:
    for run in (recurrent(0.4, None), recurrent(0.9, FLAT)):
        assert "vanishing-gradient" not in [at.slug for at in diagnose(run).findings]


def test_a_loss_function_that_is_lost_in_the_loss_says_nothing_of_it() -> None:
    """A penalty that runs away: what torch's loss function says is no longer what is learnt."""
    away = [-(10.0**at) for at in np.linspace(0, 4, 20)]
    progress = Progress(a_run(losses=away, head={"loss": 0.1}))
    assert progress.excess is None
    assert Progress(a_run(losses=[0.2] * 20, head={"loss": 0.1})).learnt


def test_what_is_learnt_in_stages_is_judged_by_the_last() -> None:
    """A stage that has just begun is not behind, for what the one before had reached."""
    losses = [*np.linspace(2.3, 0.3, 17), 2.3, 1.2, 0.6]
    run = a_run(losses=losses, head={"constant": 0.5}, steps=range(0, 2000, 100))
    assert Progress(run).stalled, "one stage that ends above a constant answer"
    staged = replace(
        run, samples=tuple(replace(at, optimizer=int(at.index > 16)) for at in run.samples)
    )
    progress = Progress(staged)
    assert (progress.first, progress.steps) == (2.3, 200)
    assert progress.fall == pytest.approx((2.3 - np.mean(losses[17:])) / 2.3)
    turns = replace(run, samples=tuple(replace(at, optimizer=at.index % 2) for at in run.samples))
    assert Progress(turns).steps == 1900, "two that take turns are one stage"
    begun = replace(
        run, samples=tuple(replace(at, optimizer=int(at.index > 18)) for at in run.samples)
    )
    assert Progress(begun).stalled is None
    assert not any(at.slug == "plateau" for at in diagnose(begun).findings)
