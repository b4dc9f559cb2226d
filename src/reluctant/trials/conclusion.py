"""What a contest came to, from its runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import fmean, median, stdev

from reluctant.errors import NothingCompared
from reluctant.facts import kept_by_torch, kept_bytes
from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.contest import Contest, Entrant
from reluctant.swapping import elementwise, replacement
from reluctant.trials.contest import ContestRunner
from reluctant.trials.standing import Entry, Standing
from reluctant.words import plural


def conclusion(runner: ContestRunner) -> Contest:
    """All there is to say.

    Raises:
        NothingCompared: no candidate was to be compared, or none has a pair of runs.
    """
    standing = runner.standing
    if not standing.candidates:
        raise NothingCompared(
            f"{', '.join(runner.same)} is what the script has, so there is nothing to compare.",
            "Name other functions with --activations: `reluctant functions` lists them.",
        )
    metric, plan = standing.metric, runner.attempts.plan
    found = {at.name: standing.pairs(at) for at in standing.candidates}
    reached = max(len(differences) for differences, _ in found.values())
    if not reached or metric is None:
        raise NothingCompared(
            "No pair of runs came to its end, so there is nothing to compare.",
            f"What they said is in {runner.attempts.home}, in one .txt a run.",
        )
    entries = standing.entries
    comparison = Comparison(
        metric.name,
        metric.direction,
        standing.baseline.name,
        _mean(standing, standing.baseline),
        tuple(_candidate(standing, at, *found[at.name], reached) for at in standing.candidates),
    )
    return Contest(
        plan.script,
        plan.arguments,
        plan.module,
        str(runner.attempts.home),
        comparison,
        metric.said,
        runner.replaced,
        runner.same,
        tuple(runner.seeds),
        reached,
        (
            _entrant(standing.baseline, [], _kept_by(runner.replaced)),
            *(
                _entrant(at, found[at.name][0], kept_bytes(replacement(at.name).of)["default"])
                for at in standing.candidates
            ),
        ),
        tuple(_limits(runner, reached)),
        {at.name: tuple(str(one.path) for _, one in sorted(at.attempts.items())) for at in entries},
    )


def _mean(standing: Standing, entry: Entry) -> float | None:
    known = [at for at in standing.values(entry) if at is not None and isfinite(at)]
    return fmean(known) if known else None


def _candidate(
    standing: Standing,
    entry: Entry,
    differences: list[float],
    values: list[float],
    reached: int,
) -> Candidate:
    # Whoever has not been stopped has got all the seeds that there were.
    last = entry.stopped is None
    mean = fmean(values) if values else None
    found = standing.race.judge(entry.name, differences, mean, last, reached)
    return replace(found, differences=standing.differences(entry))


def _entrant(entry: Entry, differences: list[float], kept: float | None) -> Entrant:
    outcomes = [at.outcome for at in entry.attempts.values() if at.failure is None and at.outcome]
    return Entrant(
        entry.name,
        len(entry.attempts),
        _effect(differences),
        _median([at.pace for at in outcomes]),
        _median([at.memory for at in outcomes]),
        _median([at.dead for at in outcomes]),
        kept,
        entry.factor,
        entry.stopped,
    )


def _kept_by(names: Sequence[str]) -> float | None:
    """By the script's own functions, where that is one number."""
    found = {kept_by_torch(elementwise(name)) for name in names}
    return found.pop() if len(found) == 1 else None


def _median(values: list[float | None] | list[int | None]) -> float | None:
    known = [float(at) for at in values if at is not None]
    return median(known) if known else None


def _effect(differences: list[float]) -> float | None:
    """Hedges 1981 (J. Educ. Stat. 6, 107), with the approximation of its equation 6e."""
    # Of two, the estimate has no mean.
    if len(differences) < 3 or not (spread := stdev(differences)):
        return None
    freedom = len(differences) - 1
    return fmean(differences) / spread * (1 - 3 / (4 * freedom - 1))


def _limits(runner: ContestRunner, reached: int) -> Iterator[str]:
    if runner.late:
        yield (
            f"The time ran out after {plural(reached, 'seed')} of {len(runner.seeds)}. This is the "
            "last word: more seeds in this folder would be a second chance to be wrong."
        )
    for entry, attempt, why in runner.standing.failed():
        file = Path(f"{attempt.path}.txt")
        yield f"{entry.name} with seed {attempt.seed} {why}, and is left out: {file}"
    for entry in runner.standing.entries:
        lost = sum(at is not None and not isfinite(at) for at in runner.standing.values(entry))
        if lost:
            yield (
                f"{plural(lost, 'run')} of {entry.name} came to a number that is not finite, which "
                "counts as the worst of all."
            )
