"""What a page is made of: runs with what was found in them."""

from dataclasses import dataclass

from reluctant.record.finding import Diagnosis
from reluctant.record.run import Run


@dataclass(frozen=True)
class Stretch:
    """The samples from number `first` up to `last`, between remedies, and what was found there."""

    first: int
    last: int
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Subject:
    """One run on a page.

    `stretches` cover its samples, one unless it was treated; what the last of them found is the
    verdict on the run. Steps in a diagnosis count from the first sample of its stretch. `rare` is
    the firing rate below which a unit of a squashing function is taken to be at its flat ends.
    """

    run: Run
    stretches: tuple[Stretch, ...]
    rare: float

    @property
    def diagnosis(self) -> Diagnosis:
        """The verdict on the run."""
        return self.stretches[-1].diagnosis

    @property
    def origin(self) -> int:
        """The step from which the diagnosis counts."""
        return self.step(self.stretches[-1].first)

    def step(self, sample: int) -> int:
        """The step of a sample; 0 if there is none."""
        return self.run.samples[sample].step if sample < len(self.run.samples) else 0

    @property
    def name(self) -> str:
        """How to call it beside another: its folder's name."""
        return self.run.path.name if self.run.path is not None else self.run.info.script
