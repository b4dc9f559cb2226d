"""The page of `reluctant search`."""

import shlex
from collections.abc import Iterator, Mapping

from reluctant.record.discovery import Discovery
from reluctant.report import commands
from reluctant.report.page.contest import side
from reluctant.report.page.differences import differences
from reluctant.report.page.facts import Tile
from reluctant.report.page.figure import Numbers
from reluctant.report.page.sheet import (
    Cell,
    Column,
    Drawn,
    Row,
    Sheet,
    difference,
    figure,
    functions,
    interval,
    page,
)
from reluctant.report.search import READING, of_rates, shown
from reluctant.words import duration, number, plural

_COLUMNS = (
    Column("place"),
    Column("pairs"),
    Column("difference, 95 % interval"),
    Column("verdict", number=False),
    Column("cost"),
)


def render(discovery: Discovery, curves: Mapping[str, Drawn]) -> str:
    """The page; `curves` are the facts of functions, by their names.

    Raises:
        NotInstalled: a library that the page needs is not there.
    """
    return page(sheet(discovery, curves))


def sheet(discovery: Discovery, curves: Mapping[str, Drawn]) -> Sheet:
    """What is on it, in the order in which the search left the functions."""
    numbers = Numbers()
    at, answer = discovery.comparison, discovery.found[0].function
    verdicts = {one.name: one.verdict for one in at.candidates}
    pairs = [f"fresh seed {place}" for place in range(1, discovery.seeds + 1)]
    defined = {one.function: one.define for one in discovery.found}
    return Sheet(
        "search",
        commands.script(discovery),
        verdicts[answer],
        [shown(discovery), *of_rates(discovery)],
        commands.swapped(discovery, discovery.replaced, answer),
        list(_tiles(discovery)),
        [f"{plural(count, 'run')} failed: {why}" for why, count in discovery.why.items()],
        differences(at, pairs, "differences-plot"),
        None,
        (),
        (Column(at.metric), *_COLUMNS),
        list(_rows(discovery)),
        functions(list(verdicts), verdicts, discovery.replaced, curves, numbers, defined),
        list(_reading(discovery)),
        list(_facts(discovery)),
        numbers,
    )


def _tiles(discovery: Discovery) -> Iterator[Tile]:
    best = discovery.comparison.of(discovery.found[0].function)
    if best.difference is not None:
        name = f"difference in {discovery.comparison.metric}, the answer"
        yield Tile(number(best.difference), name, interval(best))
    yield Tile(f"{discovery.tried:,}", "functions tried")
    failed = f"{discovery.failed:,} failed" if discovery.failed else ""
    yield Tile(f"{discovery.runs:,}", "runs of the search", failed)
    yield Tile(f"{discovery.seeds:,}", "fresh seeds to judge on")
    yield Tile(duration(discovery.seconds), "in all")


def _rows(discovery: Discovery) -> Iterator[Row]:
    at = discovery.comparison
    yield Row(at.baseline, None, [figure(at.baseline_mean), *[Cell()] * len(_COLUMNS)])
    places = {one.function: place for place, one in enumerate(discovery.found, start=1)}
    costs = {one.function: one.cost for one in discovery.found}
    for one in at.candidates:
        cells = [
            figure(one.mean),
            figure(places.get(one.name)),
            Cell(f"{one.n:,}", one.n),
            difference(one),
            Cell(one.verdict),
            figure(costs.get(one.name)),
        ]
        yield Row(one.name, one.verdict, cells)


def _reading(discovery: Discovery) -> Iterator[str]:
    yield side(discovery.comparison)
    yield READING
    yield (
        f"All of them were run with the same {plural(discovery.seeds, 'fresh seed')}. The "
        "intervals are Student's, each of one function by itself; since they are judged in turn, "
        "in 95 % of searches none is wrongly told from the script as it stands."
    )
    yield "A run that failed counts as the worst there is, and is not passed over."
    yield (
        "Place is where the search had a function before it was judged; those without one are "
        "there to be held against. Cost is about how many elementwise passes it takes, forward "
        "and back: a ReLU takes one."
    )


def _facts(discovery: Discovery) -> Iterator[tuple[str, str]]:
    at = discovery.comparison
    yield "script", f"{'module ' if discovery.module else ''}{discovery.script}"
    yield "arguments", shlex.join(discovery.arguments) or "none"
    yield "compared by", f"{at.metric}; {'more' if at.direction == 'high' else 'less'} is better"
    yield "in the place of", ", ".join(discovery.replaced)
    yield "records", discovery.path
