"""What a sweep of learning rates came to: short runs of a script at multiples of its own rates."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

# "too slow" and "too fast": it learns, but much less than at the best rate.
Verdict = Literal["learns", "kills", "too slow", "too fast", "no learning", "diverges", "fails"]


@dataclass(frozen=True)
class Attempt:
    """One short run, recorded at `path`.

    `factor` is what all rates of the script were multiplied by; `rate` the largest at which the
    first group of the optimizer that leads stepped, None if that is unknown, and `rising` whether a
    schedule was still raising it at the end. `first` is the mean of its first three losses, `last`
    of those in the last fifth, `noise` the standard error of their difference, `constant` the loss
    of the best answer that is the same for all inputs; None where they were not seen. Of `units`
    whose function switches off `dead` are dead at the end, `killed` of them fired before, and a
    dead unit was silent on `silent` inputs at least.
    """

    factor: float
    seed: int
    path: str
    exit_code: int
    steps: int
    optimizers: int = 1
    rate: float | None = None
    rising: bool = False
    first: float | None = None
    last: float | None = None
    noise: float = 0.0
    constant: float | None = None
    units: int = 0
    dead: int = 0
    killed: int = 0
    silent: int | None = None


@dataclass(frozen=True)
class Rate:
    """A rate, and what `n` runs at it came to.

    `loss`, `dead` and `killed` are means over the runs. `usual` is how many are killed by lower
    rates at which the script learns as well, a mean; None where there is none.
    """

    factor: float
    rate: float | None
    n: int
    loss: float | None
    dead: float
    killed: float
    verdict: Verdict
    usual: float | None = None


@dataclass(frozen=True)
class Sweep:
    """All that is to be said of one.

    `steps` is how many were asked of each run. `rates` are in ascending order. `units` is how many
    units there are that can die, and a dead one was silent on `silent` inputs at least. `limits`
    says what keeps the sweep from telling more; `whole` is whether it came to its end.
    """

    script: str
    arguments: tuple[str, ...]
    module: bool
    path: str
    steps: int
    seeds: int
    rates: tuple[Rate, ...]
    units: int
    silent: int | None
    limits: tuple[str, ...] = ()
    whole: bool = True

    @property
    def own(self) -> Rate:
        """The script's own rate."""
        return next(at for at in self.rates if at.factor == 1)

    @property
    def named(self) -> Rate | None:
        """The largest rate that learns and kills no one."""
        return next((at for at in reversed(self.rates) if at.verdict == "learns"), None)

    @property
    def best(self) -> Rate | None:
        """The one with the lowest loss."""
        ended = [at for at in self.rates if at.loss is not None and isfinite(at.loss)]
        return min(ended, key=lambda at: at.loss or 0.0, default=None)
