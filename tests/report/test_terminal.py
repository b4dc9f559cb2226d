"""What is printed, for people and for programs, from hand-built diagnoses."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.records import a_run

from reluctant.diagnosis import diagnose
from reluctant.record.finding import Diagnosis, LayerSummary
from reluctant.record.run import Intervention, Run
from reluctant.report import document, terminal
from reluctant.words import number, percent, plural

SICK = {
    1: {"fired": 0, "high": -6.0, "mean": -9.0, "gradient_in": 0.0},
    0: {"gradient_out": 0.0, "gradient_in": 0.0},
}


def sick() -> Run:
    return replace(a_run(sites=SICK, losses=[2.3] * 20), path=Path.cwd() / "runs" / "x")


def rendered(run: Run, diagnosis: Diagnosis | None = None, whole: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(terminal.verdict(run, diagnosis or diagnose(run), whole))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_healthy_run_is_short() -> None:
    text = rendered(a_run())
    assert "healthy" in text
    assert "191 steps, 9.0 s, 20 steps observed" in text
    assert len(text.splitlines()) <= 10


def test_a_sick_run_says_what_why_and_what_to_do() -> None:
    text = rendered(sick())
    for words in (
        "✖ error  dead-units  layer layer1: 20 of 20 units",
        "born-dead",
        "silent for",
        "use a leaky rectifier",
        "more  reluctant diagnose runs/x",
        "      reluctant report runs/x",
    ):
        assert words in text, text
    assert max(map(len, text.splitlines())) <= 100


def test_the_whole_leaves_nothing_out() -> None:
    diagnosis = diagnose(sick())
    text = " ".join(rendered(sick(), whole=True).split())
    for finding in diagnosis.findings:
        assert finding.slug in text
        for remedy in finding.remedies:
            assert remedy.text in text


def test_a_run_of_which_nothing_was_seen_says_so() -> None:
    run = replace(a_run(), samples=(), sites=(), layers=())
    assert "nothing seen" in rendered(run)
    assert "No step was recorded" in rendered(run)


def test_many_layers_are_shortened_around_the_findings() -> None:
    run = a_run(depth=60, sites={50: SICK[1]}, losses=[2.3] * 20)
    text = rendered(run)
    assert "layer50" in text
    assert "more layers without findings" in text
    assert "units" in text  # the columns keep their room
    assert len(text.splitlines()) < 60
    assert "layer42 " in rendered(run, whole=True)


def test_long_names_leave_room_for_the_numbers() -> None:
    line = LayerSummary("a." * 60 + "last", "Linear", 12345, "relu", 0.5, 7, 1e-3, 1e-2)
    text = rendered(a_run(), Diagnosis((), (line,)))
    for words in ("a.last", "12,345", "relu", "50 %", "0.001", "1 %"):
        assert words in text, text


def test_plain_text_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(terminal.verdict(sick(), diagnose(sick())), sys.stderr)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert all(line == line.rstrip() for line in err.splitlines())


DONE = Intervention(
    0, 48, "rescale", "dead-units", "born-dead", "layer1", 20, "dead-units", 20.0, 0.0
)  # fmt: skip
TOLD = {
    "kept": (
        {"after": 3.0, "kept": True},
        "✔ kept rescale step 48, for dead-units (born-dead), layer layer1: 20 units "
        "dead-units: 20 before, 0 predicted, 3 after.",
    ),
    "undone": (
        {"after": 20.0, "kept": False, "text": "The loss rose."},
        "▲ undone rescale step 48, for dead-units (born-dead), layer layer1: 20 units "
        "dead-units: 20 before, 0 predicted, 20 after. The loss rose.",
    ),
    "refused": (
        {"kept": False, "text": "You declined."},
        "• refused rescale step 48, for dead-units (born-dead), layer layer1: 20 units "
        "You declined.",
    ),
    "not judged": (
        {"finding": "plateau", "measure": "plateau", "layer": None, "units": None, "before": 1.0},
        "• begun rescale step 48, for plateau (born-dead), the whole run "
        "plateau: found before, gone predicted. Not judged before the end.",
    ),
}


@pytest.mark.parametrize(("facts", "words"), TOLD.values(), ids=TOLD)
def test_what_was_done_is_told(facts: dict[str, Any], words: str) -> None:
    run = replace(a_run(), interventions=(replace(DONE, **facts),))
    assert words in " ".join(rendered(run).split())
    assert words in " ".join(rendered(run, whole=True).split())


def test_of_many_refusals_some_are_told() -> None:
    did = [replace(DONE, index=at, layer=f"{at}", kept=False, text="No.") for at in range(9)]
    run = replace(a_run(), interventions=(replace(DONE, index=9, after=0.0, kept=True), *did))
    text = rendered(run)
    assert (text.count("• refused"), text.count("✔ kept")) == (4, 1)
    assert "and 5 more that were refused" in text
    assert rendered(run, whole=True).count("• refused") == 9


def test_the_document_is_what_was_promised() -> None:
    text = document.dumps(sick(), diagnose(sick()))
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["schema"] == 1
    assert found["verdict"] == "error"
    assert set(found) >= {"schema", "run", "verdict", "layers", "findings"}
    finding = next(at for at in found["findings"] if at["severity"] == "error")
    assert set(finding) == {
        "slug", "severity", "layer", "units", "first_step", "cause", "evidence", "remedies"
    }  # fmt: skip
    assert finding["units"] == {"count": 20, "of": 20, "indices": list(range(20))}
    assert set(finding["cause"]) == {"slug", "text"}
    assert all(set(at) == {"name", "value", "unit", "step"} for at in finding["evidence"])
    assert all(set(at) == {"slug", "text"} for at in finding["remedies"])


def test_what_is_not_finite_is_null_in_the_document() -> None:
    run = a_run(losses=[float("nan")] * 20)
    json.loads(document.dumps(run, diagnose(run)), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (1234.5, "1,234"), (1.23e-9, "1.2e-09"), (-2.5, "−2.5"),
     (float("nan"), "nan"), (float("inf"), "inf")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.46, "46 %"), (0.003, "0.3 %"), (12, "1,200 %"), (0, "0 %"), (2e4, "2.0e+06 %")],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


def test_plurals() -> None:
    assert [plural(count, "unit") for count in (0, 1, 1024)] == ["0 units", "1 unit", "1,024 units"]
