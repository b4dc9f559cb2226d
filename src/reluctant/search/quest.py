"""A search from its beginning to its end: what is run when, until the few best are judged.

All that is known is in the ledger, so that a search that was interrupted goes on where it was.
How the best are judged is in `judgement`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from random import Random
from threading import Thread
from time import monotonic, sleep

from reluctant.activations.expression import expression
from reluctant.errors import FixedSeed, NoMetric, NothingCompared, ScriptFails
from reluctant.record.discovery import Discovery
from reluctant.search import gate
from reluctant.search.explorer import Explorer
from reluctant.search.job import Entry, Evaluate, Job, Result, Stage
from reluctant.search.judgement import AS_IT_STANDS, Judgement, found
from reluctant.search.ledger import LIVES, Ledger
from reluctant.search.prior import Prior
from reluctant.search.race import Race
from reluctant.search.training import SMOOTHED, metric, plan, replaced
from reluctant.search.worker import Worker
from reluctant.trials.metric import Metric
from reluctant.trials.outcome import are_same
from reluctant.words import duration, number

# Of a job that nobody could bring to an end.
DIED = f"Its worker died, {LIVES} times."

_PAUSE = 0.05
_RECOVER = 10.0
_SPENT = "spent"
_JUDGED = "judged"


@dataclass(frozen=True)
class Limits:
    """When a search ends: after so many seconds in all, or so many runs; the first to come.

    Judging is part of the time: what it is likely to take is put aside for it, but never more than
    half. `seeds` is how many judge; to `tune` is to give each its own learning rate before.
    """

    seconds: float
    runs: int | None = None
    seeds: int = 5
    tune: bool = True


@dataclass(frozen=True)
class Progress:
    """How far a search is: runs of this stage, and seconds in all."""

    stage: Stage
    ended: int
    failed: int
    running: int
    best: str | None
    spent: float
    left: float


@dataclass
class Quest:
    """One search.

    Args:
        ledger: where everything is written down.
        evaluate: runs a job.
        home: the folder for the records of the runs.
        limits: when it ends.
        jobs: how many runs at a time in this process; none where other workers do it all.
        show: called now and then with how far it is.
        tell: called with a sentence for each run that ends.
        seed: what chance is drawn from.
    """

    ledger: Ledger
    evaluate: Evaluate
    home: Path
    limits: Limits
    jobs: int = 1
    show: Callable[[Progress], None] = lambda progress: None
    tell: Callable[[str], None] = lambda text: None
    seed: int = 0
    _workers: list[Worker] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)
    _began: float = 0.0
    _before: float = 0.0
    _recovered: float = 0.0

    def run(self) -> Discovery:
        """Search, judge, and say what came of it.

        Raises:
            ScriptFails: the script fails as it stands.
            FixedSeed: it does the same with all seeds.
            NothingCompared: no function came to anything, or the script has none to replace.
            KeyboardInterrupt: on Ctrl-C; what has ended is kept.
        """
        self._began, self._before = monotonic(), float(self.ledger.noted(_SPENT) or 0)
        self.ledger.recover()
        try:
            self._hire()
            self._baseline()
            self._search()
            self._judge()
        finally:
            self._dismiss()
            self.ledger.note(_SPENT, self._spent)
        return self._discovery()

    @property
    def _spent(self) -> float:
        return self._before + monotonic() - self._began

    # -- the script as it stands ----------------------------------------------------------------

    def _baseline(self) -> None:
        """Run the script as it stands with two seeds: it must work, and heed them."""
        self._run("baseline", [Job("baseline", None, seed) for seed in (0, 1)])
        ended = [at for at in self._live() if at.job.stage == "baseline"]
        for at in ended:
            if "way out" in at.result.facts:
                raise NoMetric(str(at.result.why), str(at.result.facts["way out"]))
            if at.result.value is None:
                raise ScriptFails(
                    f"The script fails as it stands. {at.result.why}",
                    f"What it said:\n{at.result.facts.get('said', '')}",
                )
        one, other = ended
        if one.result.value == other.result.value or are_same(*map(_losses, ended)):
            raise FixedSeed(
                "The script does the same with seed 0 and seed 1: it sets its own seed.",
                "If it takes that as an argument, say how, as --seed-arg '--seed {}'.",
            )
        met = one.result.facts.get("met")
        known = met if isinstance(met, list) else []
        if not self._replaced or not {*self._replaced} <= {*known}:
            unmet = [name for name in self._replaced if name not in known]
            raise NothingCompared(
                f"The script was not seen to use {' or '.join(unmet)}."
                if unmet
                else "The script was not seen to use a function that others could stand in for.",
                f"It uses {', '.join(known) or 'none at all'}: --replace NAME names one of them.",
            )

    @cached_property
    def _replaced(self) -> tuple[str, ...]:
        """Known once the script has run as it stands."""
        return replaced(self.ledger)

    def _race(self, entries: Iterable[Entry]) -> Race:
        return Race.of(entries, _metric(entries).direction)

    # -- the search -----------------------------------------------------------------------------

    @cached_property
    def _explorer(self) -> Explorer:
        return Explorer(
            gate.passed(),
            lambda at: gate.refusal(at) is None,
            Random(self.seed),
            Prior.known(),
        )

    def _search(self) -> None:
        while self.ledger.noted(_JUDGED) is None:
            entries = self._tick("search")
            mine = [at for at in entries if at.job.stage == "search"]
            over = self._is_over(entries, mine)
            open_ = [at for at in mine if at.state in ("waiting", "running")]
            if over and not open_:
                break
            ahead = sum(at.state == "waiting" for at in open_)
            # As many wait as run elsewhere: nobody is to be without work.
            wanted = max(1, self.jobs, len(open_) - ahead)
            if not over and ahead < wanted:
                self._plan(self._race(entries))
            else:
                sleep(_PAUSE)

    def _is_over(self, entries: list[Entry], mine: list[Entry]) -> bool:
        if self.limits.runs is not None and len(mine) >= self.limits.runs:
            return True
        return self._left(entries) <= 0

    def _left(self, entries: list[Entry]) -> float:
        """Seconds until the search must make room for judging."""
        return self.limits.seconds - self._judging(entries) - self._spent

    def _judging(self, entries: list[Entry]) -> float:
        """Seconds that are put aside for that."""
        runs = self._judgement(self._race(entries).ranking).runs
        return min(self._each(entries) * runs, self.limits.seconds / 2)

    def _each(self, entries: list[Entry]) -> float:
        """Seconds from one run's end to the next one's, as it was so far, whoever runs them."""
        ended = sum(at.state in ("done", "failed") for at in entries)
        return self._spent / ended if ended else 0.0

    def _plan(self, race: Race) -> None:
        promoted = race.promoted()
        if promoted is not None:
            name, seed = promoted
            self.ledger.add(Job("search", name, seed))
            return
        scores = {expression(name): score for name, score in race.scores.items()}
        chosen = self._explorer.next(scores, tuple(map(expression, race.waiting)))
        if chosen is None:
            sleep(_PAUSE)
        else:
            self.ledger.add(Job("search", str(chosen), 0))

    # -- the judgement --------------------------------------------------------------------------

    def _judge(self) -> None:
        if self.ledger.noted(_JUDGED) is None:
            entries = self._live()
            # The half that was put aside is there, however late the last run ended.
            time = max(self.limits.seconds - self._spent, self.limits.seconds / 2)
            each = self._each(entries)
            judged = self._judgement(self._race(entries).ranking, time / each if each else inf)
            if not judged.chosen:
                raise NothingCompared(
                    "No function that was tried came to a number.",
                    f"What the runs said is in {self.home}, in one .txt a run.",
                )
            self.ledger.note(_JUDGED, {"chosen": judged.chosen, "tune": judged.tune})
        judged = self._judged
        self._run("tune", judged.tuning)
        self._run("confirm", judged.confirmation(self._live()))

    def _judgement(self, ranking: Iterable[str], runs: float = inf) -> Judgement:
        return Judgement.of(ranking, self._replaced, self.limits.seeds, self.limits.tune, runs)

    @cached_property
    def _judged(self) -> Judgement:
        """What is judged, and how: settled once, before anything of it is known."""
        noted = self.ledger.noted(_JUDGED)
        named = _metric(self.ledger.entries())
        chosen, tune = tuple(noted["chosen"]), noted["tune"]
        return Judgement(chosen, self._replaced, self.limits.seeds, tune, named)

    # -- the work -------------------------------------------------------------------------------

    def _run(self, stage: Stage, jobs: Iterable[Job]) -> None:
        """Have these run, unless they have been, until all have ended."""
        there = {at.job for at in self.ledger.entries()}
        for job in jobs:
            if job not in there:
                self.ledger.add(job)
        while True:
            entries = self._tick(stage)
            mine = [at for at in entries if at.job.stage == stage]
            if all(at.state in ("done", "failed") for at in mine):
                return
            sleep(_PAUSE)

    def _tick(self, stage: Stage) -> list[Entry]:
        if monotonic() - self._recovered > _RECOVER:
            self._recovered = monotonic()
            self.ledger.note(_SPENT, self._spent)
            if self.ledger.shared:
                self.ledger.recover()
        entries = self._live()
        mine = [at for at in entries if at.job.stage == stage]
        state = Counter(at.state for at in mine)
        ranking = self._race(entries).ranking
        progress = Progress(
            stage,
            state["done"] + state["failed"],
            state["failed"],
            state["running"],
            ranking[0] if ranking else None,
            self._spent,
            max(0.0, self._to_go(stage, entries)),
        )
        self.show(progress)
        return entries

    def _to_go(self, stage: Stage, entries: list[Entry]) -> float:
        """Seconds until all is over, as far as can be told."""
        if stage == "baseline":
            return self.limits.seconds - self._spent
        mine = [at for at in entries if at.job.stage == stage]
        each, open_ = self._each(entries), sum(at.state in ("waiting", "running") for at in mine)
        if stage == "confirm":
            return each * open_
        if stage == "tune":
            return each * (open_ + self._judged.runs - len(mine))
        searching = self._left(entries)
        if self.limits.runs is not None:
            searching = min(searching, each * (self.limits.runs - len(mine) + open_))
        return max(0.0, searching) + self._judging(entries)

    def _live(self) -> list[Entry]:
        """All jobs without those that another stands in for."""
        entries = self.ledger.entries()
        followed = {at.again for at in entries}
        return [at for at in entries if at.number not in followed]

    def _hire(self) -> None:
        for _ in range(self.jobs):
            worker = Worker(self.ledger, self.evaluate, self.home, self._said)
            thread = Thread(target=worker.run)
            self._workers.append(worker)
            self._threads.append(thread)
            thread.start()

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.stop.set()
        for thread in self._threads:
            thread.join()
        self._workers.clear()
        self._threads.clear()

    def _said(self, entry: Entry, result: Result) -> None:
        came = result.why
        if result.value is not None:
            came = f"{_metric(self.ledger.entries()).name} {number(result.value)}"
        job, took = entry.job, duration(result.seconds)
        rate = f" at {job.factor:.2g} times the rate" if job.factor != 1 else ""
        self.tell(f"{job.function or AS_IT_STANDS}{rate}, seed {job.seed}: {came} ({took})")

    # -- what came of it ------------------------------------------------------------------------

    def _discovery(self) -> Discovery:
        entries = self._live()
        judged = self._judged
        comparison = judged.comparison(entries)
        factors = judged.factors(entries) if judged.tune else {}
        race = self._race(entries)
        failed = [at for at in entries if at.state == "failed"]
        of = plan(self.ledger)
        return Discovery(
            of.script,
            of.arguments,
            of.module,
            str(self.home),
            self._replaced,
            comparison,
            self.limits.seeds,
            tuple(found(expression(at), place) for place, at in enumerate(judged.chosen, 1)),
            len(race.standings),
            sum(at.job.stage == "search" for at in entries),
            len(failed),
            Counter(at.result.why or DIED for at in failed),
            self._spent,
            {name or comparison.baseline: factor for name, factor in factors.items()},
        )


def _metric(entries: Iterable[Entry]) -> Metric:
    return metric(entries) or SMOOTHED


def _losses(entry: Entry) -> Mapping[str, float]:
    """The first losses of the script as it stands."""
    losses = entry.result.facts.get("losses")
    return losses if isinstance(losses, dict) else {}
