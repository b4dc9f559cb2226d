"""The page of `reluctant compare`."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reluctant.record.comparison import Comparison, Verdict
from reluctant.record.contest import BASELINE, Contest, Entrant
from reluctant.report import commands
from reluctant.report.contest import READING, compared_by, shown, stops
from reluctant.report.page.differences import differences
from reluctant.report.page.facts import Tile
from reluctant.report.page.figure import Numbers
from reluctant.report.page.race import race
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
from reluctant.words import number, plural

# The best first.
_ORDER: tuple[Verdict, ...] = ("better", "no difference shown", "worse")


def render(contest: Contest, curves: Mapping[str, Drawn]) -> str:
    """The page; `curves` are the facts of functions, by their names.

    Raises:
        NotInstalled: a library that the page needs is not there.
    """
    return page(sheet(contest, curves))


def sheet(contest: Contest, curves: Mapping[str, Drawn]) -> Sheet:
    """What is on it, the best function first."""
    order = [name for verdict in _ORDER for name in contest.where(verdict)]
    ranked = tuple(contest.comparison.of(name) for name in order)
    contest = replace(contest, comparison=replace(contest.comparison, candidates=ranked))
    best, verdicts = ranked[0], {at.name: at.verdict for at in ranked}
    numbers = Numbers()
    use = commands.swapped(contest, contest.replaced, best.name)
    return Sheet(
        "compare",
        commands.script(contest),
        best.verdict,
        list(shown(contest)),
        use if best.verdict == "better" else None,
        list(_tiles(contest)),
        contest.limits,
        differences(contest.comparison, [f"seed {at}" for at in contest.seeds], "differences-plot"),
        race(contest, "race-plot"),
        list(stops(contest)),
        list(_columns(contest)),
        list(_rows(contest)),
        functions(order, verdicts, contest.replaced, curves, numbers),
        list(_reading(contest)),
        list(_facts(contest)),
        numbers,
    )


def _tiles(contest: Contest) -> Iterator[Tile]:
    at = contest.comparison
    best = at.candidates[0]
    if best.verdict == "better" and best.difference is not None:
        yield Tile(
            number(best.difference), f"difference in {at.metric}, {best.name}", interval(best)
        )
    stopped = sum(one.stopped is not None for one in contest.entrants)
    early = f"{stopped:,} stopped early" if stopped else ""
    yield Tile(f"{len(at.candidates):,}", "functions", early)
    yield Tile(f"{contest.reached:,}", "seeds", f"of {len(contest.seeds):,} at most")
    yield Tile(f"{sum(one.runs for one in contest.entrants):,}", "runs")


def _tuned(contest: Contest) -> bool:
    return any(at.factor != 1 for at in contest.entrants)


def _columns(contest: Contest) -> Iterator[Column]:
    yield Column("seeds")
    yield Column(contest.comparison.metric)
    yield Column("difference, 95 % interval")
    yield Column("verdict", number=False)
    yield Column("effect size")
    if _tuned(contest):
        yield Column("learning rate")
    for title in ("a step", "memory", "kept", "dead units"):
        yield Column(title)


def _rows(contest: Contest) -> Iterator[Row]:
    baseline = contest.entrant(BASELINE)
    mean = figure(contest.comparison.baseline_mean)
    first = [Cell(f"{baseline.runs:,}", baseline.runs), mean, Cell(), Cell()]
    yield Row(BASELINE, None, [*first, *_costs(contest, baseline)])
    for at in contest.comparison.candidates:
        judged = [Cell(f"{at.n:,}", at.n), figure(at.mean), difference(at)]
        costs = _costs(contest, contest.entrant(at.name))
        yield Row(at.name, at.verdict, [*judged, Cell(at.verdict), *costs])


def _costs(contest: Contest, at: Entrant) -> Iterator[Cell]:
    yield figure(at.effect)
    if _tuned(contest):
        yield Cell(f"{at.factor:.2g} times", at.factor)
    yield Cell() if at.pace is None else figure(1000 * at.pace, " ms")
    yield Cell() if at.memory is None else Cell(f"{at.memory / 1e6:,.0f} MB", at.memory)
    yield Cell() if at.kept is None else Cell(f"{at.kept:.3g} bytes", at.kept)
    yield Cell() if at.dead is None else Cell(f"{at.dead:,.0f}", at.dead)


def side(comparison: Comparison) -> str:
    """What a difference is, and on which side of zero it is better: a sentence."""
    better = "above" if comparison.direction == "high" else "below"
    return (
        f"A difference is the {comparison.metric} with the function minus that of the script as it "
        f"stands, with the same seed: {better} zero it is better. A line that leaves the picture "
        "goes on; its ends are in the table."
    )


def _reading(contest: Contest) -> Iterator[str]:
    yield side(contest.comparison)
    yield READING
    yield (
        "A function is called better where its whole interval lies on the better side of zero. "
        "That no difference is shown does not mean that there is none, but that so many seeds "
        "cannot tell."
    )
    yield (
        "The intervals leave more room on the better side of the mean: of the 5 % of comparisons "
        "in which one of them may be wrong, 4.5 go to calling something better that is not."
    )
    yield (
        "A mean is over the function's own seeds. Where it was stopped early these are not those "
        "of the others: differences are to be held against one another, and not means."
    )
    yield (
        "Effect size is Hedges' g: the mean difference in standard deviations of a pair. What a "
        "step takes, the most memory that a process took and the dead units are medians over the "
        "runs; the first tells little where other work went on beside them. Kept is what the "
        "function keeps for the backward pass, an element of its input in float32."
    )


def _facts(contest: Contest) -> Iterator[tuple[str, str]]:
    yield "script", f"{'module ' if contest.module else ''}{contest.script}"
    yield "arguments", shlex.join(contest.arguments) or "none"
    yield "compared by", compared_by(contest)
    yield "in the place of", ", ".join(contest.replaced)
    if contest.same:
        yield "the same as that", ", ".join(contest.same)
    first, last = contest.seeds[0], contest.seeds[-1]
    yield "seeds", f"{plural(len(contest.seeds), 'seed')} at most, {first} to {last}"
    yield "records", contest.path
