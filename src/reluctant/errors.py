"""The errors a person can meet: each one sentence and a way out."""

from collections.abc import Mapping
from pathlib import Path

# The way out where a record cannot be put.
ELSEWHERE = "Choose another folder with --out DIR, or in Python with out=DIR."


class ReluctantError(Exception):
    """Something a person can put right.

    `slug` names the kind of error and never changes; `way_out` says what to do about it.
    """

    slug = "error"

    def __init__(self, sentence: str, way_out: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.sentence} {self.way_out}"


class ScriptNotFound(ReluctantError):
    """There is no such script or module to run."""

    slug = "script-not-found"


class NotObservable(ReluctantError):
    """A program that runs all the same, and into which nothing can look."""

    slug = "not-observable"

    @classmethod
    def started_by(cls, launcher: str, program: str) -> "NotObservable":
        """`launcher` does not start `program` by way of `python PROGRAM`."""
        return cls(
            f"{launcher} does not start {program} as python would, so nothing is observed.",
            "Put `python -m reluctant run` in front of the script that it starts in the end.",
        )


class NothingChecked(ReluctantError):
    """A script or model whose first steps could not be observed."""

    slug = "nothing-checked"


class NothingCompared(ReluctantError):
    """A trial of which no pair of runs came to an end."""

    slug = "nothing-compared"


class NothingSwept(ReluctantError):
    """A script whose learning rates cannot be swept."""

    slug = "nothing-swept"
    output: Path | None = None

    @classmethod
    def failed(cls, output: Path, code: int) -> "NothingSwept":
        """It failed with this exit code, and the file `output` holds what it said."""
        error = cls(
            f"The script fails, with exit code {code}, whatever its learning rate.",
            "What it said is above: see first that it runs.",
        )
        error.output = output
        return error


class NoData(ReluctantError):
    """Data that an experiment needs are not on this machine."""

    slug = "no-data"


class WorkerLost(ReluctantError):
    """A process that did a part of the work ended before it was done."""

    slug = "worker-lost"


class OtherTrial(ReluctantError):
    """A folder that holds the runs of another command."""

    slug = "other-trial"

    @classmethod
    def at(cls, path: Path) -> "OtherTrial":
        """At `path` there is the trial of another script, or of the same with other arguments."""
        return cls(
            f"{path} holds a trial of another script, of other arguments, or of an older version.",
            "Choose another folder with --out DIR.",
        )

    @classmethod
    def running(cls, path: Path) -> "OtherTrial":
        """At `path` another process is at work."""
        return cls(
            f"Another process runs a trial in {path}.",
            "Wait for its end, or choose another folder with --out DIR.",
        )


class FixedSeed(ReluctantError):
    """A script that does the same with every seed that it is given."""

    slug = "fixed-seed"


class ScriptFails(ReluctantError):
    """A script that fails as it stands."""

    slug = "script-fails"


class NoMetric(ReluctantError):
    """A run without the number that runs are to be compared by."""

    slug = "no-metric"

    @classmethod
    def like(cls, text: str, known: list[str], tail: str) -> "NoMetric":
        """None as `text` says; there are `known`, and the output ends with `tail`."""
        there = f"It logged {', '.join(known)}." if known else "It logged nothing by a name."
        return cls(
            f"The script ran to its end, and no {text!r} was found. {there} Its output ended:\n"
            + _quoted(tail),
            "Give --metric a pattern that matches there, with the number as its group, as "
            "'accuracy (.*)'; or a name that the script logs.",
        )

    @classmethod
    def at_all(cls, tail: str) -> "NoMetric":
        """Not even a training loss; the output ends with `tail`."""
        return cls(
            "The script ran to its end, and no training loss was seen. Its output ended:\n"
            + _quoted(tail),
            "Say how to read its own metric, as --metric 'accuracy (.*)'.",
        )


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (there was none)"


class StorageNotUsable(ReluctantError):
    """A database that cannot be reached or read."""

    slug = "storage-not-usable"

    @classmethod
    def at(cls, place: str, why: object) -> "StorageNotUsable":
        """The storage at `place` cannot be used, and `why` says what was met."""
        return cls(
            f"The storage {place} cannot be used ({why}).",
            "Give an address as SQLAlchemy reads it: postgresql+psycopg://user@host/database.",
        )


class ClusterNotUsable(ReluctantError):
    """A Ray cluster that cannot be reached."""

    slug = "cluster-not-usable"

    @classmethod
    def at(cls, address: str | None, why: str) -> "ClusterNotUsable":
        """The cluster at `address` cannot be used, and `why` says what was met."""
        return cls(
            f"The Ray cluster at {address or 'the address that Ray found'} cannot be used ({why}).",
            "Give its address with --address, as HOST:PORT; `ray status` there says that it runs.",
        )


class RunNotFound(ReluctantError):
    """There is no record where one was asked for."""

    slug = "run-not-found"

    @classmethod
    def at(cls, path: Path) -> "RunNotFound":
        """Nothing is recorded at `path`."""
        return cls(f"There is no run at {path}.", "`reluctant runs` lists the runs there are.")


class RecordDamaged(ReluctantError):
    """A record that cannot be read."""

    slug = "record-damaged"

    @classmethod
    def at(cls, path: Path, why: str) -> "RecordDamaged":
        """The record's file at `path` cannot be read, and `why` says what was met."""
        return cls(
            f"The record at {path} is damaged: {why}.",
            "It cannot be diagnosed; run the script again, or restore the folder from a copy.",
        )


class RecordTooNew(ReluctantError):
    """A record that a later version wrote."""

    slug = "record-too-new"

    @classmethod
    def at(cls, path: Path, schema: object, known: int) -> "RecordTooNew":
        """The record at `path` has schema `schema`; this version reads up to `known`."""
        return cls(
            f"The record at {path} has schema {schema}, and this version reads up to {known}.",
            "Upgrade with `pip install --upgrade reluctant`.",
        )


class RecordNotWritten(ReluctantError):
    """A record that cannot be written any more while the script goes on."""

    slug = "record-not-written"

    @classmethod
    def at(cls, path: Path, why: object) -> "RecordNotWritten":
        """The record at `path` cannot be written, and `why` says what was met."""
        return cls(
            f"The record at {path} could not be written any more ({why}).",
            ELSEWHERE,
        )


class UnknownActivation(ReluctantError):
    """A name that no activation function has."""

    slug = "unknown-activation"

    @classmethod
    def near(cls, name: str, known: list[str]) -> "UnknownActivation":
        """No function is called `name`; those in `known` come nearest."""
        hint = f"Did you mean {' or '.join(known)}?" if known else "None comes near it."
        return cls(f"There is no activation function {name!r}.", hint)


class NotInstalled(ReluctantError):
    """A package that is needed for this, and not for all else."""

    slug = "not-installed"

    @classmethod
    def of(cls, what: str, extra: str, instead: str | None = None) -> "NotInstalled":
        """`what` is a sentence that ends with its name; `extra` is ours, `instead` a phrase."""
        otherwise = f", or {instead}" if instead else ""
        return cls(
            f"{what}, which is not installed.",
            f"Install it with `pip install 'reluctant[{extra}]'`{otherwise}.",
        )


class WrongArgument(ReluctantError, ValueError):
    """An argument that a function cannot take."""

    slug = "wrong-argument"

    @classmethod
    def against(cls, name: str, constraint: str, given: Mapping[str, object]) -> "WrongArgument":
        """`name` needs `constraint`, and was given something else."""
        values = " and ".join(f"{key} is {value}" for key, value in given.items())
        return cls(f"{name} needs {constraint}.", f"Here {values}.")


class NotPrunable(ReluctantError):
    """A model from which no unit can be removed so that it computes what it did."""

    slug = "not-prunable"

    @classmethod
    def because(cls, why: str, way_out: str) -> "NotPrunable":
        """`why` says what is in the way."""
        return cls(f"The model cannot be pruned: {why}.", way_out)


class NotInitialized(ReluctantError):
    """A model whose weights cannot be set."""

    slug = "not-initialized"

    @classmethod
    def untraceable(cls, model: str, why: Exception) -> "NotInitialized":
        """What `model` computes cannot be told without data, for `why` was met."""
        what = str(why).partition("\n")[0] or type(why).__name__
        return cls(
            f"What {model} computes cannot be told without a batch ({what}).",
            "Give one: initialize(model, inputs=batch).",
        )

    @classmethod
    def because(cls, why: str, way_out: str) -> "NotInitialized":
        """`why` says what is in the way."""
        return cls(f"No weight can be set: {why}.", way_out)


class FolderNotWritable(ReluctantError):
    """A run folder that cannot be made or written."""

    slug = "folder-not-writable"

    @classmethod
    def at(cls, path: Path | None, error: OSError) -> "FolderNotWritable":
        """Writing at `path` failed with `error`."""
        return cls(
            f"No run can be recorded in {path or Path.cwd()} ({error.strerror or error}).",
            ELSEWHERE,
        )

    @classmethod
    def taken(cls, path: Path) -> "FolderNotWritable":
        """Another run has been recorded at `path`."""
        return cls(f"{path} already holds a run.", ELSEWHERE)
