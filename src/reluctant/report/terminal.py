"""The verdict on a terminal: one line a layer, the findings ranked, and what to do next."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import log10

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.finding import Diagnosis, Evidence, Finding, LayerSummary, Severity
from reluctant.record.run import Run
from reluctant.words import number, percent, plural

# More lines than this do not fit a screen together with the findings.
MOST_LAYERS = 24
MOST_NOTES = 4

# The bar of the gradient flow: full for the layer with the largest gradient, one cell less for
# each factor of ten below it.
_CELLS = 8

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_SIGN = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "•"}
_VERDICT_STYLE = {"healthy": "bold green", "warning": "bold yellow", "error": "bold red"}


def verdict(run: Run, diagnosis: Diagnosis, whole: bool = False) -> RenderableType:
    """All that a person reads at the end of a run; `whole` leaves nothing out."""
    parts: list[RenderableType] = [Text(""), _heading(run, diagnosis)]
    if diagnosis.layers:
        parts += [Text(""), Padding(_layers(diagnosis, whole), (0, 0, 0, 2))]
    for block in _findings(diagnosis.findings, whole):
        parts += [Text(""), Padding(block, (0, 0, 0, 2))]
    for limit in diagnosis.limits:
        parts += [Text(""), Padding(Text(limit, style="italic"), (0, 0, 0, 2))]
    if run.path is not None and not whole:
        more = Text("more  ", style="dim").append(f"reluctant diagnose {_place(run)}", "default")
        parts += [Text(""), Padding(more, (0, 0, 0, 2))]
    return Group(*parts)


def _place(run: Run) -> str:
    """The shortest way to name the run from here."""
    from pathlib import Path

    path = str(run.path)
    here = f"{Path.cwd()}/"
    return shlex.quote(path.removeprefix(here))


def _heading(run: Run, diagnosis: Diagnosis) -> Text:
    info = run.info
    text = Text("reluctant  ", style="bold")
    text.append(
        diagnosis.verdict if run.samples else "nothing seen",
        _VERDICT_STYLE[diagnosis.verdict] if run.samples else "bold yellow",
    )
    command = shlex.join(["-m"] * info.module + [info.script, *info.arguments])
    facts = [command]
    if info.steps:
        facts.append(plural(info.steps, "step"))
    if info.seconds is not None:
        facts.append(f"{info.seconds:.1f} s")
    if run.samples:
        watched = f"{len(run.samples):,} observed"
        if info.observing_seconds is not None and info.seconds:
            watched += f" ({percent(info.observing_seconds / info.seconds)} of the time)"
        facts.append(watched)
    text.append("  " + "  ·  ".join(facts), "not bold dim")
    return text


# -- layers -----------------------------------------------------------------------------------


def _layers(diagnosis: Diagnosis, whole: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title, side in (
        ("layer", "left"),
        ("", "left"),
        ("units", "right"),
        ("function", "left"),
        ("firing", "right"),
        ("dead", "right"),
        ("gradient flow", "left"),
        ("update", "right"),
    ):
        table.add_column(title, justify=side, no_wrap=True)  # type: ignore[arg-type]
    top = max((line.gradient or 0.0 for line in diagnosis.layers), default=0.0)
    found = {finding.layer: finding.severity for finding in reversed(diagnosis.findings)}
    shown, hidden = _shown(diagnosis.layers, found, whole)
    for line in shown:
        table.add_row(*_cells(line, top, found.get(line.name)))
    if hidden:
        table.add_row(Text(f"… and {plural(hidden, 'more layer')} without findings", "dim"))
    return table


def _shown(
    layers: Sequence[LayerSummary], found: dict[str | None, Severity], whole: bool
) -> tuple[list[LayerSummary], int]:
    """All layers, or, of many, those with findings and the first of the others."""
    if whole or len(layers) <= MOST_LAYERS:
        return list(layers), 0
    room = max(MOST_LAYERS - sum(line.name in found for line in layers), 2)
    kept: list[LayerSummary] = []
    for line in layers:
        if line.name in found:
            kept.append(line)
        elif room:
            room -= 1
            kept.append(line)
    return kept, len(layers) - len(kept)


def _cells(line: LayerSummary, top: float, severity: Severity | None) -> Iterator[Text]:
    style = _STYLE[severity] if severity in (Severity.ERROR, Severity.WARNING) else ""
    yield Text(line.name, style)
    yield Text(line.kind, "dim")
    yield Text(f"{line.units:,}")
    yield Text(line.function or "", "" if line.function else "dim")
    yield Text("" if line.firing is None else percent(line.firing))
    yield Text("" if line.dead is None else f"{line.dead:,}", style if line.dead else "dim")
    yield _flow(line.gradient, top)
    yield Text("" if line.update_ratio is None else percent(line.update_ratio), "dim")


def _flow(gradient: float | None, top: float) -> Text:
    if gradient is None:
        return Text("")
    cells = _CELLS + log10(gradient / top) if gradient > 0 and top > 0 else 0.0
    whole = max(0, min(_CELLS, round(cells)))
    bar = Text("━" * whole, "green" if whole > _CELLS // 2 else "red")
    bar.append("┄" * (_CELLS - whole), "dim")
    return bar.append(f" {number(gradient)}", "default")


# -- findings ---------------------------------------------------------------------------------


def _findings(findings: Sequence[Finding], whole: bool) -> Iterator[RenderableType]:
    """Errors and warnings in full, findings of one kind together; notes in a line each."""
    loud = [finding for finding in findings if whole or finding.severity > Severity.NOTE]
    for _, alike in groupby(loud, key=lambda at: (at.severity, at.slug, at.cause.slug)):
        first, *others = alike
        yield _in_full(first, [] if whole else others, whole)
        if whole:
            for other in others:
                yield _in_full(other, [], whole)
    notes = [] if whole else [at for at in findings if at.severity is Severity.NOTE]
    if notes:
        lines = [_headline(note).append(f": {note.cause.text}", "dim") for note in notes]
        rest = len(lines) - MOST_NOTES
        if rest > 0:
            lines = [*lines[:MOST_NOTES], Text(f"• and {plural(rest, 'more note')}", "dim")]
        yield Group(*(Text.assemble(line) for line in lines))


def _headline(finding: Finding) -> Text:
    style = _STYLE[finding.severity]
    text = Text.assemble((f"{_SIGN[finding.severity]} {finding.severity.label}", style), "  ")
    text.append(finding.slug, "bold")
    text.append(f"  {_where(finding)}")
    return text


def _where(finding: Finding) -> str:
    where = f"layer {finding.layer}" if finding.layer else "the whole run"
    if finding.units is None:
        return where
    return f"{where}: {finding.units.count:,} of {plural(finding.units.of, 'unit')}"


def _in_full(finding: Finding, alike: Sequence[Finding], whole: bool) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("cause", Text.assemble((finding.cause.slug, "bold"), f"  {finding.cause.text}"))
    if alike:
        also = "; ".join(_where(other) for other in alike)
        table.add_row("also", f"{also}, for the same cause")
    evidence = finding.evidence if whole else finding.evidence[:4]
    if evidence:
        table.add_row("evidence", ", ".join(map(_evidence, evidence)))
    for position, remedy in enumerate(finding.remedies if whole else finding.remedies[:2]):
        table.add_row("" if position else "try", remedy.text)
    return Group(_headline(finding), Padding(table, (0, 0, 0, 2)))


def _evidence(at: Evidence) -> str:
    name = at.name.replace("-", " ")
    value = percent(at.value) if at.unit == "share" else number(at.value)
    unit = "" if at.unit == "share" else f" {at.unit}"
    step = "" if at.step is None else f" (step {at.step:,})"
    return f"{name} {value}{unit}{step}"


# -- lists ------------------------------------------------------------------------------------


def runs(rows: Iterable[tuple[str, str, str, str, str]]) -> Table:
    """A table of runs: name, command, steps, seconds, how it ended."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("run", "script", "steps", "seconds", "ended"):
        table.add_column(
            title, justify="right" if title in ("steps", "seconds") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def console(stderr: bool = False) -> Console:
    """A console that writes plain text of a fixed width where there is no terminal."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=100)
