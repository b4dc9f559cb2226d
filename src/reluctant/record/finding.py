"""What a diagnosis says: findings with their causes, evidence and remedies. Rendered elsewhere."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How much a finding matters, by its consequence for the training."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        """The word used in output and in JSON."""
        return self.name.lower()


@dataclass(frozen=True)
class Cause:
    """Why: a slug that never changes and one sentence with the numbers in it."""

    slug: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """One measured number; `step` is the optimizer step it was measured at, if it has one."""

    name: str
    value: float
    unit: str = ""
    step: int | None = None


@dataclass(frozen=True)
class Remedy:
    """One thing to do about a finding."""

    slug: str
    text: str


@dataclass(frozen=True)
class Units:
    """Which units of a layer a finding is about: their indices, out of the `of` that were read.

    Those are all, or, in a very large network, every `stride`-th.
    """

    indices: tuple[int, ...]
    of: int
    stride: int = 1

    @property
    def count(self) -> int:
        """How many units these are."""
        return len(self.indices)


@dataclass(frozen=True)
class Certainty:
    """Which of a finding's units are dead for every input in a box, and what is said of that.

    `units` is None where nothing can be proven, and `text` then says why.
    """

    units: Units | None
    text: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth a note, in a run.

    `layer` and `units` are None when the finding is about the run as a whole. `first_step` is
    the first sampled step at which it was seen. `certain` is None unless it was asked for.
    """

    slug: str
    severity: Severity
    layer: str | None
    units: Units | None
    first_step: int | None
    cause: Cause
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    certain: Certainty | None = None


@dataclass(frozen=True)
class LayerSummary:
    """One line of the verdict: a weight layer, and the activation that it feeds if there is one.

    `firing` is the mean firing rate of its units over the last samples (a share), `dead` how
    many of them are dead (an estimate where not all were read), `gradient` the root mean square
    of the loss gradient at its output, `update_ratio` the median over its weight rows of
    |change| / |row| in one step. Each is None where nothing was observed.
    """

    name: str
    kind: str
    units: int
    function: str | None
    firing: float | None
    dead: int | None
    gradient: float | None
    update_ratio: float | None


@dataclass(frozen=True)
class Diagnosis:
    """The findings of one run, most severe first, and a summary of each layer."""

    findings: tuple[Finding, ...]
    layers: tuple[LayerSummary, ...]
    # What keeps this diagnosis from saying more, in sentences (no optimizer was called, ...).
    limits: tuple[str, ...] = ()
    # The smoothed loss, `first` and `last`, each with a step in the middle of what it is taken of.
    loss: tuple[Evidence, Evidence] | None = None

    @property
    def severity(self) -> Severity | None:
        """The highest severity among the findings; None when there are none."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def verdict(self) -> str:
        """`healthy`, `warning` or `error`. A note leaves a run healthy."""
        severity = self.severity
        return "healthy" if severity in (None, Severity.NOTE) else severity.label
