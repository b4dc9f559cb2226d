"""A trial as a person reads it, and as one JSON object."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.trial import ARMS, PLACEBO, TREATED, UNTREATED, Trial
from reluctant.report import commands
from reluctant.words import number, plural

# Raised when a key changes its meaning or goes away; new keys may come at any time.
SCHEMA = 1

STYLE = {"better": "bold green", "worse": "bold red"}


def verdict(trial: Trial) -> RenderableType:
    """The table, what the treatment did, what was done, and where the records are."""
    heading = Text.assemble(("reluctant  ", "bold"), ("trial", "bold"))
    heading.append("  " + commands.script(trial))
    facts = f"{plural(trial.seeds, 'seed')}, each {UNTREATED}, {TREATED} and with a {PLACEBO}"
    heading.append("\n           " + facts, "dim")
    lines = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for title, text in _lines(trial):
        lines.add_row(title, text)
    said = Group(*map(Text, sentences(trial)))
    limits = [Text(limit, style="italic") for limit in trial.limits]
    parts: list[RenderableType] = [_table(trial), said, lines, *limits]
    indented = [Padding(part, (1, 0, 0, 2)) for part in parts]
    return Group(Text(""), heading, *indented)


def _table(trial: Trial) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("metric", *ARMS, "difference, 95 % interval", "verdict"):
        table.add_column(title, justify="right" if title in ARMS else "left")
    for at in trial.comparisons:
        treated, placebo = at.of(TREATED), at.of(PLACEBO)
        table.add_row(
            Text(f"{at.metric}"),
            _figure(at.baseline_mean),
            _figure(treated.mean),
            _figure(placebo.mean),
            _interval(treated),
            Text(treated.verdict, STYLE.get(treated.verdict, "")),
        )
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def _interval(at: Candidate) -> str:
    if at.difference is None:
        return ""
    if at.low is None or at.high is None:
        return f"{number(at.difference)}, one pair: no interval"
    return f"{number(at.difference)}, {number(at.low)} to {number(at.high)}"


def sentences(trial: Trial) -> Iterator[str]:
    """What the treatment did, in words."""
    if trial.fixed:
        yield (
            "All untreated runs are the same, so n is 1 in truth: the script sets its own seed. "
            "If it takes that as an argument, say how, as --seed-arg '--seed {}'."
        )
    if not trial.treated:
        if trial.same:
            yield "No intervention: the runs are the same."
        else:
            yield "No intervention: that the runs differ is the script's own doing."
        return
    better, worse = trial.where("better"), trial.where("worse")
    if better:
        yield f"The treatment helped: {', '.join(better)}."
    if worse:
        yield f"The treatment {'harmed' if trial.harmed else 'made worse'}: {', '.join(worse)}."
    for at in trial.comparisons:
        yield from _not_shown(at)
    for at in trial.comparisons:
        placebo = at.of(PLACEBO)
        if placebo.verdict != "no difference shown":
            yield f"The placebo did something, too: {at.metric} {placebo.verdict}."


def _not_shown(at: Comparison) -> Iterator[str]:
    treated = at.of(TREATED)
    if not treated.n or treated.verdict != "no difference shown":
        return
    if treated.detectable is None:
        yield f"No difference in {at.metric} is shown: one pair shows none of any size."
    elif treated.low == treated.high:
        yield f"No difference in {at.metric}: it is the same in all {treated.n} pairs."
    else:
        yield (
            f"No difference in {at.metric} is shown: {treated.n} pairs would probably have shown "
            f"one of {number(treated.detectable)}."
        )


def _lines(trial: Trial) -> Iterator[tuple[str, str]]:
    """What was done, and where it can be looked up."""
    if not trial.treatments:
        yield "done", "nothing"
    for place, at in enumerate(trial.treatments):
        done = f"{at.remedy}, for {at.finding}, in {at.kept} of {plural(trial.runs, 'run')}"
        if at.undone:
            done += f"; undone in {at.undone}"
        yield "" if place else "done", done
    for place, text in enumerate(trial.placebos):
        yield "" if place else PLACEBO, text
    yield "records", commands.near(trial.path)


# -- for programs -----------------------------------------------------------------------------


def dumps(trial: Trial) -> str:
    """The object that `trial --format json` prints, indented."""
    content = {
        "schema": SCHEMA,
        "script": trial.script,
        "arguments": trial.arguments,
        "module": trial.module,
        "path": trial.path,
        "seeds": trial.seeds,
        "fixed_seed": trial.fixed,
        "metrics": [comparison(at) for at in trial.comparisons],
        "runs": trial.runs,
        "treated": trial.treated,
        "treatments": [asdict(at) for at in trial.treatments],
        "said": list(sentences(trial)),
        "placebos": trial.placebos,
        "limits": trial.limits,
        "records": dict(trial.records),
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)


def comparison(at: Comparison) -> dict[str, Any]:
    """One metric."""
    return {"schema": SCHEMA, **asdict(at), "detectable": at.detectable}
