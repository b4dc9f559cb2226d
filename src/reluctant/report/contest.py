"""A comparison of activation functions as a person reads it, and as one JSON object."""

import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.comparison import Candidate
from reluctant.record.contest import BASELINE, Contest
from reluctant.report import commands
from reluctant.report.trials import STYLE, comparison
from reluctant.words import number, plural

READING = (
    "Differences are means over pairs of runs with the same seed. The intervals hold for all "
    "functions together, whenever each was stopped."
)

_MORE = {"high": "more is better", "low": "less is better"}


def verdict(contest: Contest, page: Path | None = None) -> RenderableType:
    """The table, what is shown and what is not, and where the records and the page are."""
    heading = Text.assemble(("reluctant  ", "bold"), ("compare", "bold"))
    heading.append("  " + commands.script(contest))
    heading.append(f"\n           {_facts(contest)}", "dim")
    heading.append(f"\n           {compared_by(contest)}", "dim")
    said = Group(*map(Text, sentences(contest)))
    limits = [Text(limit, style="italic") for limit in contest.limits]
    places = Text.assemble(("records  ", "dim"), commands.near(contest.path))
    if page is not None:
        places.append_text(Text.assemble(("\npage     ", "dim"), commands.near(str(page))))
    parts: list[RenderableType] = [_table(contest), _costs(contest), said, *limits, places]
    return Group(Text(""), heading, *(Padding(part, (1, 0, 0, 2)) for part in parts))


def _facts(contest: Contest) -> str:
    count = plural(len(contest.comparison.candidates), "function")
    seeds = plural(len(contest.seeds), "seed")
    return f"{count} in the place of {' and '.join(contest.replaced)}, up to {seeds}"


def compared_by(contest: Contest) -> str:
    """The metric, where it is from, and which way it is better."""
    at = contest.comparison
    return f"{at.metric}, {contest.metric_said}; {_MORE[at.direction]}"


def _table(contest: Contest) -> Table:
    at = contest.comparison
    table = _columns(2, "function", "seeds", at.metric, "difference, 95 % interval", "verdict")
    table.add_row(BASELINE, "", _figure(at.baseline_mean))
    for one in at.candidates:
        shown = Text(one.verdict, STYLE.get(one.verdict, ""))
        table.add_row(one.name, str(one.n), _figure(one.mean), _interval(one), shown)
    return table


def _costs(contest: Contest) -> Table:
    tuned = any(at.factor != 1 for at in contest.entrants)
    titles = ("a step", "memory", "kept", "dead units", "effect size")
    table = _columns(5 + tuned, "function", *["learning rate"] * tuned, *titles)
    for at in contest.entrants:
        table.add_row(
            at.name,
            *[f"{at.factor:.2g} times"] * tuned,
            "" if at.pace is None else f"{number(1000 * at.pace)} ms",
            "" if at.memory is None else f"{at.memory / 1e6:,.0f} MB",
            "" if at.kept is None else f"{at.kept:.3g} bytes",
            "" if at.dead is None else f"{at.dead:,.0f}",
            _figure(at.effect),
        )
    return table


def _columns(numbers: int, *titles: str) -> Table:
    """The first for words, then so many for numbers, then words."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for place, title in enumerate(titles):
        table.add_column(title, justify="right" if 0 < place <= numbers else "left")
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def _interval(at: Candidate) -> str:
    if at.difference is None:
        return ""
    if at.low is None or at.high is None:
        return f"{number(at.difference)}, too few seeds"
    return f"{number(at.difference)}, {number(at.low)} to {number(at.high)}"


def sentences(contest: Contest) -> Iterator[str]:
    """All that is said in words."""
    for same in contest.same:
        yield f"{same} is what the script has: that is the baseline."
    yield from shown(contest)
    yield from stops(contest)
    yield READING


def shown(contest: Contest) -> Iterator[str]:
    """What is shown and what is not."""
    at = contest.comparison
    better, worse = contest.where("better"), contest.where("worse")
    for name in better:
        found = at.of(name)
        yield f"{name} is better than the script as it stands: {at.metric} {_interval(found)}."
    if worse:
        yield f"Worse than the script as it stands: {', '.join(worse)}."
    rest = contest.where("no difference shown")
    if rest:
        yield f"No difference shown: {', '.join(rest)}." + _could(contest, rest)


def stops(contest: Contest) -> Iterator[str]:
    """Who got no more seeds, and why."""
    for entrant in contest.entrants:
        if entrant.stopped is not None:
            yield f"{entrant.name} was {entrant.stopped}."


def _could(contest: Contest, names: tuple[str, ...]) -> str:
    sizes = [contest.comparison.of(name).detectable for name in names]
    known = [size for size in sizes if size is not None]
    if not known:
        return " So few pairs show none of any size."
    return (
        f" {plural(contest.reached, 'seed')} would probably (four times in five) have shown an "
        f"improvement of {number(max(known))}."
    )


# -- for programs -----------------------------------------------------------------------------


def dumps(contest: Contest) -> str:
    """The object that `compare --format json` prints, indented."""
    content = {
        **comparison(contest.comparison),
        "metric_source": contest.metric_said,
        "script": contest.script,
        "arguments": contest.arguments,
        "module": contest.module,
        "path": contest.path,
        "replaced": contest.replaced,
        "same": contest.same,
        "seeds": len(contest.seeds),
        "first_seed": contest.seeds[0],
        "reached": contest.reached,
        "entrants": [
            {
                "name": at.name,
                "runs": at.runs,
                "effect": at.effect,
                "step_seconds": at.pace,
                "memory_bytes": at.memory,
                "kept_bytes_per_element": at.kept,
                "dead_units": at.dead,
                "rate_factor": at.factor,
                "stopped": at.stopped,
            }
            for at in contest.entrants
        ],
        "said": list(sentences(contest)),
        "limits": contest.limits,
        "records": dict(contest.records),
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
