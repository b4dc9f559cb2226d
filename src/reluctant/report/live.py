"""A run as it goes on, on a terminal of any size."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from reluctant.record.finding import Diagnosis, Finding, LayerSummary, Severity
from reluctant.record.run import Run
from reluctant.report import braille, terminal
from reluctant.report.scales import logarithmic
from reluctant.words import duration, number, percent, plural

# A plot has no more lines than this, nor columns, and none at all where there is less room.
MOST_LINES, MOST_COLUMNS = 8, 100
LEAST_ROOM = 14

MOST_INTERVENTIONS = 3

# Nothing was heard for so long, and for so many times the longest silence before: it may be dead.
LONG_SILENCE = 60.0
SILENCES = 4

_UNBOUNDED = 1 << 20
_COLUMNS = ("layer", "function", "firing", "dead", "gradient flow", "update")
# What is left out, piece by piece, where a terminal is too narrow for all.
_NARROWER = (
    _COLUMNS,
    ("layer", "firing", "dead", "gradient flow", "update"),
    ("layer", "firing", "dead", "gradient flow"),
    ("layer", "firing", "dead"),
)

_Lines = list[list[Segment]]


@dataclass(frozen=True)
class View:
    """`run` as it stood `now`, in UTC; `diagnosis` is None until somebody has looked into it.

    It takes the height that it is given, or as much as it needs where that is not limited. `foot`
    is the last line.
    """

    run: Run
    diagnosis: Diagnosis | None
    now: datetime
    foot: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        height = options.height or _UNBOUNDED
        wide = options.update(height=None)
        width = options.max_width - 2

        def lines(what: RenderableType) -> _Lines:
            return console.render_lines(Padding(what, (0, 0, 0, 2)), wide, pad=False)

        head = console.render_lines(self._heading(), wide, pad=False)
        foot = lines(Text(self.foot, "dim", no_wrap=True, overflow="ellipsis")) if self.foot else []
        room = height - len(head) - 2 * bool(foot)
        loss = lines(self._loss(width, room // 5 if room >= LEAST_ROOM else 0))
        room -= len(loss) + 1
        said = lines(self._said(True))
        of_layers = len(self.diagnosis.layers) + 1 if self.diagnosis is not None else 1
        most = max(room - of_layers - 1, room // 2) - 1
        if len(said) > most:
            said = lines(self._said(False))
        said = _cut(said, most)
        table = lines(self._layers(console, width, room - len(said) - 2 - bool(said)))
        for part in (loss, table, said):
            if part:
                head += [[], *part]
        if foot:
            blank = height - len(head) - len(foot) if height < _UNBOUNDED else 1
            head = [*head, *[[]] * blank][: height - len(foot)] + foot
        for line in head:
            yield from line
            yield Segment.line()

    # -- what is known -----------------------------------------------------------------------

    def _heading(self) -> RenderableType:
        diagnosis = self.diagnosis
        word = "waiting" if not self.run.samples else diagnosis.verdict if diagnosis else "reading"
        if not self.run.samples and self.run.info.exit_code is not None:
            word = "nothing seen"
        head = terminal.heading(self.run, word, ())
        head.no_wrap, head.overflow = True, "ellipsis"
        return Group(head, Padding(Text(", ".join(self._facts()), "dim"), (0, 0, 0, 2)))

    def _facts(self) -> Iterator[str]:
        info, samples = self.run.info, self.run.samples
        seconds, silence = info.seconds, None
        if info.exit_code is not None:
            yield f"ended with exit code {info.exit_code}"
        else:
            seconds = self._elapsed()
            silence = None if seconds is None or not samples else seconds - samples[-1].seconds
            yield "running" if self._sure(silence) else "running, or killed"
        if info.steps:
            yield plural(info.steps, "step")
        if seconds is not None:
            yield duration(seconds)
        if samples:
            yield f"{plural(len(samples), 'step')} observed{self._cost()}"
        if silence is not None:
            yield f"the last, step {samples[-1].step:,}, {duration(silence)} ago"

    def _elapsed(self) -> float | None:
        """Seconds since the start, by the clock; None where the record's own tells another time."""
        try:
            started = datetime.fromisoformat(self.run.info.started)
            seconds = (self.now - started) / timedelta(seconds=1)
        except (TypeError, ValueError):
            return None
        last = self.run.samples[-1].seconds if self.run.samples else 0.0
        return seconds if seconds >= last else None

    def _sure(self, silence: float | None) -> bool:
        """Whether so short a silence is usual with it."""
        if silence is None:
            return True
        heard = [0.0, *(at.seconds for at in self.run.samples)]
        return silence < max(LONG_SILENCE, SILENCES * float(np.diff(heard).max()))

    def _cost(self) -> str:
        """What share of the time observation takes."""
        info, last = self.run.info, self.run.samples[-1]
        paid, seconds = info.observing_seconds, info.seconds
        if paid is None:
            paid, seconds = last.observing, last.seconds
        return "" if paid is None or not seconds else f" in {percent(paid / seconds)} of the time"

    # -- the loss ----------------------------------------------------------------------------

    def _loss(self, width: int, height: int) -> RenderableType:
        losses, steps = self.run.losses, self.run.steps
        known = np.isfinite(losses)
        seen = [at for at in self.run.samples if at.loss is not None]
        if not seen:
            return Text("No loss was seen yet." if self.run.samples else "No step was seen yet.")
        title = Text.assemble(("loss  ", "dim"), number(seen[-1].loss or 0.0))
        title.append(f" at step {seen[-1].step:,}, {number(seen[0].loss or 0.0)} at first", "dim")
        values = losses[known]
        if height < 2 or not values.size or values.max() == values.min():
            return title
        shown = losses
        if logarithmic(values):
            title.append("; logarithmic", "dim")
            shown = np.log(losses, where=known, out=np.full_like(losses, np.nan))
        top, bottom = number(values.max()), number(values.min())
        margin = max(len(top), len(bottom)) + 1
        width = min(width - margin - 1, MOST_COLUMNS)
        rows = braille.curve(steps.astype(float), shown, width, min(height, MOST_LINES))
        labels = [top, *[""] * (len(rows) - 2), bottom]
        lines = [
            Text(f"{label:>{margin - 1}} │{row}") for label, row in zip(labels, rows, strict=False)
        ]
        return Group(title, *lines, *self._axis(margin, width))

    def _axis(self, margin: int, width: int) -> Iterator[Text]:
        """The steps, with marks where something was done."""
        steps = self.run.steps
        span = max(int(steps[-1] - steps[0]), 1)
        marks = ["─"] * width
        done = [at for at in self.run.interventions if not at.refused]
        for at in done:
            place = round((at.step - int(steps[0])) / span * (width - 1))
            marks[min(max(place, 0), width - 1)] = "▲"
        yield Text(" " * margin + "└" + "".join(marks))
        first, last = f"{steps[0]:,}", f"step {steps[-1]:,}"
        told = "▲ treated" if done else ""
        yield Text(
            " " * (margin + 1) + f"{first}{told:^{max(0, width - len(first) - len(last))}}{last}",
            "dim",
        )

    # -- the layers --------------------------------------------------------------------------

    def _layers(self, console: Console, width: int, height: int) -> RenderableType:
        if self.diagnosis is None:
            return Text("Looking into it ...", "dim")
        if not self.diagnosis.layers or height < 1:
            return Group()
        layers, found = self.diagnosis.layers, terminal.worst(self.diagnosis.findings)
        shown = list(layers)
        if len(layers) > height:
            shown = terminal.chosen(layers, found, height - 1, 0)[: max(height - 1, 0)]
        top = max((line.gradient or 0.0 for line in layers), default=0.0)
        rows = [dict(_row(line, top, found.get(line.name))) for line in shown]
        tables = [_table(titles, rows) for titles in _NARROWER]
        fitting = (at for at in tables if Measurement.get(console, console.options, at)[1] <= width)
        parts: list[RenderableType] = [next(fitting, tables[-1])]
        if len(shown) < len(layers):
            parts.append(Text(f"… and {plural(len(layers) - len(shown), 'more layer')}", "dim"))
        return Group(*parts)

    # -- what was found, and done ------------------------------------------------------------

    def _said(self, whole: bool) -> RenderableType:
        """The newest first; what is worse before what is not. `whole` gives the causes as well."""
        done = [at for at in self.run.interventions if not at.refused]
        running = self.run.info.exit_code is None
        newest = done[: -MOST_INTERVENTIONS - 1 : -1]
        parts = [terminal.intervention(at, running) for at in newest]
        if self.diagnosis is None:
            return Group(*parts)
        groups = sorted(terminal.together(self.diagnosis.findings), key=_newest)
        for alike in groups:
            parts.append(terminal.noted(alike))
            if whole and alike[0].severity > Severity.NOTE:
                parts.append(Padding(Text(alike[0].cause.text, "dim"), (0, 0, 0, 4)))
        parts += [Text(limit, style="italic") for limit in self.diagnosis.limits]
        return Group(*parts)


@contextmanager
def screen() -> Iterator[Callable[[RenderableType], None]]:
    """Takes the whole terminal until it gives back what that held before; what it yields draws."""
    with Live(screen=True, auto_refresh=False) as live:
        # A layout tells what is in it how high the screen is.
        yield lambda what: live.update(Layout(what), refresh=True)


def waiting(place: str, foot: str) -> RenderableType:
    """What there is to see before any run has begun under `place`."""
    head = Text.assemble(("reluctant  ", "bold"), ("waiting", "bold"), f"  for a run in {place}")
    how = Text("`reluctant run SCRIPT`, started there, begins one.")
    return Group(
        head, Text(""), Padding(how, (0, 0, 1, 2)), Padding(Text(foot, "dim"), (0, 0, 0, 2))
    )


def _newest(alike: Sequence[Finding]) -> tuple[int, int]:
    return -alike[0].severity, -max(finding.first_step or 0 for finding in alike)


def _cut(lines: _Lines, most: int) -> _Lines:
    if len(lines) <= most:
        return lines
    kept = lines[: max(most - 1, 0)]
    return [*kept, [Segment("  … and more: "), Segment("reluctant diagnose")]] if most > 0 else []


def _row(
    line: LayerSummary, top: float, severity: Severity | None
) -> Iterator[tuple[str, RenderableType]]:
    style = terminal.STYLE[severity] if severity in (Severity.ERROR, Severity.WARNING) else ""
    yield "layer", Text(terminal.short(line.name, 24), style)
    yield "function", Text(line.function or "")
    if line.firing is not None:
        yield "firing", terminal.bar(line.firing, terminal.GOOD).append(f" {percent(line.firing)}")
    if line.dead is not None:
        dead = terminal.bar(line.dead / line.units, terminal.BAD)
        yield (
            "dead",
            dead.append(f" {line.dead:,} of {line.units:,}", style if line.dead else "dim"),
        )
    yield "gradient flow", terminal.flow(line.gradient, top)
    if line.update_ratio is not None:
        yield "update", Text(percent(line.update_ratio), "dim")


def _table(titles: Sequence[str], rows: Sequence[dict[str, RenderableType]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, no_wrap=True, justify="right" if title == "update" else "left")
    for row in rows:
        table.add_row(*(row.get(title, "") for title in titles))
    return table
