"""One training of an unmodified script, in a process of its own, as an ordinary record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from threading import Event
from typing import Any

from reluctant.errors import NoMetric, ReluctantError, WrongArgument
from reluctant.record.reader import load
from reluctant.record.trial import LOSS
from reluctant.search.job import Entry, Evaluate, Job, Result
from reluctant.search.ledger import Ledger
from reluctant.trials.attempt import Attempt, Attempts, patience
from reluctant.trials.metric import Asked, Metric
from reluctant.trials.places import between, swaps
from reluctant.trials.plan import Plan
from reluctant.trials.processes import Processes
from reluctant.trials.runner import BUDGET

# Where nothing else is asked for.
SMOOTHED = Metric(LOSS, "low", "loss")

# Where no limit is given, a run may take so many times as long as the script as it stands: some
# functions cost more than others, and some machines are slower.
TIMES = 10

# So many losses tell whether two runs begin in the same way; which of the later steps are seen
# depends on the time that they take.
BEGINNING = 8

# What is said of a run that is not let run to its end.
STOPPED = "It was ended."


@dataclass(frozen=True)
class Training:
    """How the script is run.

    `replaced` are the functions that others are put in the place of. `limit` is how many seconds
    a run may take; None for as long as it likes. `metric` is what its number is; where that is not
    known yet, the first that answers to what was `asked` for.
    """

    plan: Plan
    replaced: tuple[str, ...] = ()
    limit: float | None = None
    metric: Metric | None = None
    asked: Asked = field(default_factory=Asked)

    def __call__(self, job: Job, folder: Path, stop: Event) -> Result:
        """Run it, recorded in that folder with the seed in its name, and read what it came to."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        attempts = Attempts(self.plan, folder.parent, Processes(stop))
        options = ["--budget", str(BUDGET), *["--pace", repr(job.factor)] * (job.factor != 1)]
        try:
            if job.function is not None:
                options += swaps(job.function, self.replaced)
            attempt = attempts.make(folder.name, job.seed, options, self.limit)
            return Result(None, STOPPED) if attempt is None else self._result(job, attempt)
        except ReluctantError as error:
            return Result(None, str(error))

    def _result(self, job: Job, attempt: Attempt) -> Result:
        seconds = attempt.ending.seconds
        if attempt.failure is not None:
            last = f": {attempt.last_line[:300]}" if attempt.ending.code > 0 else "."
            said = {} if job.function else {"said": attempt.tail}
            return Result(None, f"It {attempt.failure}{last}", seconds, said)
        if attempt.outcome is not None and attempt.outcome.failure is not None:
            return Result(None, f"It was not observed: {attempt.outcome.failure}", seconds)
        try:
            metric = self.metric or self.asked.metric(attempt)
        except (NoMetric, WrongArgument) as error:
            return Result(None, error.sentence, seconds, {"way out": error.way_out})
        figure = metric.read(attempt)
        if figure is None:
            return Result(None, f"It showed no {metric.name}.", seconds)
        if not isfinite(figure.value):
            return Result(None, f"Its {metric.name} was not finite at the end.", seconds)
        facts: dict[str, object] = {"resolution": figure.resolution}
        if job.function is None:
            facts |= {"metric": metric.content, **_facts(attempt)}
        return Result(figure.value, None, seconds, facts)


def _facts(attempt: Attempt) -> dict[str, object]:
    """The functions that a run met, those to be replaced if none is named, and its first losses."""
    run = load(attempt.path)
    names = {at.index: at.name for at in run.functions}
    met = sorted({names[at.function] for at in run.sites} - {"identity"})
    seen = [(at.step, at.loss) for at in run.samples if at.loss is not None]
    # Steps are texts, as a ledger keeps its keys.
    losses = {str(step): loss for step, loss in seen[:BEGINNING]}
    return {"met": met, "functions": list(between(run)), "losses": losses}


def planned(
    plan: Plan, replaced: tuple[str, ...], limit: float | None, asked: Asked | None = None
) -> dict[str, Any]:
    """What a ledger is told, so that any worker runs the same script in the same way."""
    told = asdict(asked if asked is not None else Asked())
    return {**plan.content, "replaced": replaced, "limit": limit, "metric": told}


def plan(ledger: Ledger) -> Plan:
    """What a ledger was told of the script."""
    told = ledger.plan or {}
    return Plan(told["script"], tuple(told["arguments"]), told["module"], told["seed_argument"])


# What runs a training, here or elsewhere.
Engine = Callable[[Training, Job, Path, Event], Result]


def evaluator(ledger: Ledger, engine: Engine = Training.__call__) -> Evaluate:
    """What runs the jobs of a ledger.

    Raises:
        WrongArgument: the script here is another than the one that is searched for.
    """
    told, script = ledger.plan or {}, plan(ledger)
    if told["digest"] != script.digest:
        raise WrongArgument(
            f"{script.script} is not here, or is another than the search is for.",
            "Start the worker where the same script is under the same name.",
        )

    asked = Asked(**told["metric"])

    def evaluate(job: Job, folder: Path, stop: Event) -> Result:
        took = [at.result.seconds for at in _baselines(ledger)]
        limit = told["limit"] or patience(took, TIMES)
        training = Training(script, replaced(ledger), limit, metric(ledger.entries()), asked)
        return engine(training, job, folder, stop)

    return evaluate


def replaced(ledger: Ledger) -> tuple[str, ...]:
    """The functions in whose place others are put: those asked for, or those that were met."""
    asked = (ledger.plan or {})["replaced"]
    met = [name for at in _baselines(ledger) for name in at.result.facts["functions"]]  # type: ignore[attr-defined]
    return tuple(asked or dict.fromkeys(met))


def metric(entries: Iterable[Entry]) -> Metric | None:
    """What the runs are compared by; None until the script has run as it stands."""
    known = (at.result.facts.get("metric") for at in entries if at.job.stage == "baseline")
    return next((Metric.of(at) for at in known if isinstance(at, Mapping)), None)


def _baselines(ledger: Ledger) -> list[Entry]:
    return [at for at in ledger.entries() if at.job.stage == "baseline" and at.state == "done"]
