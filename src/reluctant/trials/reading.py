"""From a trial's runs to what they tell together."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from reluctant.errors import NothingCompared
from reluctant.record.comparison import Comparison, Direction
from reluctant.record.trial import (
    ARMS,
    DEAD,
    LOSS,
    PLACEBO,
    PLACEBO_OF,
    TREATED,
    UNTREATED,
    Treatment,
    Trial,
)
from reluctant.trials.compare import Values, compare
from reluctant.trials.metric import resolution
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import place, said
from reluctant.trials.runner import Runner
from reluctant.words import plural


@dataclass(frozen=True)
class Reading:
    """What a runner's runs tell.

    Args:
        runner: which has run.
        metric: a name, a pattern with one group, and which figures are better; None if the script
            has no metric of its own.
    """

    runner: Runner
    metric: tuple[str, re.Pattern[str], Direction] | None

    def trial(self) -> Trial:
        """All there is to say.

        Raises:
            NothingCompared: no pair of runs has ended.
        """
        plan, treated = self.runner.plan, self._arm(TREATED)
        pairs = [at for at in treated if self._partner(at) is not None]
        if not pairs:
            raise NothingCompared(
                "No pair of runs came to its end, so there is nothing to compare.",
                f"What they said is in {self.runner.home}, in one .txt a run.",
            )
        touched = [at for at in treated if at.touched]
        found = tuple(at for at in self._comparisons() if any(one.n for one in at.candidates))
        if not found:
            raise NothingCompared(
                "The runs showed neither a loss nor a unit, nor a metric of their own.",
                "Say how to read the script's own with --metric, as --metric 'accuracy (.*)'.",
            )
        return Trial(
            plan.script,
            plan.arguments,
            plan.module,
            str(self.runner.home),
            self.runner.seeds,
            found if touched else tuple(map(_unmoved, found)),
            len(treated),
            len(touched),
            tuple(_treatments(touched)),
            tuple(self._placebos()),
            self.runner.fixed,
            tuple(self._limits()),
            {arm: tuple(dict.fromkeys(str(at.path) for at in self._arm(arm))) for arm in ARMS},
        )

    def _arm(self, arm: str) -> list[Outcome]:
        found = (self.runner.outcomes.get((arm, seed)) for seed in self.runner.worth)
        return [at for at in found if at is not None]

    def _partner(self, outcome: Outcome) -> Outcome | None:
        return self.runner.outcomes.get((UNTREATED, outcome.seed))

    def _own(self, outcome: Outcome) -> Outcome:
        """The run whose figures count: of two that are one, not the same steps need be seen."""
        partner = self._partner(outcome)
        same = partner is not None and not outcome.touched and outcome.is_like(partner)
        return partner if partner is not None and same else outcome

    def _values(self, arm: str, read: Callable[[Outcome], float | None]) -> list[float | None]:
        found = [self.runner.outcomes.get((arm, seed)) for seed in self.runner.worth]
        return [None if at is None else read(self._own(at)) for at in found]

    def _comparisons(self) -> Iterator[Comparison]:
        firsts = [at.first for arm in ARMS for at in self._arm(arm)]
        yield self._compare(LOSS, "low", lambda at: at.loss, others=firsts)
        if self.metric is not None:
            name, pattern, direction = self.metric
            figures = {at.path: at.figure(pattern) for arm in ARMS for at in self._arm(arm)}
            digits = max((resolution(at) for at in figures.values() if at), default=0.0)

            def read(at: Outcome) -> float | None:
                figure = figures.get(at.path)
                return None if figure is None else float(figure)

            yield self._compare(name, direction, read, digits)
        yield self._compare(DEAD, "low", lambda at: at.dead, 1.0)

    def _compare(
        self,
        metric: str,
        direction: Direction,
        read: Callable[[Outcome], float | None],
        resolution: float = 0.0,
        others: Values = (),
    ) -> Comparison:
        plain, treated, placebo = (self._values(arm, read) for arm in ARMS)
        arms = {TREATED: treated, PLACEBO: placebo}
        return compare(metric, direction, (UNTREATED, plain), arms, resolution, others)

    def _placebos(self) -> Iterator[str]:
        """What each did, and in how many runs."""
        placebos = [at for at in self._arm(PLACEBO) if at.path.name.startswith(PLACEBO)]
        done = Counter((at.remedy, at.text) for outcome in placebos for at in outcome.interventions)
        for (remedy, text), times in done.items():
            often = "once" if times == 1 else f"{times} times"
            yield f"of {remedy.removeprefix(PLACEBO_OF)}, {often}: {text}"

    def _limits(self) -> Iterator[str]:
        for (arm, seed), code in sorted(self.runner.failures.items()):
            file = said(place(self.runner.home, arm, seed))
            why = f"exit code {code}" if code else "a record that cannot be read"
            yield f"The {arm} run with seed {seed} failed ({why}) and is left out: {file}"
        for arm in ARMS:
            outcomes = self._arm(arm)
            for at in outcomes:
                if at.failure is not None and at.path.name.startswith(arm):
                    yield f"The {arm} run with seed {at.seed} was not observed: {at.failure}"
            lost = sum(at.loss is not None and not isfinite(at.loss) for at in outcomes)
            if lost:
                yield (
                    f"{plural(lost, f'{arm} run')} ended with a loss that is not finite: that "
                    "counts as the worst that any run began or ended with."
                )
            if self.metric is not None:
                name, pattern, _ = self.metric
                missing = [str(at.seed) for at in outcomes if at.figure(pattern) is None]
                if missing:
                    seeds = ", ".join(missing)
                    yield f"No {name} was found in what the {arm} runs said (seed {seeds})."
        for at in self._arm(TREATED):
            partner = self._partner(at)
            if partner is not None and not at.touched and not at.is_like(partner) and at.losses:
                yield (
                    f"With seed {at.seed} there was no intervention, and the runs differ all the "
                    "same: the script does not do the same twice with one seed."
                )


def _unmoved(comparison: Comparison) -> Comparison:
    """Where nothing was done, no difference is the doing of what was not."""
    none = tuple(replace(at, verdict="no difference shown") for at in comparison.candidates)
    return replace(comparison, candidates=none)


def _treatments(touched: Sequence[Outcome]) -> Iterator[Treatment]:
    """What was done, each counted once a run; a remedy that is still being watched is kept."""
    kept: Counter[tuple[str, str]] = Counter()
    undone: Counter[tuple[str, str]] = Counter()
    for outcome in touched:
        done = [at for at in outcome.interventions if not at.refused]
        kept.update({(at.remedy, at.finding) for at in done if at.kept is not False})
        undone.update({(at.remedy, at.finding) for at in done if at.kept is False})
    for remedy, finding in kept | undone:
        yield Treatment(remedy, finding, kept[remedy, finding], undone[remedy, finding])
