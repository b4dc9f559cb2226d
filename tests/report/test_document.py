"""The JSON document: exactly the keys that were promised, and nothing that JSON cannot say."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.diagnosis.test_properties import runs
from tests.diagnosis.test_rules import FLAT, dying
from tests.records import a_run

from reluctant.diagnosis import diagnose
from reluctant.record.finding import Cause, Diagnosis, Evidence, Finding, LayerSummary, Severity
from reluctant.record.run import Run
from reluctant.report import document

NAN, INF = float("nan"), float("inf")
# As in the design's section on JSON. What follows `findings` came later: new keys may.
DOCUMENT = "schema run verdict layers findings limits interventions loss".split()
FINDING = ["slug", "severity", "layer", "units", "first_step", "cause", "evidence", "remedies"]
LAYER = ["name", "kind", "units", "function", "firing", "dead", "gradient", "update_ratio"]


def said(run: Run, diagnosis: Diagnosis | None = None) -> dict[str, Any]:
    """The document as a strict parser reads it."""
    text = document.dumps(run, diagnosis or diagnose(run))
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def check_keys(found: dict[str, Any]) -> None:
    assert list(found) == DOCUMENT
    assert found["schema"] == document.SCHEMA == 1
    assert found["verdict"] in ("healthy", "warning", "error")
    for layer in found["layers"]:
        assert list(layer) == LAYER
    for finding in found["findings"]:
        assert list(finding) == FINDING
        assert finding["severity"] in ("note", "warning", "error")
        assert list(finding["cause"]) == ["slug", "text"]
        assert finding["units"] is None or list(finding["units"]) == ["count", "of", "indices"]
        for at in finding["evidence"]:
            assert list(at) == ["name", "value", "unit", "step"]
        for at in finding["remedies"]:
            assert list(at) == ["slug", "text"]


@settings(max_examples=50, deadline=None)
@given(runs())
def test_any_run_makes_a_document(run: Run) -> None:
    check_keys(said(run))


def test_a_healthy_and_a_sick_run() -> None:
    assert said(a_run())["verdict"] == "healthy"
    assert said(a_run())["findings"] == []
    found = said(a_run(sites={1: dying(8, 19, 4.0)}, losses=FLAT))
    assert (found["verdict"], found["findings"][0]["slug"]) == ("error", "dead-units")
    assert found["findings"][0]["units"] == {"count": 19, "of": 20, "indices": list(range(19))}


def test_a_note_leaves_a_run_healthy() -> None:
    found = said(a_run(sites={1: dying(8, 5, 4.0)}))
    assert (found["verdict"], found["findings"][0]["severity"]) == ("healthy", "note")


def test_a_run_of_which_nothing_was_seen() -> None:
    found = said(replace(a_run(), samples=(), sites=(), layers=()))
    check_keys(found)
    assert (found["layers"], found["findings"]) == ([], [])
    assert (found["run"]["samples"], found["run"]["last_step"]) == (0, None)
    assert len(found["limits"]) == 1


def test_what_ran_is_in_it_and_where_it_lies(tmp_path: Path) -> None:
    run = replace(a_run(), path=tmp_path)
    found = said(run)["run"]
    info = {**asdict(run.info), "arguments": [], "swaps": [], "beginnings": []}
    assert found == {**info, "path": str(tmp_path), "samples": 20, "last_step": 190}
    assert said(a_run())["run"]["path"] is None


@pytest.mark.parametrize("value", [NAN, INF, -INF, np.float64(NAN), np.float64(INF)])
def test_what_is_not_finite_is_null(value: float) -> None:
    finding = Finding(
        "dead-units", Severity.ERROR, None, None, None, Cause("drifted", "So."),
        (Evidence("margin", value),),
    )  # fmt: skip
    line = LayerSummary("a", "Linear", 3, None, value, None, value, value)
    found = said(a_run(), Diagnosis((finding,), (line,)))
    assert found["findings"][0]["evidence"][0]["value"] is None
    assert [found["layers"][0][key] for key in ("firing", "gradient", "update_ratio")] == [None] * 3


def test_names_of_any_script_can_be_read_back() -> None:
    name = 'größe "x"\n\t🙂.py'
    run = a_run()
    found = said(replace(run, info=replace(run.info, script=name, arguments=("", "--ü"))))
    assert (found["run"]["script"], found["run"]["arguments"]) == (name, ["", "--ü"])
