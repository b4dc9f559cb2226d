"""The verdict on a terminal: one line a layer, the findings ranked, and what to do next."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from math import log10
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.finding import Diagnosis, Evidence, Finding, LayerSummary, Severity
from reluctant.record.run import Intervention, Run
from reluctant.words import number, percent, plural

# More lines than this do not fit a screen together with the findings.
MOST_LAYERS = 24
MOST_NOTES = 4
LONGEST_NAME = 36

# The bar of the gradient flow: full for the layer with the largest gradient, one cell less for
# each factor of ten below it.
_CELLS = 8

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_SIGN = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "•"}
# For streams that cannot take our signs.
_SIMPLER = str.maketrans(
    {
        "━": "=",
        "┄": ".",
        "✖": "x",
        "▲": "!",
        "•": "*",
        "−": "-",
        "…": "~",
        "●": "o",
        "·": ".",
        "─": "-",
        "│": "|",
        "┼": "+",
        "≤": "<=",
        "≥": ">=",
        "∞": "inf",
        "✔": "+",
        "←": "<",
    }
)

_VERDICT_STYLE = {
    "healthy": "bold green",
    "warning": "bold yellow",
    "error": "bold red",
    "nothing seen": "bold yellow",
}


def verdict(run: Run, diagnosis: Diagnosis, whole: bool = False) -> RenderableType:
    """All that a person reads at the end of a run; `whole` leaves nothing out."""
    parts: list[RenderableType] = [Text(""), _heading(run, diagnosis)]
    if run.interventions:
        parts += [Text(""), Padding(_interventions(run.interventions, whole), (0, 0, 0, 2))]
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
    """The shortest way to name the run from where the person is: a script may change directory."""
    here = run.info.cwd or str(Path.cwd())
    return shlex.quote(str(run.path).removeprefix(f"{here}/"))


def _heading(run: Run, diagnosis: Diagnosis) -> Text:
    info = run.info
    word = diagnosis.verdict if run.samples else "nothing seen"
    text = Text.assemble(("reluctant  ", "bold"), (word, _VERDICT_STYLE[word]))
    text.append("  " + shlex.join(["-m"] * info.module + [info.script, *info.arguments]))
    facts = []
    if info.steps:
        facts.append(plural(info.steps, "step"))
    if info.seconds is not None:
        facts.append(f"{info.seconds:.1f} s")
    if run.samples:
        watched = f"{plural(len(run.samples), 'step')} observed"
        if info.observing_seconds is not None and info.seconds:
            watched += f" in {percent(info.observing_seconds / info.seconds)} of the time"
        facts.append(watched)
    if facts:
        text.append("\n           " + ", ".join(facts), "dim")
    for swap in info.swaps:
        text.append("\n           " + swap)
    return text


# -- layers -----------------------------------------------------------------------------------


def _layers(diagnosis: Diagnosis, whole: bool) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title, side in (
        ("layer", "left"),
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
    if not hidden:
        return Group(table)
    # Below the table: in it, its length would take the room of the columns.
    rest = Text(f"… and {plural(hidden, 'more layer')} without findings", "dim")
    return Group(table, rest)


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
    yield Text(_short(line.name), style)
    yield Text(f"{line.units:,}")
    yield Text(line.function or "", "" if line.function else "dim")
    yield Text("" if line.firing is None else percent(line.firing))
    yield Text("" if line.dead is None else f"{line.dead:,}", style if line.dead else "dim")
    yield _flow(line.gradient, top)
    yield Text("" if line.update_ratio is None else percent(line.update_ratio), "dim")


def _short(name: str) -> str:
    """The end of a long name: that is where names differ."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _flow(gradient: float | None, top: float) -> Text:
    if gradient is None:
        return Text("")
    cells = _CELLS + log10(gradient / top) if gradient > 0 and top > 0 else 0.0
    whole = max(0, min(_CELLS, round(cells)))
    bar = Text("━" * whole, "green" if whole > _CELLS // 2 else "red")
    bar.append("┄" * (_CELLS - whole), "dim")
    return bar.append(f" {number(gradient)}", "default")


# -- interventions ----------------------------------------------------------------------------


def _interventions(interventions: Sequence[Intervention], whole: bool) -> RenderableType:
    """What was done while the script ran, and what came of it; of many that were refused, some."""
    refused = [at for at in interventions if at.refused]
    hidden = () if whole else refused[MOST_NOTES:]
    lines = [_intervention(at) for at in interventions if at not in hidden]
    if hidden:
        lines.append(Text(f"… and {len(hidden):,} more that were refused", "dim"))
    return Group(*lines)


def _intervention(at: Intervention) -> RenderableType:
    if at.kept is None:
        head = ("• begun", "cyan")
    elif at.kept:
        head = ("✔ kept", "green")
    else:
        head = ("• refused", "cyan") if at.refused else ("▲ undone", "yellow")
    text = Text.assemble(head, "  ")
    text.append(at.remedy, "bold").append(f"  step {at.step:,}, for {at.finding} ({at.cause}), ")
    text.append(_whom(at))
    return Group(text, Padding(Text(" ".join(_came_of(at))), (0, 0, 0, 4)))


def _whom(at: Intervention) -> str:
    where = f"layer {at.layer}" if at.layer else "the whole run"
    return where if at.units is None else f"{where}: {plural(at.units, 'unit')}"


def _came_of(at: Intervention) -> Iterator[str]:
    if not at.refused:
        values = {"before": at.before, "predicted": at.predicted, "after": at.after}
        told = [f"{_size(at, value)} {when}" for when, value in values.items() if value is not None]
        yield f"{at.measure}: {', '.join(told)}."
    if at.kept is None:
        yield "Not judged before the end."
    if at.text:
        yield at.text


def _size(at: Intervention, value: float) -> str:
    if at.measure == at.finding and at.units is None:
        return "found" if value else "gone"
    return number(value)


# -- findings ---------------------------------------------------------------------------------


def _findings(findings: Sequence[Finding], whole: bool) -> Iterator[RenderableType]:
    """Errors and warnings in full, those of one kind and cause together; notes in a line each."""
    if whole:
        yield from (_in_full(finding, (), whole) for finding in findings)
        return
    together: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.severity, finding.slug, finding.cause.slug)
        together.setdefault(key, []).append(finding)
    notes = []
    for (severity, *_), alike in together.items():
        if severity > Severity.NOTE:
            yield _in_full(alike[0], alike[1:], whole)
        else:
            notes.append(_note(alike))
    if notes:
        yield Group(*notes)


def _note(alike: Sequence[Finding]) -> Text:
    first = alike[0]
    text = Text.assemble(
        (f"{_SIGN[first.severity]} {first.severity.label}", _STYLE[first.severity])
    )
    text.append(f"  {first.slug}, {first.cause.slug}:  ")
    shown = "; ".join(_where(finding) for finding in alike[:MOST_NOTES])
    rest = len(alike) - MOST_NOTES
    return text.append(shown + (f"; and {plural(rest, 'more layer')}" if rest > 0 else ""))


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
    units = finding.units
    read = f" read, every {units.stride:,}th" if units.stride > 1 else ""
    return f"{where}: {units.count:,} of {plural(units.of, 'unit')}{read}"


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
    if finding.certain is not None:
        table.add_row("certain", finding.certain.text)
    for position, remedy in enumerate(finding.remedies if whole else finding.remedies[:2]):
        table.add_row("" if position else "try", remedy.text)
    return Group(_headline(finding), Padding(table, (0, 0, 0, 2)))


def _evidence(at: Evidence) -> str:
    name = at.name.replace("-", " ")
    value = percent(at.value) if at.unit == "share" else number(at.value)
    unit = "" if at.unit in ("", "share") else f" {at.unit}"
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


def show(what: RenderableType, stream: TextIO | None = None) -> None:
    """Print it; plain text, of a fixed width and without trailing blanks, if to no terminal."""
    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False)
    encoding = getattr(stream, "encoding", None) or "ascii"
    if console.is_terminal and encoding.lower().startswith("utf"):
        console.print(what)
        return
    plain = Console(file=StringIO(), highlight=False, width=100, color_system=None)
    with plain.capture() as captured:
        plain.print(what)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    text = "\n".join(lines)
    if not encoding.lower().startswith("utf"):
        text = text.translate(_SIMPLER).encode(encoding, "replace").decode(encoding)
    print(text, file=stream)
