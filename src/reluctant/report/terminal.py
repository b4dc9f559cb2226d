"""The verdict on a terminal: one line a layer, the findings ranked, and what to do next."""

import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
CELLS = 8
GOOD, BAD = "green", "red"

STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
SIGN = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "•"}
# For streams that cannot take our signs; those from U+2800 on are braille, as plots are drawn in.
_SIMPLER = str.maketrans(
    {chr(0x2800 + dots): "*" if dots else " " for dots in range(256)}
    | {
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
        "└": "+",
        "≤": "<=",
        "≥": ">=",
        "∞": "inf",
        "✔": "+",
        "←": "<",
    }
)

_WORD_STYLE = {
    "healthy": "bold green",
    "warning": "bold yellow",
    "error": "bold red",
    "nothing seen": "bold yellow",
}


def verdict(run: Run, diagnosis: Diagnosis, whole: bool = False) -> RenderableType:
    """All that a person reads at the end of a run; `whole` leaves nothing out."""
    word = diagnosis.verdict if run.samples else "nothing seen"
    parts: list[RenderableType] = [Text(""), heading(run, word, facts(run))]
    parts += [Padding(Text(at), (0, 0, 0, 11)) for at in run.info.beginnings]
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
        more.append(f"\n      reluctant report {_place(run)}", "default")
        parts += [Text(""), Padding(more, (0, 0, 0, 2))]
    return Group(*parts)


def _place(run: Run) -> str:
    """The shortest way to name the run from where the person is: a script may change directory."""
    here = run.info.cwd or str(Path.cwd())
    return shlex.quote(str(run.path).removeprefix(f"{here}/"))


def heading(run: Run, word: str, facts: Sequence[str]) -> Text:
    """What ran, in a word how it went, and below it some facts."""
    info = run.info
    text = Text.assemble(("reluctant  ", "bold"), (word, _WORD_STYLE.get(word, "bold")))
    text.append("  " + shlex.join(["-m"] * info.module + [info.script, *info.arguments]))
    if facts:
        text.append("\n           " + ", ".join(facts), "dim")
    for swap in info.swaps:
        text.append("\n           " + swap)
    return text


def facts(run: Run) -> list[str]:
    """How long it was, and what was observed of it."""
    info = run.info
    known = []
    if info.steps:
        known.append(plural(info.steps, "step"))
    if info.seconds is not None:
        known.append(f"{info.seconds:.1f} s")
    if run.samples:
        watched = f"{plural(len(run.samples), 'step')} observed"
        if info.observing_seconds is not None and info.seconds:
            watched += f" in {percent(info.observing_seconds / info.seconds)} of the time"
        known.append(watched)
    return known


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
    found = worst(diagnosis.findings)
    lines = diagnosis.layers
    shown = lines if whole or len(lines) <= MOST_LAYERS else chosen(lines, found, MOST_LAYERS, 2)
    for line in shown:
        table.add_row(*_cells(line, top, found.get(line.name)))
    hidden = len(lines) - len(shown)
    if not hidden:
        return Group(table)
    # Below the table: in it, its length would take the room of the columns.
    rest = Text(f"… and {plural(hidden, 'more layer')} without findings", "dim")
    return Group(table, rest)


def worst(findings: Sequence[Finding]) -> dict[str | None, Severity]:
    """How bad it stands with each layer; `findings` begin with the most severe."""
    return {finding.layer: finding.severity for finding in reversed(findings)}


def chosen(
    layers: Sequence[LayerSummary], found: Mapping[str | None, Severity], most: int, least: int
) -> list[LayerSummary]:
    """Those with findings and the first of the others: `most` in all, `least` of the others."""
    room = max(most - sum(line.name in found for line in layers), least)
    kept: list[LayerSummary] = []
    for line in layers:
        if line.name in found:
            kept.append(line)
        elif room:
            room -= 1
            kept.append(line)
    return kept


def _cells(line: LayerSummary, top: float, severity: Severity | None) -> Iterator[Text]:
    style = STYLE[severity] if severity in (Severity.ERROR, Severity.WARNING) else ""
    yield Text(short(line.name), style)
    yield Text(f"{line.units:,}")
    yield Text(line.function or "", "" if line.function else "dim")
    yield Text("" if line.firing is None else percent(line.firing))
    yield Text("" if line.dead is None else f"{line.dead:,}", style if line.dead else "dim")
    yield flow(line.gradient, top)
    yield Text("" if line.update_ratio is None else percent(line.update_ratio), "dim")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """The end of a long name: that is where names differ."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def bar(share: float, style: str, cells: int = CELLS) -> Text:
    """So much of a bar is drawn in full."""
    whole = max(0, min(cells, round(share * cells)))
    return Text().append("━" * whole, style).append("┄" * (cells - whole), "dim")


def flow(gradient: float | None, top: float) -> Text:
    """The bar of the gradient flow, where the largest is `top`, and the number."""
    if gradient is None:
        return Text("")
    share = loudness(gradient, top)
    drawn = bar(share, GOOD if round(share * CELLS) > CELLS // 2 else BAD)
    return drawn.append(f" {number(gradient)}")


def loudness(gradient: float, top: float) -> float:
    """How much of the bar is full: all for the largest, one cell less for each factor of ten."""
    return 1 + log10(gradient / top) / CELLS if gradient > 0 and top > 0 else 0.0


# -- interventions ----------------------------------------------------------------------------


def _interventions(interventions: Sequence[Intervention], whole: bool) -> RenderableType:
    """What was done while the script ran, and what came of it; of many that were refused, some."""
    refused = [at for at in interventions if at.refused]
    hidden = () if whole else refused[MOST_NOTES:]
    lines = [intervention(at) for at in interventions if at not in hidden]
    if hidden:
        lines.append(Text(f"… and {len(hidden):,} more that were refused", "dim"))
    return Group(*lines)


def intervention(at: Intervention, running: bool = False) -> RenderableType:
    """One remedy, for what it was and what came of it, or may come while the run goes on."""
    word, style, for_what, came_of_it = told(at, running)
    text = Text.assemble((word, style), "  ", (at.remedy, "bold"), f"  {for_what}")
    return Group(text, Padding(Text(came_of_it), (0, 0, 0, 4)))


def told(at: Intervention, running: bool) -> tuple[str, str, str, str]:
    """How a remedy stands, in a word with its style; for what it was, and what came of it."""
    if at.kept is None:
        head = ("• begun", "cyan")
    elif at.kept:
        head = ("✔ kept", "green")
    else:
        head = ("• refused", "cyan") if at.refused else ("▲ undone", "yellow")
    for_what = f"step {at.step:,}, for {at.finding} ({at.cause}), {_whom(at)}"
    return *head, for_what, " ".join(_came_of(at, running))


def _whom(at: Intervention) -> str:
    where = f"layer {at.layer}" if at.layer else "the whole run"
    return where if at.units is None else f"{where}: {plural(at.units, 'unit')}"


def _came_of(at: Intervention, running: bool) -> Iterator[str]:
    if not at.refused:
        values = {"before": at.before, "predicted": at.predicted, "after": at.after}
        told = [f"{_size(at, value)} {when}" for when, value in values.items() if value is not None]
        yield f"{at.measure}: {', '.join(told)}."
    if at.kept is None:
        yield "Not judged yet." if running else "Not judged before the end."
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
    notes = []
    for alike in together(findings):
        if alike[0].severity > Severity.NOTE:
            yield _in_full(alike[0], alike[1:], whole)
        else:
            notes.append(noted(alike))
    if notes:
        yield Group(*notes)


def together(findings: Sequence[Finding]) -> Collection[list[Finding]]:
    """Those of one severity, kind and cause with one another, in the order of the first of each."""
    groups: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.severity, finding.slug, finding.cause.slug)
        groups.setdefault(key, []).append(finding)
    return groups.values()


def noted(alike: Sequence[Finding]) -> Text:
    """Findings of one kind and cause in a line."""
    first = alike[0]
    text = Text.assemble((f"{SIGN[first.severity]} {first.severity.label}", STYLE[first.severity]))
    text.append(f"  {first.slug}, {first.cause.slug}:  ")
    shown = "; ".join(where(finding) for finding in alike[:MOST_NOTES])
    rest = len(alike) - MOST_NOTES
    return text.append(shown + (f"; and {plural(rest, 'more layer')}" if rest > 0 else ""))


def _headline(finding: Finding) -> Text:
    style = STYLE[finding.severity]
    text = Text.assemble((f"{SIGN[finding.severity]} {finding.severity.label}", style), "  ")
    text.append(finding.slug, "bold")
    text.append(f"  {where(finding)}")
    return text


def where(finding: Finding) -> str:
    """The layer, and how many of its units."""
    place = f"layer {finding.layer}" if finding.layer else "the whole run"
    if finding.units is None:
        return place
    units = finding.units
    read = f" read, every {units.stride:,}th" if units.stride > 1 else ""
    return f"{place}: {units.count:,} of {plural(units.of, 'unit')}{read}"


def _in_full(finding: Finding, alike: Sequence[Finding], whole: bool) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("cause", Text.assemble((finding.cause.slug, "bold"), f"  {finding.cause.text}"))
    if alike:
        also = "; ".join(where(other) for other in alike)
        table.add_row("also", f"{also}, for the same cause")
    numbers = finding.evidence if whole else finding.evidence[:4]
    if numbers:
        table.add_row("evidence", ", ".join(map(evidence, numbers)))
    if finding.certain is not None:
        table.add_row("certain", finding.certain.text)
    for position, remedy in enumerate(finding.remedies if whole else finding.remedies[:2]):
        table.add_row("" if position else "try", remedy.text)
    return Group(_headline(finding), Padding(table, (0, 0, 0, 2)))


def evidence(at: Evidence) -> str:
    """One measured number in words."""
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
