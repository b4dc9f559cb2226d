"""A search from its beginning to its end: what is run when, until the few best are judged.

All that is known is in the ledger, so that a search that was interrupted goes on where it was.
The seeds of the search choose the best; other seeds judge them, and those alone are reported.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from pathlib import Path
from random import Random
from threading import Thread
from time import monotonic, sleep

from reluctant.activations.expression import Expression, expression
from reluctant.activations.operations import UNARY
from reluctant.errors import FixedSeed, NothingCompared, ScriptFails
from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.discovery import Discovery, Found
from reluctant.search import gate, shape
from reluctant.search.explorer import Explorer
from reluctant.search.job import Entry, Evaluate, Job, Result
from reluctant.search.ledger import LIVES, Ledger
from reluctant.search.race import Race
from reluctant.search.training import METRIC, plan, replaced
from reluctant.search.worker import Worker
from reluctant.trials.compare import compare
from reluctant.words import number

# The script as it stands, and what the best are held against besides.
AS_IT_STANDS = "as it stands"
AGAINST = ("silu(z)",)

# Seeds of the search are counted from 0, fresh ones from here.
FRESH = 1000

# How many of the best are judged.
FINALISTS = 3

# Of a job that nobody could bring to an end.
DIED = f"Its worker died, {LIVES} times."

_PAUSE = 0.05
_RECOVER = 10.0
_SPENT = "spent"
_JUDGED = "finalists"


@dataclass(frozen=True)
class Limits:
    """When a search ends: after so many seconds in all, or so many runs; the first to come.

    Judging is part of the time: what it is likely to take is put aside for it.
    """

    seconds: float
    runs: int | None = None
    seeds: int = 5

    @property
    def judging(self) -> int:
        """How many runs it takes to judge the best."""
        return self.seeds * (FINALISTS + 1 + len(AGAINST))


@dataclass(frozen=True)
class Progress:
    """How far a search is: runs that ended, those that failed, and seconds that are left."""

    stage: str
    ended: int
    failed: int
    running: int
    best: str | None
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
        self._recover()
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
        for seed in (0, 1):
            if not any(at.job == Job("baseline", None, seed) for at in self.ledger.entries()):
                self.ledger.add(Job("baseline", None, seed))
        self._until_ended("baseline")
        ended = [at for at in self._live() if at.job.stage == "baseline"]
        for at in ended:
            if at.result.value is None:
                raise ScriptFails(
                    f"The script fails as it stands. {at.result.why}",
                    f"What it said:\n{at.result.facts.get('said', '')}",
                )
        one, other = ended
        if one.result.value == other.result.value:
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

    @property
    def _replaced(self) -> tuple[str, ...]:
        return tuple(replaced(self.ledger))

    # -- the search -----------------------------------------------------------------------------

    @cached_property
    def _explorer(self) -> Explorer:
        return Explorer(gate.passed(), lambda at: gate.refusal(at) is None, Random(self.seed))

    def _search(self) -> None:
        while self.ledger.noted(_JUDGED) is None:
            entries = self._tick("search")
            mine = [at for at in entries if at.job.stage == "search"]
            over = self._is_over(mine)
            open_ = [at for at in mine if at.state in ("waiting", "running")]
            if over and not open_:
                break
            ahead = sum(at.state == "waiting" for at in open_)
            # As many wait as run elsewhere: nobody is to be without work.
            wanted = max(1, self.jobs, len(open_) - ahead)
            if not over and ahead < wanted:
                self._plan(Race.of(mine))
            else:
                sleep(_PAUSE)

    def _is_over(self, mine: list[Entry]) -> bool:
        if self.limits.runs is not None and len(mine) >= self.limits.runs:
            return True
        return self._left(mine) <= 0

    def _left(self, mine: list[Entry]) -> float:
        """Seconds until the search must make room for judging."""
        ended = [at.result.seconds for at in mine if at.state == "done"]
        each = sum(ended) / len(ended) if ended else 0.0
        judging = each * self.limits.judging / max(1, self.jobs)
        # However short the time: half of it is for the search.
        return self.limits.seconds - min(judging, self.limits.seconds / 2) - self._spent

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
        chosen = self.ledger.noted(_JUDGED)
        if chosen is None:
            race = Race.of(self.ledger.entries())
            known = {shape.fingerprint(expression(at)) for at in self._known()}
            new = [at for at in race.ranking if shape.fingerprint(expression(at)) not in known]
            chosen = new[:FINALISTS]
            if not chosen:
                raise NothingCompared(
                    "No function that was tried came to a number.",
                    f"What the runs said is in {self.home}, in one .txt a run.",
                )
            self.ledger.note(_JUDGED, list(chosen))
        wanted = [
            Job("confirm", function, FRESH + seed)
            for seed in range(self.limits.seeds)
            for function in dict.fromkeys((None, *AGAINST, *chosen))
        ]
        there = {at.job for at in self.ledger.entries()}
        for job in wanted:
            if job not in there:
                self.ledger.add(job)
        self._until_ended("confirm")

    def _known(self) -> Iterator[str]:
        """What is judged anyway: the script's own functions, and those it is held against."""
        yield from AGAINST
        yield from (f"{name}(z)" for name in self._replaced if name in UNARY)

    # -- the work -------------------------------------------------------------------------------

    def _until_ended(self, stage: str) -> None:
        while True:
            entries = self._tick(stage)
            mine = [at for at in entries if at.job.stage == stage]
            if all(at.state in ("done", "failed") for at in mine):
                return
            sleep(_PAUSE)

    def _tick(self, stage: str) -> list[Entry]:
        if monotonic() - self._recovered > _RECOVER and self.ledger.shared:
            self._recover()
        entries = self._live()
        mine = [at for at in entries if at.job.stage == stage]
        ranking = Race.of(entries).ranking
        left = self._left(mine) if stage == "search" else self._until_judged(mine)
        self.show(
            Progress(
                stage,
                sum(at.state in ("done", "failed") for at in mine),
                sum(at.state == "failed" for at in mine),
                sum(at.state == "running" for at in mine),
                ranking[0] if ranking else None,
                max(0.0, left),
            )
        )
        return entries

    def _until_judged(self, mine: list[Entry]) -> float:
        ended = [at.result.seconds for at in mine if at.state in ("done", "failed")]
        each = sum(ended) / len(ended) if ended else 0.0
        return each * (len(mine) - len(ended)) / max(1, self.jobs)

    def _live(self) -> list[Entry]:
        """All jobs without those that another stands in for."""
        entries = self.ledger.entries()
        followed = {at.again for at in entries}
        return [at for at in entries if at.number not in followed]

    def _recover(self) -> None:
        self._recovered = monotonic()
        self.ledger.recover()
        self.ledger.note(_SPENT, self._spent)

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
        came = f"{METRIC.name} {number(result.value)}" if result.value is not None else result.why
        what = f"{entry.job.function or AS_IT_STANDS}, seed {entry.job.seed}"
        self.tell(f"{what}: {came} ({result.seconds:.1f} s)")

    # -- what came of it ------------------------------------------------------------------------

    def _discovery(self) -> Discovery:
        entries = self._live()
        chosen = tuple(self.ledger.noted(_JUDGED))
        names = (*chosen, *(name for name in AGAINST if name not in chosen))
        race = Race.of(entries)
        failed = [at for at in entries if at.state == "failed"]
        of = plan(self.ledger)
        return Discovery(
            of.script,
            of.arguments,
            of.module,
            str(self.home),
            self._replaced,
            in_turn(
                compare(
                    METRIC.name,
                    METRIC.direction,
                    (AS_IT_STANDS, self._values(entries, None)),
                    {name: self._values(entries, name) for name in names},
                )
            ),
            self.limits.seeds,
            tuple(found(expression(at), place) for place, at in enumerate(chosen, start=1)),
            len(race.standings),
            sum(at.job.stage == "search" for at in entries),
            len(failed),
            Counter(at.result.why or DIED for at in failed),
            self._spent,
        )

    def _values(self, entries: list[Entry], function: str | None) -> list[float | None]:
        """By seed; a run that failed counts as the worst there is, and is not passed over."""
        by = {
            at.job.seed: nan if at.state == "failed" else at.result.value
            for at in entries
            if at.job.stage == "confirm" and at.job.function == function
        }
        return [by.get(FRESH + seed) for seed in range(self.limits.seeds)]


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
