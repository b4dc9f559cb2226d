"""Findings as annotations of a pull request, in the workflow commands of GitHub Actions.

The format, and what is escaped in it: docs.github.com, "Workflow commands for GitHub Actions".
"""

from collections.abc import Iterator

from reluctant.record.finding import Diagnosis, Severity
from reluctant.record.run import Run

_COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_ESCAPED = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))


def lines(run: Run, diagnosis: Diagnosis) -> Iterator[str]:
    """One command a finding, most severe first; a notice if there is none."""
    where = "" if run.info.module or ":" in run.info.script else f"file={_value(run.info.script)},"
    for finding in diagnosis.findings:
        title = f"{finding.slug}: {finding.layer}" if finding.layer else finding.slug
        text = " ".join([finding.cause.text, *(f"Try: {at.text}." for at in finding.remedies[:1])])
        yield f"::{_COMMAND[finding.severity]} {where}title={_value(title)}::{_message(text)}"
    if not diagnosis.findings:
        steps = len(run.samples)
        yield f"::notice {where}title=reluctant::{steps} steps observed, nothing found."


def _message(text: str) -> str:
    for plain, escaped in _ESCAPED:
        text = text.replace(plain, escaped)
    return text


def _value(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
