"""A diagnosis as one JSON object, for programs."""

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from reluctant.record.finding import Diagnosis, Evidence, Finding, Units
from reluctant.record.run import Intervention, Run

# Raised when a key changes its meaning or goes away; new keys may come at any time.
SCHEMA = 1


def document(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """The object that `diagnose --format json` prints. Numbers that are not finite are null."""
    return {
        "schema": SCHEMA,
        "run": {
            **asdict(run.info),
            "path": str(run.path) if run.path is not None else None,
            "samples": len(run.samples),
            "last_step": run.samples[-1].step if run.samples else None,
        },
        "verdict": diagnosis.verdict,
        "layers": [
            {key: _number(value) for key, value in asdict(layer).items()}
            for layer in diagnosis.layers
        ],
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "limits": list(diagnosis.limits),
        "interventions": [_intervention(at) for at in run.interventions],
        "loss": _loss(diagnosis.loss),
    }


def dumps(run: Run, diagnosis: Diagnosis) -> str:
    """`document` as text, indented."""
    return json.dumps(document(run, diagnosis), indent=2, allow_nan=False, ensure_ascii=False)


def _finding(finding: Finding) -> dict[str, Any]:
    certain = finding.certain
    return {
        "slug": finding.slug,
        "severity": finding.severity.label,
        "layer": finding.layer,
        "units": _units(finding.units),
        "first_step": finding.first_step,
        "cause": asdict(finding.cause),
        "evidence": [
            {"name": at.name, "value": _number(at.value), "unit": at.unit, "step": at.step}
            for at in finding.evidence
        ],
        "remedies": [asdict(remedy) for remedy in finding.remedies],
        **({"certain": {"units": _units(certain.units), "text": certain.text}} if certain else {}),
    }


def _intervention(at: Intervention) -> dict[str, Any]:
    found = {key: _number(value) for key, value in asdict(at).items() if key != "index"}
    return {**found, "units": None if at.units is None else {"count": at.units}}


def _loss(loss: tuple[Evidence, Evidence] | None) -> dict[str, Any] | None:
    if loss is None:
        return None
    return {at.name: {"value": _number(at.value), "step": at.step} for at in loss}


def _units(units: Units | None) -> dict[str, Any] | None:
    if units is None:
        return None
    return {
        "count": units.count,
        "of": units.of,
        "indices": list(units.indices),
        **({"stride": units.stride} if units.stride > 1 else {}),
    }


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
