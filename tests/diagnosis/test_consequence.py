"""How much a finding matters: by what is left to learn with, and whether the run learns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.diagnosis.test_properties import UNITS, runs
from tests.diagnosis.test_rules import CUT_OFF, FLAT, SILENT, dying, evidence, only
from tests.records import INPUTS, a_run, permuted

from reluctant.diagnosis import RULES, diagnose
from reluctant.record.finding import Finding, Severity
from reluctant.record.run import Parameter, Run

UNKNOWN = [None] * 20


def chain(factor: float, losses: Any = None, depth: int = 8) -> Run:
    """A chain of rectifiers in which each layer leaves so much of the gradient."""
    sites = {}
    for index in range(depth):
        out = 1e-2 * factor ** (depth - 1 - index)
        sites[index] = {"gradient_out": out, "gradient_in": out}
    return a_run(depth=depth, sites=sites, losses=losses)


def with_skip(run: Run, layer: int, *sites: int) -> Run:
    """The same run, `layer` receiving the outputs of those sites too."""
    layers = list(run.layers)
    layers[layer] = replace(layers[layer], inputs=(*layers[layer].inputs, *sites))
    return replace(run, layers=tuple(layers))


# -- dead-units -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dead", "losses", "severity"),
    [
        (6, None, Severity.NOTE),
        (6, FLAT, Severity.NOTE),
        (6, UNKNOWN, Severity.NOTE),
        (10, FLAT, Severity.ERROR),
        (10, None, Severity.NOTE),
        (13, None, Severity.NOTE),
        (14, None, Severity.WARNING),
        (14, UNKNOWN, Severity.WARNING),
        (18, None, Severity.WARNING),
        (19, None, Severity.ERROR),
        (20, UNKNOWN, Severity.ERROR),
    ],
)
def test_the_dead_by_their_share_and_the_loss(dead: int, losses: Any, severity: Severity) -> None:
    # Nothing comes through a layer that is dead as a whole.
    sites = {0: CUT_OFF if dead == 20 else {}, 1: dying(8, dead, 4.0)}
    finding = only(a_run(sites=sites, losses=losses), "dead-units")
    assert finding.severity is severity
    assert finding.units is not None
    assert (finding.units.count, finding.units.of) == (dead, 20)
    assert finding.units.indices == tuple(range(dead))
    assert finding.first_step == 80


def test_around_the_dead_a_skip_connection_keeps_the_rest_learning() -> None:
    def severity(dead: int, losses: Any = None) -> Severity:
        run = a_run(sites={1: dying(8, dead, 4.0)}, losses=losses)
        return only(with_skip(run, 2, 0), "dead-units").severity

    assert severity(15) is Severity.NOTE
    assert severity(19) is Severity.WARNING
    assert severity(15, FLAT) is Severity.WARNING


def test_it_is_said_how_sure_the_dead_are() -> None:
    finding = only(a_run(sites={1: {**dying(8, 15, 4.0), "std": 0.25}}), "dead-units")
    assert evidence(finding, "silent-for") == 12 * INPUTS
    assert evidence(finding, "firing-rate-below") == pytest.approx(1 - 0.05 ** (1 / 2400))
    assert evidence(finding, "margin") == -2


def test_several_dead_layers_have_a_finding_each() -> None:
    run = a_run(sites={0: dying(8, 15, 4.0), 2: dying(8, 19, 4.0)})
    found = [at for at in diagnose(run).findings if at.slug == "dead-units"]
    assert [(at.layer, at.severity) for at in found] == [
        ("layer2", Severity.ERROR),
        ("layer0", Severity.WARNING),
    ]


def test_one_sample_is_too_little_to_speak_of_death() -> None:
    run = a_run(steps=[0], losses=[2.3], sites={1: SILENT})
    assert "dead-units" not in {at.slug for at in diagnose(run).findings}


# -- the gradient -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "losses", "severity"),
    [
        (0.4, FLAT, Severity.ERROR),  # 1.6e-3 over seven layers
        (0.4, None, None),
        (0.4, UNKNOWN, Severity.NOTE),
        (0.15, FLAT, Severity.ERROR),  # 1.7e-6
        (0.15, None, Severity.WARNING),
        (0.15, UNKNOWN, Severity.ERROR),
        (0.6, UNKNOWN, None),  # 2.8e-2
    ],
)
def test_a_fading_gradient_by_its_ratio_and_the_loss(
    factor: float, losses: Any, severity: Severity | None
) -> None:
    found = diagnose(chain(factor, losses)).findings
    assert [(at.slug, at.severity, at.layer, at.units) for at in found] == (
        [] if severity is None else [("vanishing-gradient", severity, "layer0", None)]
    )


@pytest.mark.parametrize(
    ("losses", "severity"),
    [(FLAT, Severity.ERROR), (None, Severity.NOTE), (UNKNOWN, Severity.WARNING)],
)
def test_a_growing_gradient_by_the_loss(losses: Any, severity: Severity) -> None:
    finding = only(chain(2.5, losses), "exploding-gradient")
    assert (finding.severity, finding.cause.slug) == (severity, "weight-scale")
    assert evidence(finding, "ratio") == pytest.approx(2.5**7)


def test_a_gradient_that_grows_by_little_a_layer_is_a_matter_of_depth() -> None:
    finding = only(chain(1.3, FLAT, depth=20), "exploding-gradient")
    assert finding.cause.slug == "depth"
    assert chain(1.3, FLAT).sites
    assert only_plateau(chain(1.3, FLAT))


def test_two_layers_are_no_depth() -> None:
    assert only_plateau(chain(1e-4, FLAT, depth=2))


def test_a_gradient_that_was_faint_and_recovered_did_no_harm() -> None:
    faint = np.where(np.arange(20) < 5, 1e-9, 1e-3)[:, None]
    assert only_plateau(a_run(sites={0: {"gradient_out": faint}}, losses=FLAT))


# -- all of them ------------------------------------------------------------------------------


def only_plateau(run: Run) -> bool:
    """That the loss does not fall is all there is to say."""
    return [at.slug for at in diagnose(run).findings] == ["plateau"]


def test_every_rule_has_a_run_here_that_it_finds_something_in() -> None:
    saturated = {"fired": 0, "low": 8.0, "high": 9.0, "mean": 8.5}
    twins = {"weight": 1.0, "gradient": 1e-2}
    never = Parameter("layer1.weight", (20, 20), optimized=True, wanted=True, used=True)
    sick = (
        a_run(losses=FLAT),
        a_run(function="tanh", sites={1: saturated}),
        a_run(rows={4: twins}, losses=FLAT),
        a_run(fed={"std": 90.0}, losses=FLAT),
        a_run(sites={at: {"mean": 30.0} for at in range(4)}, losses=FLAT),
        a_run(head={}, behind="softmax"),
        a_run(parameters=[never]),
        a_run(rows={at: {"update": 1e-7} for at in range(5)}, losses=FLAT),
        a_run(losses=[float("nan")] * 20),
        a_run(rows={1: {"update": 0.9}}, losses=FLAT),
        a_run(sites={1: dying(8, 19, 4.0)}),
        chain(0.2, FLAT),
        chain(4.0, FLAT),
    )
    found = {finding.slug for run in sick for finding in diagnose(run).findings}
    assert found == {rule.slug for rule in RULES}


def test_the_worst_comes_first() -> None:
    run = a_run(sites={0: dying(8, 5, 4.0), 2: dying(8, 19, 4.0)}, losses=FLAT)
    severities = [at.severity for at in diagnose(run).findings]
    assert severities == sorted(severities, reverse=True)
    assert diagnose(run).verdict == "error"


# A loss that fell, and has risen again since.
BACK = [2.3, 1.5, 0.9, 0.6, *[0.5] * 10, *[0.9] * 6]


@pytest.mark.parametrize(
    ("since", "stopped", "losses", "severity"),
    [
        (8, 6, BACK, Severity.WARNING),
        (8, 4, BACK, Severity.NOTE),
        (8, 6, None, Severity.NOTE),
        (0, 6, BACK, Severity.NOTE),  # born so: not what made the loss rise
    ],
)
def test_units_that_stop_while_the_loss_rises_again(
    since: int, stopped: int, losses: Any, severity: Severity
) -> None:
    run = a_run(sites={1: dying(since, stopped, 4.0)}, losses=losses, head={})
    found = only(run, "dead-units")
    assert found.severity is severity
    assert not any(at.name == "living-update-ratio" for at in found.evidence)


@pytest.mark.parametrize(
    ("update", "excess", "severity"),
    [(0.02, None, Severity.WARNING), (0.001, None, Severity.NOTE), (0.02, {}, Severity.NOTE)],
)
def test_units_that_stop_under_steps_that_stay_large(
    update: float, excess: Any, severity: Severity
) -> None:
    """More will go; unless the loss says that they are not missed."""
    run = a_run(sites={1: dying(8, 6, 4.0)}, rows={1: {"update": update}}, head=excess)
    found = only(run, "dead-units")
    assert found.severity is severity
    if severity is Severity.WARNING:
        assert evidence(found, "living-update-ratio") == pytest.approx(update)


def test_less_silence_is_enough_of_units_that_stopped_together() -> None:
    """Forty inputs tell of a rate below 8 %: too little for one unit, but not for half a layer."""

    def in_small_batches(losses: Any) -> Run:
        run = a_run(sites={1: dying(18, 10, 4.0)}, losses=losses, head={})
        series = run.series.site(1)
        tenth = {name: getattr(series, name) // 10 for name in ("fired", "inputs", "values")}
        run.series.sites[1] = replace(series, **tenth)  # type: ignore[attr-defined]
        return run

    assert not named(in_small_batches(None), "dead-units")
    found = only(in_small_batches(BACK), "dead-units")
    assert found.units is not None
    assert found.units.count == 10
    assert found.severity is Severity.WARNING
    assert 0.07 < evidence(found, "firing-rate-below") < 0.08
    assert diagnose(in_small_batches(BACK)).layers[1].dead == 10


def test_a_run_that_was_long_in_beginning_to_learn() -> None:
    """As it ends all is well; until the loss fell, the units answered alike to every input."""
    late = [*[2.3] * 9, *np.linspace(2.0, 0.3, 11)]
    mean = np.repeat([8.0, 0.0], [9, 11])[:, None]
    run = a_run(sites={at: {"mean": mean} for at in (1, 2)}, losses=late, head={})
    finding = only(run, "uncentred-activations")
    assert finding.severity is Severity.WARNING
    assert "For 47 % of the run the loss did not fall" in finding.cause.text
    at_once = replace(run, samples=a_run(head={}).samples)
    assert not named(at_once, "uncentred-activations")


@pytest.mark.parametrize(("since", "cause"), [(0, "dead-layer"), (8, "depth")])
def test_units_that_died_of_a_vanished_gradient_do_not_explain_it(since: int, cause: str) -> None:
    run = chain(0.75, FLAT, depth=20)
    run.series.sites[4] = replace(  # type: ignore[attr-defined]
        a_run(sites={0: dying(since, 16, 4.0)}).series.site(0),
        gradient_out=run.series.site(4).gradient_out,
        gradient_in=run.series.site(4).gradient_in,
    )
    assert only(run, "vanishing-gradient").cause.slug == cause


def test_data_that_grow_while_the_network_learns() -> None:
    sizes = np.linspace(1.0, 8.0, 20)
    finding = only(a_run(fed={"std": sizes}, head={}), "input-scale")
    assert finding.severity is Severity.WARNING
    assert "grown from a size of 1.4 to" in finding.cause.text
    assert not named(a_run(fed={"std": sizes / 20}, head={}), "input-scale")
    assert not named(a_run(fed={"std": np.linspace(1.0, 4.0, 20)}, head={}), "input-scale")


@pytest.mark.parametrize(
    ("most", "least", "says"),
    [
        (0.45, 0.0003, None),  # pixels between 0 and 1, some of them hardly ever lit
        (9.0, 0.001, None),
        (11.0, 0.02, None),
        (11.0, 0.01, "the spreads of its features differ by a factor of 1,100"),
    ],
)
def test_features_are_uneven_where_the_largest_is_large(
    most: float, least: float, says: str | None
) -> None:
    run = a_run(fed={"most": most, "least": least}, losses=FLAT, head={})
    if says is None:
        assert not named(run, "input-scale")
    else:
        assert says in only(run, "input-scale").cause.text


def named(run: Run, slug: str) -> list[Finding]:
    return [at for at in diagnose(run).findings if at.slug == slug]


def check_complete(finding: Finding) -> None:
    """It can be shown to a person: a cause in a sentence, a remedy, slugs that can be links."""
    for slug in (finding.slug, finding.cause.slug, *(at.slug for at in finding.remedies)):
        assert slug.replace("-", "").isalpha()
        assert slug == slug.lower()
    assert finding.cause.text.endswith(".")
    assert finding.cause.text[0].isupper() or finding.cause.text[0].isdigit()
    assert finding.remedies
    names = [(at.name, at.step) for at in finding.evidence]
    assert len(set(names)) == len(names)


@settings(max_examples=100, deadline=None)
@given(runs(), st.permutations(range(UNITS)))
def test_a_finding_is_complete_and_its_numbers_do_not_hang_on_the_order(
    run: Run, order: list[int]
) -> None:
    one, two = diagnose(run), diagnose(permuted(run, order))
    steps = {at.step for at in run.samples}
    for finding, other in zip(one.findings, two.findings, strict=True):
        check_complete(finding)
        assert finding.first_step is None or finding.first_step in steps
        assert finding.remedies == other.remedies
        assert [(at.name, at.unit, at.step) for at in finding.evidence] == [
            (at.name, at.unit, at.step) for at in other.evidence
        ]
        assert [at.value for at in finding.evidence] == pytest.approx(
            [at.value for at in other.evidence], rel=1e-6, nan_ok=True
        )
    for line, other_line in zip(one.layers, two.layers, strict=True):
        assert (line.name, line.dead) == (other_line.name, other_line.dead)
        assert (line.gradient, line.update_ratio, line.firing) == pytest.approx(
            (other_line.gradient, other_line.update_ratio, other_line.firing), nan_ok=True
        )
