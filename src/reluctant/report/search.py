"""A search that has ended as a person reads it, and as one JSON object."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.comparison import Candidate
from reluctant.record.discovery import Discovery
from reluctant.report import commands
from reluctant.words import duration, number, plural

# Raised when a key changes its meaning or goes away; new keys may come at any time.
SCHEMA = 1

READING = (
    "The order was settled before these seeds were run, so that the answer's difference is not "
    "flattered by the choice. They are judged from the top down, as far as the first of which no "
    "difference is shown."
)

_STYLE = {"better": "bold green", "worse": "bold red"}


def verdict(discovery: Discovery, page: Path | None = None) -> RenderableType:
    """The table, what the search found, how it is used, what went wrong, and where all is kept."""
    heading = Text.assemble(("reluctant  ", "bold"), ("search", "bold"))
    heading.append("  " + commands.script(discovery))
    facts = (
        f"{plural(discovery.tried, 'function')} in {plural(discovery.runs, 'run')}, "
        f"{duration(discovery.seconds)}; judged on {plural(discovery.seeds, 'seed')} "
        "that the search never used"
    )
    heading.append("\n           " + facts, "dim")
    lines = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for title, text in _lines(discovery, page):
        lines.add_row(title, Text(text))
    said = Group(*map(Text, sentences(discovery)))
    indented = [Padding(part, (1, 0, 0, 2)) for part in (_table(discovery), said, lines)]
    return Group(Text(""), heading, *indented)


def _table(discovery: Discovery) -> Table:
    comparison = discovery.comparison
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("function", overflow="fold")
    tuned = any(factor != 1 for factor in discovery.factors.values())
    if tuned:
        table.add_column("rate", justify="right")
    table.add_column(comparison.metric, justify="right")
    table.add_column("difference, 95 % interval")
    table.add_column("cost", justify="right")
    table.add_column("verdict")
    mean = comparison.baseline_mean
    rates = {
        name: "as it is" if factor == 1 else f"{factor:.2g} times"
        for name, factor in discovery.factors.items()
    }
    name = comparison.baseline
    own = [rates.get(name, "")] * tuned
    table.add_row(name, *own, "" if mean is None else number(mean), "", "", "")
    costs = {at.function: f"{at.cost:g}" for at in discovery.found}
    for at in comparison.candidates:
        table.add_row(
            Text(at.name),
            *[rates.get(at.name, "")] * tuned,
            "" if at.mean is None else number(at.mean),
            _interval(at),
            costs.get(at.name, ""),
            Text(at.verdict, _STYLE.get(at.verdict, "")),
        )
    return table


def _interval(at: Candidate) -> str:
    if at.difference is None:
        return ""
    if at.low is None or at.high is None:
        return f"{number(at.difference)}, one pair: no interval"
    return f"{number(at.difference)}, {number(at.low)} to {number(at.high)}"


def sentences(discovery: Discovery) -> Iterator[str]:
    """What was found, in words, and what the figures are."""
    yield shown(discovery)
    yield from of_rates(discovery)
    yield READING


def shown(discovery: Discovery) -> str:
    """What was found, in a sentence."""
    comparison, answer = discovery.comparison, discovery.found[0]
    at = comparison.of(answer.function)
    if at.verdict == "better" and at.difference is not None:
        does = "lowers" if comparison.direction == "low" else "raises"
        return (
            f"The search's answer, {answer.function}, {does} the {comparison.metric} by "
            f"{number(abs(at.difference))} against the script {comparison.baseline}."
        )
    if at.verdict == "worse":
        return f"The search's answer, {answer.function}, is worse on seeds that it never used."
    if at.low is not None and at.low == at.high:
        return f"No difference: with {answer.function} all {at.n} pairs are the same."
    if at.detectable is None:
        return f"No difference is shown for {answer.function}: one pair shows none of any size."
    return (
        f"No difference is shown for {answer.function}: {at.n} pairs would probably have shown "
        f"one of {number(at.detectable)}."
    )


def of_rates(discovery: Discovery) -> Iterator[str]:
    """At which learning rates the functions ran, in sentences."""
    if not discovery.factors:
        yield (
            "All ran at the script's own learning rate, which was chosen for its own functions: a "
            "difference may be one in the rates that they need. A longer --budget, or --tune-lr, "
            "gives each its own."
        )
        return
    yield (
        "Each had its own multiple of the script's learning rate, the best of several on seeds "
        "that were used for nothing else."
    )
    factor = discovery.factors.get(discovery.comparison.baseline, 1)
    if factor != 1:
        yield f"With its own functions, too, the script does better at {factor:.2g} times its rate."


def _lines(discovery: Discovery, page: Path | None) -> Iterator[tuple[str, str]]:
    for place, at in enumerate(discovery.found):
        yield "" if place else "define", at.define
    yield "use", commands.swapped(discovery, discovery.replaced, discovery.found[0].function)
    factor = discovery.factors.get(discovery.found[0].function, 1)
    if factor != 1:
        yield "", f"with {factor:.2g} times the learning rate that the script has"
    for place, (why, count) in enumerate(discovery.why.items()):
        yield "" if place else "failed", f"{plural(count, 'run')}: {why}"
    if (Path(discovery.path) / "functions.svg").exists():
        yield "picture", commands.near(f"{discovery.path}/functions.svg")
    yield "records", commands.near(discovery.path)
    if page is not None:
        yield "page", commands.near(str(page))


def dumps(discovery: Discovery) -> str:
    """The object that `search --format json` prints, indented."""
    comparison = discovery.comparison
    content = {
        "schema": SCHEMA,
        "script": discovery.script,
        "arguments": discovery.arguments,
        "module": discovery.module,
        "path": discovery.path,
        **asdict(comparison),
        "detectable": comparison.detectable,
        "seeds": discovery.seeds,
        "replaced": discovery.replaced,
        "rate_factors": dict(discovery.factors),
        "found": [asdict(at) for at in discovery.found],
        "tried": discovery.tried,
        "runs": discovery.runs,
        "failed": discovery.failed,
        "why": dict(discovery.why),
        "seconds": discovery.seconds,
        "said": list(sentences(discovery)),
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
