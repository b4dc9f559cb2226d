"""What a comparison of activation functions on one script came to."""

from collections.abc import Mapping
from dataclasses import dataclass

from reluctant.record.comparison import Comparison

# The script as it stands, which candidates are held against.
BASELINE = "baseline"


@dataclass(frozen=True)
class Entrant:
    """The baseline, or a candidate, and what its runs cost.

    `effect` is Hedges' g of the paired differences: their mean in standard deviations, freed of its
    bias in few pairs. `pace` is seconds a step, `memory` bytes at most, `dead` units at the end:
    medians over its runs. `kept` is how many bytes are kept for the backward pass, an element of
    its input in float32. `factor` is what its learning rates were multiplied by. `stopped` says
    why it got no more seeds, a phrase.
    """

    name: str
    runs: int
    effect: float | None
    pace: float | None
    memory: float | None
    dead: float | None
    kept: float | None = None
    factor: float = 1.0
    stopped: str | None = None


@dataclass(frozen=True)
class Contest:
    """All that is to be said of one.

    `metric_said` is where the metric is from, a phrase. `replaced` are the functions in whose place
    candidates stood; `same` are candidates that are these. `seeds` are all there were to be,
    `reached` how many pairs the candidate with the most has. `entrants` begin with the baseline.
    `limits` says in sentences what went wrong.
    """

    script: str
    arguments: tuple[str, ...]
    module: bool
    path: str
    comparison: Comparison
    metric_said: str
    replaced: tuple[str, ...]
    same: tuple[str, ...]
    seeds: tuple[int, ...]
    reached: int
    entrants: tuple[Entrant, ...]
    limits: tuple[str, ...]
    records: Mapping[str, tuple[str, ...]]

    def entrant(self, name: str) -> Entrant:
        """The entrant of this name."""
        return next(at for at in self.entrants if at.name == name)

    def where(self, verdict: str) -> tuple[str, ...]:
        """The candidates of which this is said, the best first."""
        sign = -1 if self.comparison.direction == "high" else 1
        found = [at for at in self.comparison.candidates if at.verdict == verdict]
        found.sort(key=lambda at: sign * (at.difference or 0.0))
        return tuple(at.name for at in found)
