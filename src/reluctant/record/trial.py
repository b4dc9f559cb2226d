"""What a trial came to: a script with the same seeds untreated, treated, and with a placebo."""

from collections.abc import Mapping
from dataclasses import dataclass

from reluctant.record.comparison import Comparison

UNTREATED, TREATED, PLACEBO = ARMS = "untreated", "treated", "placebo"

# How the record of a run calls what stands for a remedy.
PLACEBO_OF = "placebo-"

LOSS = "training loss"
DEAD = "dead units"


@dataclass(frozen=True)
class Treatment:
    """One remedy for one finding: in how many treated runs it was kept, and in how many undone."""

    remedy: str
    finding: str
    kept: int
    undone: int


@dataclass(frozen=True)
class Trial:
    """All that is to be said of one.

    `runs` is how many treated runs there were, and `treated` how many of them had an intervention.
    `fixed` says that the script sets its own seed, so that one pair stands for all. `placebos` says
    in sentences what they were, and `limits` what keeps the trial from telling more. `records` are
    the folders of the runs by arm.
    """

    script: str
    arguments: tuple[str, ...]
    module: bool
    path: str
    seeds: int
    comparisons: tuple[Comparison, ...]
    runs: int
    treated: int
    treatments: tuple[Treatment, ...]
    placebos: tuple[str, ...]
    fixed: bool
    limits: tuple[str, ...]
    records: Mapping[str, tuple[str, ...]]

    def where(self, verdict: str) -> tuple[str, ...]:
        """The metrics by which the treated runs are so."""
        return tuple(at.metric for at in self.comparisons if at.of(TREATED).verdict == verdict)

    @property
    def same(self) -> bool:
        """Whether the treated runs came to just what the untreated ones did."""
        return not any(at.of(TREATED).difference for at in self.comparisons)

    @property
    def harmed(self) -> bool:
        """Whether treatment was shown to harm; a network may do well with more dead units."""
        return any(metric != DEAD for metric in self.where("worse"))
