"""What is to be run, what runs and what came of it: one Optuna study, shared by all who work.

Kept in a journal file in the search's folder, or in a database for many machines. A job is taken
by whoever moves its trial from waiting to running first, which Optuna's storages do one at a time.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reluctant.errors import StorageNotUsable, WrongArgument
from reluctant.search.job import Entry, Job, Result, State

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# Seconds between two signs of life of a worker, and after which it is taken for dead without one.
BEAT, GRACE = 10, 60

# So many workers may die at one job before it is held against the job.
LIVES = 3

_PLAN, _BEAT = "reluctant", "beat"


@dataclass(frozen=True)
class Ledger:
    """One search's study. `shared` is whether others may be at work on it."""

    study: "Study"
    storage: "BaseStorage"
    study_id: int
    shared: bool

    @classmethod
    def open(
        cls,
        place: Path | str,
        name: str | None = None,
        plan: Mapping[str, Any] | None = None,
        beat: int = BEAT,
        grace: int = GRACE,
    ) -> "Ledger":
        """The study called `name` in a journal file, or in a database if `place` is its address.

        Args:
            place: a file, or an address as SQLAlchemy reads it.
            name: the study's; None for the newest that there is.
            plan: what is searched; a study that is there already must be of the same. None where
                there must be one.
            beat: seconds between two signs of life, in a database.
            grace: seconds without one after which a worker counts as dead.

        Raises:
            WrongArgument: there is no such study, or it is of another plan; Optuna or the
                database's driver is not installed.
            StorageNotUsable: the database cannot be reached.
        """
        optuna = _optuna()
        shared = isinstance(place, str)
        if str(place).startswith("sqlite"):
            raise WrongArgument(
                "In SQLite, two workers may take the same run: it cannot lock a row for Optuna.",
                "Give a PostgreSQL, or leave out --storage: a search on one machine needs none.",
            )
        with reached(str(place)) if isinstance(place, str) else nullcontext():
            if isinstance(place, str):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    storage = optuna.storages.RDBStorage(
                        place, heartbeat_interval=beat, grace_period=grace
                    )
            else:
                from reluctant.search.journal import journal

                storage = journal(place)
            known = [at.study_name for at in storage.get_all_studies()]
            if plan is None and name is None and known:
                name = known[-1]
            if plan is None and (name is None or name not in known):
                there = f"There is {', '.join(known)}." if known else "There is none at all."
                raise WrongArgument(f"There is no search {name or ''} in {place}.", there)
            study = optuna.create_study(
                storage=storage, study_name=name, direction="minimize", load_if_exists=True
            )
        ledger = cls(study, storage, storage.get_study_id_from_name(study.study_name), shared)
        if plan is not None:
            ledger._claim(plan)
            ledger.note(_BEAT, beat)
        return ledger

    @property
    def every(self) -> float:
        """Seconds between two signs of life, as the one who plans expects them."""
        return float(self.noted(_BEAT) or BEAT)

    def _claim(self, plan: Mapping[str, Any]) -> None:
        content = json.loads(json.dumps(plan))
        there = self.plan
        if there is None:
            self.storage.set_study_user_attr(self.study_id, _PLAN, content)
        elif there != content:
            raise WrongArgument(
                f"The search {self.study.study_name} is of another script, of other arguments, or "
                "of an older version.",
                "Choose another folder with --out DIR.",
            )

    @property
    def plan(self) -> dict[str, Any] | None:
        """What is searched, as it was when the search began."""
        return self.storage.get_study_user_attrs(self.study_id).get(_PLAN)

    def note(self, key: str, value: object) -> None:
        """Write down a fact about the whole search."""
        self.storage.set_study_user_attr(self.study_id, key, value)

    def noted(self, key: str) -> Any:
        """A fact about the whole search; None if it was not written down."""
        return self.storage.get_study_user_attrs(self.study_id).get(key)

    def add(self, job: Job, again: int | None = None) -> None:
        """Have a job run by whoever is free."""
        attributes: dict[str, Any] = asdict(job)
        if again is not None:
            attributes["again"] = again
        self.study.enqueue_trial({}, user_attrs=attributes)

    def entries(self) -> list[Entry]:
        """All jobs, oldest first."""
        return [_entry(at) for at in self._trials() if "stage" in at.user_attrs]

    def _trials(self) -> "list[FrozenTrial]":
        return self.storage.get_all_trials(self.study_id, deepcopy=False)

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def take(self) -> Entry | None:
        """A waiting job, which is the caller's alone from now on; None if none waits."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        for entry in self.entries():
            if entry.state == "waiting":
                taken = self._id(entry.number)
                with suppress(UpdateFinishedTrialError):
                    if self.storage.set_trial_state_values(taken, TrialState.RUNNING):
                        self.beat(entry)
                        return entry
        return None

    def beat(self, entry: Entry) -> None:
        """Say that the job is being worked on."""
        if self.shared:
            self.storage.record_heartbeat(self._id(entry.number))  # type: ignore[attr-defined]

    def end(self, entry: Entry, result: Result) -> None:
        """Write down what came of a job; too late, if it was given to another meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        at = self._id(entry.number)
        facts = {"why": result.why, "seconds": result.seconds, "facts": dict(result.facts)}
        with suppress(UpdateFinishedTrialError):
            for key, value in facts.items():
                self.storage.set_trial_user_attr(at, key, value)
            if result.value is None:
                self.storage.set_trial_state_values(at, TrialState.FAIL)
            else:
                self.storage.set_trial_state_values(at, TrialState.COMPLETE, [result.value])

    def give_back(self, entry: Entry) -> None:
        """Leave a job that was begun to another."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_state_values(self._id(entry.number), TrialState.FAIL)
        self._return(entry)

    def recover(self) -> None:
        """Have the jobs of dead workers run again: for the one who plans, and no other.

        In a journal nobody but the planner's own process works, so that whatever runs when it
        starts has died with the one before.
        """
        if self.shared:
            import optuna

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(self.study)
        else:
            from optuna.trial import TrialState

            for entry in self.entries():
                if entry.state == "running":
                    self.storage.set_trial_state_values(self._id(entry.number), TrialState.FAIL)
        # Whoever ends a job says why it failed; a dead one cannot.
        entries = self.entries()
        followed = {at.again for at in entries}
        for entry in entries:
            lost = entry.state == "failed" and entry.result.why is None
            if lost and entry.number not in followed:
                self._return(entry)

    def _return(self, entry: Entry) -> None:
        by = {at.number: at for at in self.entries()}
        lives, at = 1, entry
        while at.again is not None:
            lives, at = lives + 1, by[at.again]
        if lives < LIVES:
            self.add(entry.job, again=entry.number)


def _entry(trial: "FrozenTrial") -> Entry:
    from optuna.trial import TrialState

    states: dict[TrialState, State] = {
        TrialState.WAITING: "waiting",
        TrialState.RUNNING: "running",
        TrialState.COMPLETE: "done",
    }
    told = trial.user_attrs
    return Entry(
        trial.number,
        Job(told["stage"], told["function"], told["seed"], told.get("factor", 1.0)),
        states.get(trial.state, "failed"),
        Result(
            trial.value if trial.state == TrialState.COMPLETE else None,
            told.get("why"),
            told.get("seconds", 0.0),
            told.get("facts", {}),
        ),
        told.get("again"),
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise WrongArgument(
            "A search is kept by Optuna, which is not installed.",
            "Install it with `pip install 'reluctant[search]'`.",
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def reached(place: str) -> Iterator[None]:
    """Say of a database that it cannot be reached, and why, without its password."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise StorageNotUsable(
            f"The storage {_nameless(place)} needs a driver that is not installed ({error}).",
            "For PostgreSQL: `pip install 'reluctant[postgresql]'`, and postgresql+psycopg://...",
        ) from None
    except SQLAlchemyError as error:
        raise StorageNotUsable.at(_nameless(place), str(error).strip().partition("\n")[0]) from None


def _nameless(place: str) -> str:
    scheme, mark, rest = place.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else place
