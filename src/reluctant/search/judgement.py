"""The few best of a search against what the script has, and others have, each at its best rate.

A rate that was chosen for a rectifier flatters whatever is like one, and hides the rest; so each
function first gets its own, by the rules of a comparison. Seeds that the search used choose the
best, other seeds their rates, and others again judge: those alone are reported.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf, nan
from statistics import fmean

from reluctant.activations.expression import Expression, expression
from reluctant.activations.operations import UNARY
from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.discovery import Found
from reluctant.search import shape
from reluctant.search.job import Entry, Job
from reluctant.search.training import SMOOTHED
from reluctant.trials.compare import compare
from reluctant.trials.metric import Metric, loss
from reluctant.trials.tuning import FACTORS, SEEDS, best

# The script as it stands, and how it is called at another rate than its own.
AS_IT_STANDS, AT_ANOTHER_RATE = "as it stands", "with its own functions"

# What the best are held against besides.
AGAINST = ("relu(z)", "silu(z)")

# How many of the best are judged.
FINALISTS = 3

# Seeds of the search are counted from 0, those for rates and those to judge from here.
RATES, FRESH = 500, 1000


@dataclass(frozen=True)
class Judgement:
    """Of the functions that were `chosen`, the best first, in the place of those `replaced`.

    `seeds` is how many judge; to `tune` is to give each function a learning rate of its own.
    `metric` is what the runs are compared by.
    """

    chosen: tuple[str, ...]
    replaced: tuple[str, ...]
    seeds: int
    tune: bool
    metric: Metric = SMOOTHED

    @classmethod
    def of(
        cls,
        ranking: Iterable[str],
        replaced: tuple[str, ...],
        seeds: int,
        tune: bool,
        runs: float = inf,
    ) -> "Judgement":
        """Of the best of these; what is judged anyway is not among them.

        Where it would take more than so many `runs`, of the very best alone, and where even that
        would, at the script's own rate.
        """
        anyway = (*AGAINST, *(f"{name}(z)" for name in replaced if name in UNARY))
        known = {shape.fingerprint(expression(at)) for at in anyway}
        new = (at for at in ranking if shape.fingerprint(expression(at)) not in known)
        found = cls(tuple(islice(new, FINALISTS)), replaced, seeds, tune)
        if found.runs > runs:
            found = replace(found, chosen=found.chosen[:1])
        return found if found.runs <= runs else replace(found, tune=False)

    @property
    def functions(self) -> tuple[str, ...]:
        """All that are held against the script as it stands."""
        own = f"{self.replaced[0]}(z)" if len(self.replaced) == 1 else None
        return tuple(dict.fromkeys((*self.chosen, *(at for at in AGAINST if at != own))))

    @property
    def runs(self) -> int:
        """How many it takes."""
        return (1 + len(self.functions)) * (self.seeds + self.tune * len(FACTORS) * SEEDS)

    @property
    def tuning(self) -> tuple[Job, ...]:
        """The runs that tell which rate is whose."""
        return tuple(
            Job("tune", function, RATES + seed, factor)
            for seed in range(SEEDS * self.tune)
            for function in (None, *self.functions)
            for factor in FACTORS
        )

    def factors(self, entries: Sequence[Entry]) -> Mapping[str | None, float]:
        """By what the rates of each are multiplied, once the tuning has ended."""
        found: dict[str | None, float] = dict.fromkeys((None, *self.functions), 1.0)
        value = {at.job: at.result.value for at in entries if at.job.stage == "tune"}
        for function in found if self.tune else ():
            losses: dict[float, list[float]] = {factor: [] for factor in FACTORS}
            for job in self.tuning:
                if job.function == function:
                    came = value.get(job)
                    lost = inf if came is None else loss(came, self.metric.direction)
                    losses[job.factor].append(lost)
            found[function] = best({factor: fmean(at) for factor, at in losses.items()})
        return found

    def confirmation(self, entries: Sequence[Entry]) -> tuple[Job, ...]:
        """The runs that judge."""
        factors = self.factors(entries)
        return tuple(
            Job("confirm", function, FRESH + seed, factors[function])
            for seed in range(self.seeds)
            for function in (None, *self.functions)
        )

    def comparison(self, entries: Sequence[Entry]) -> Comparison:
        """What these came to; a run that failed counts as the worst there is."""
        values: dict[str | None, list[float | None]] = {}
        ended = {at.job: nan if at.state == "failed" else at.result.value for at in entries}
        for job in self.confirmation(entries):
            values.setdefault(job.function, []).append(ended.get(job))
        own = AS_IT_STANDS if self.factors(entries)[None] == 1 else AT_ANOTHER_RATE
        functions = {name: values[name] for name in self.functions}
        # What was rounded most coarsely tells how alike two runs may be that look the same.
        digits = [at.result.facts.get("resolution") for at in entries]
        coarsest = max((at for at in digits if isinstance(at, float)), default=0.0)
        baseline = own, values[None]
        name, direction = self.metric.name, self.metric.direction
        return in_turn(compare(name, direction, baseline, functions, coarsest))


def in_turn(comparison: Comparison) -> Comparison:
    """Judge the candidates one after the other, up to the first of which nothing is shown.

    Where their order was settled before, no candidate needs a wider interval for the others' sake:
    that any is wrongly told from the baseline is as unlikely as for one alone (Maurer, Hothorn and
    Lehmacher 1995; Westfall and Krishen 2001).
    """
    judged: list[Candidate] = []
    for at in comparison.candidates:
        silent = bool(judged) and judged[-1].verdict == "no difference shown"
        judged.append(replace(at, verdict="no difference shown") if silent else at)
    return replace(comparison, candidates=tuple(judged))


def found(function: Expression, place: int) -> Found:
    """How a function is handed to people."""
    define = f'reluctant.register("found_{place}", reluctant.expression("{function}"))'
    return Found(str(function), define, function.parameters, function.cost)
