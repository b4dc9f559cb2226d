"""What a person sees on a terminal of any width, or in a file, of runs of any kind."""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from rich.console import Console
from tests.diagnosis.test_properties import runs as any_runs
from tests.diagnosis.test_rules import FLAT, dying
from tests.records import a_run

from reluctant.diagnosis import diagnose
from reluctant.record.finding import Cause, Diagnosis, Finding, LayerSummary, Severity
from reluctant.record.run import Run
from reluctant.report import terminal
from reluctant.words import number

WIDTH = 100


def rendered(what: Any, width: int = WIDTH) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def verdict(run: Run, diagnosis: Diagnosis | None = None, whole: bool = False) -> str:
    return rendered(terminal.verdict(run, diagnosis or diagnose(run), whole))


def check_fits(text: str, width: int = WIDTH) -> None:
    for line in text.splitlines():
        assert len(line) <= width, line


def many(count: int, *sick: int) -> Diagnosis:
    """So many layers, those numbered `sick` with an error each."""
    lines = tuple(
        LayerSummary(f"layer{index}", "Linear", 20, "relu", 0.5, 0, 1e-3, 1e-3)
        for index in range(count)
    )
    findings = tuple(
        Finding("dead-units", Severity.ERROR, f"layer{index}", None, 0, Cause("drifted", "So."))
        for index in sick
    )
    return Diagnosis(findings, lines)


def healthy() -> Run:
    return a_run()


def sick() -> Run:
    return a_run(sites={1: dying(8, 19, 4.0), 2: dying(3, 5, 4.0)}, losses=FLAT)


def empty() -> Run:
    return replace(a_run(), samples=(), sites=(), layers=())


def long() -> Run:
    run = a_run(depth=30)
    words = tuple(f"--option-number-{index}=some/long/value" for index in range(20))
    layers = tuple(replace(at, name="block." * 20 + at.name) for at in run.layers)
    info = replace(run.info, arguments=words, failure="it broke " * 30)
    return replace(run, layers=layers, info=info, path=Path("/very/long" * 15))


@pytest.mark.parametrize("make", [healthy, sick, empty, long])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("width", [WIDTH, 80])
def test_no_line_is_longer_than_the_terminal(
    make: Callable[[], Run], whole: bool, width: int
) -> None:
    run = make()
    check_fits(rendered(terminal.verdict(run, diagnose(run), whole), width), width)


@settings(max_examples=50, deadline=None)
@given(any_runs())
def test_any_run_can_be_shown(run: Run) -> None:
    for whole in (True, False):
        text = verdict(run, whole=whole)
        check_fits(text)
        for finding in diagnose(run).findings:
            assert finding.slug in text


def test_the_essential_words() -> None:
    assert "healthy" in verdict(healthy())
    text = verdict(sick())
    for words in ("error", "dead-units", "layer1: 19 of 20 units", "killed-by-step", "try"):
        assert words in text, text
    assert "note  dead-units, killed-by-step:  layer layer2: 5 of 20 units" in text
    text = verdict(empty())
    assert "nothing seen" in text
    assert "healthy" not in text


def test_names_are_shown_as_they_are() -> None:
    """Nothing in a name is taken for an instruction to the terminal or to rich."""
    run = a_run()
    name = "net[bold].[/red]:smile:"
    layers = tuple(replace(at, name=name) for at in run.layers)
    info = replace(run.info, script="[red]train.py", arguments=("[/]", "a b"))
    text = verdict(replace(run, layers=layers, info=info))
    assert name in text
    assert "'[red]train.py' '[/]' 'a b'" in text


def test_a_long_name_keeps_its_end_and_the_numbers_beside_it() -> None:
    names = [f"{'encoder.blocks.' * 6}{index}.attention.projection" for index in range(3)]
    lines = [LayerSummary(at, "Linear", 4096, "gelu", 0.5, None, 1e-3, 1e-3) for at in names]
    text = verdict(a_run(), Diagnosis((), tuple(lines)))
    for index, line in enumerate(text.splitlines()[-3:]):
        assert f"{index}.attention.projection" in line
        for words in ("4,096", "gelu", "50 %", "0.001", "0.1 %"):
            assert words in line, line


@pytest.mark.parametrize("count", [24, 25, 200])
def test_more_than_a_screen_of_layers_is_shortened(count: int) -> None:
    text = verdict(a_run(), many(count))
    shown = [line for line in text.splitlines() if line.strip().startswith("layer")]
    assert len(shown) == 1 + min(count, terminal.MOST_LAYERS)
    assert ("more layer" in text) == (count > 24)
    if count == 200:
        assert "… and 176 more layers without findings" in text


def test_of_many_layers_those_with_findings_stay_in_their_place() -> None:
    text = verdict(a_run(), many(200, 100, 150))
    names = [line.split()[0] for line in text.splitlines() if line.startswith("  layer")]
    assert names[-2:] == ["layer100", "layer150"]
    assert len(names) == 1 + 24


def test_the_whole_shows_every_layer() -> None:
    assert "layer199 " in verdict(a_run(), many(200), whole=True)


def test_findings_of_one_kind_and_cause_are_told_together() -> None:
    text = verdict(a_run(), many(10, 2, 5, 7))
    assert text.count("✖ error") == 1
    assert "layer layer5; layer layer7, for the same cause" in text


def test_the_bar_is_full_for_the_largest_gradient_and_shrinks_by_factors_of_ten() -> None:
    sizes = [1e-3, 1e-4, 1e-7, 1e-30, 0.0, None, float("nan")]
    lines = tuple(
        LayerSummary(f"layer{index}", "Linear", 1, "relu", 0.5, 0, size, 1e-3)
        for index, size in enumerate(sizes)
    )
    text = verdict(a_run(), Diagnosis((), lines))
    bars = [line.count("━") for line in text.splitlines() if "  layer" in line][1:]
    assert bars == [8, 7, 4, 0, 0, 0, 0]


# -- where it is printed ------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_of_few_characters_is_no_reason_to_raise(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a stream knows no bars: as under LC_ALL=C, or in a pipe on Windows."""
    content = io.BytesIO()
    with io.TextIOWrapper(content, encoding=encoding) as stream:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            terminal.show(terminal.verdict(sick(), diagnose(sick())))
        stream.flush()
        text = content.getvalue().decode(encoding)
    assert "dead-units" in text
    assert "layer1" in text


def test_no_colour_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    terminal.show(terminal.verdict(long(), diagnose(long())))
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    check_fits(out)
    assert max(map(len, out.splitlines())) > 80, "the width of no terminal is no reason to fold"


# -- lists, and numbers -------------------------------------------------------------------------


def test_the_list_of_runs() -> None:
    rows = [
        ("2026-11-23T20-00-00-train", "train.py --lr 0.1", "1,000", "9.0", "exit code 0"),
        ("2026-11-23T20-00-01-[x]", "train.py " + "--seed 1 " * 30, "", "", "running, or killed"),
    ]
    text = rendered(terminal.runs(rows))
    check_fits(text)
    for words in ("2026-11-23T20-00-00-train", "1,000", "exit code 0", "running, or killed", "[x]"):
        assert words in text, text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999.4, "999"), (999.6, "1,000"), (9999.7, "10,000"), (12345.0, "1.2e+04"),
        (0.001, "0.001"), (0.00099, "9.9e-04"), (-0.0001, "−1.0e-04"), (-2500.0, "−2,500"),
    ],
)  # fmt: skip
def test_numbers_near_where_their_form_changes(value: float, text: str) -> None:
    assert number(value) == text
