"""Whether a run learns: its loss, against where it began and against a constant answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reluctant.record.finding import Evidence
from reluctant.record.run import HeadSeries, Ints, Run, Sample

# Before so many steps a loss that has not fallen says nothing.
FEW_STEPS = 50

# A loss that has fallen by less than this share of itself has not been learnt from: batches alone
# make it differ by as much.
FALL = 0.1

# With a loss this near to that of the best constant answer, as a share of it, the network answers
# the same to everything. Below LEARNT of it, it has learnt, though perhaps in an earlier run.
NEAR = 0.03
LEARNT = 0.7

# A loss function speaks for the whole loss if its part of it is at least this.
PART = 0.1

# A loss whose noise is larger than this share of its size tells by its trend next to nothing: so
# it is with a policy's, or where what is learnt moves what is to be learnt.
NOISY = 0.5

Numbers = NDArray[np.float64]


def recent(steps: Ints) -> slice:
    """Of samples at these steps, those of the last fifth of the run; three at least.

    Samples lie densest at the start, so that the last of them by number need not be the last in
    time.
    """
    if not len(steps):
        return slice(0, 0)
    start = int(np.searchsorted(steps, 0.8 * steps[-1]))
    return slice(max(0, min(start, len(steps) - 3)), len(steps))


@dataclass(frozen=True)
class Progress:
    """The loss of a run as far as it tells whether the run learns.

    Where one optimizer after another leads, as in training one layer after another, it is that of
    the last stage: what is learnt in it is another task than what was learnt before.
    """

    run: Run

    @cached_property
    def _stage(self) -> int:
        """The first sample of the last stage."""
        leads = np.array([at.optimizer for at in self.run.samples], dtype=np.int64)
        if not leads.size or (np.diff(leads) < 0).any():
            return 0  # they take turns
        return int(np.searchsorted(leads, leads[-1]))

    @cached_property
    def steps(self) -> int:
        """How far apart the first and the last sample of the last stage are, in steps."""
        return self.run.samples[-1].step - self.run.samples[self._stage].step * (self._stage > 0)

    @cached_property
    def _known(self) -> tuple[Ints, Numbers]:
        return _losses(self.run.samples[self._stage :])

    def _late(self, series: HeadSeries) -> slice:
        """Of a head's samples, those at the end of the last stage."""
        start = int(np.searchsorted(series.samples, self._stage))
        late = recent(self.run.steps[series.samples[start:]])
        return slice(start + late.start, start + late.stop)

    @cached_property
    def first(self) -> float | None:
        """The first loss seen: that of the network as it was initialised."""
        _, losses = self._known
        return float(losses[0]) if losses.size else None

    @cached_property
    def last(self) -> float | None:
        """The mean loss at the end of the run."""
        steps, losses = self._known
        late = losses[recent(steps)]
        return float(late.mean()) if late.size else None

    @cached_property
    def ends(self) -> tuple[Evidence, Evidence] | None:
        """The median loss of the first three samples, and of those at the end of the run."""
        steps, losses = _losses(self.run.samples)
        if not losses.size:
            return None
        parts = {"first": slice(0, 3), "last": recent(steps)}
        first, last = (
            Evidence(name, float(np.median(losses[at])), "", int(np.median(steps[at])))
            for name, at in parts.items()
        )
        return first, last

    @cached_property
    def lowest(self) -> float | None:
        """The lowest mean loss of any fifth of the samples."""
        _, losses = self._known
        if not np.isfinite(losses).any():
            return None
        parts = np.array_split(losses, min(5, max(1, losses.size // 3)))
        means = [part[np.isfinite(part)].mean() for part in parts if np.isfinite(part).any()]
        return float(min(means))

    @cached_property
    def peak(self) -> float | None:
        """The highest finite loss seen."""
        _, losses = self._known
        finite = losses[np.isfinite(losses)]
        return float(finite.max()) if finite.size else None

    @cached_property
    def excess(self) -> float | None:
        """The loss at the end by that of the best constant answer; None if that is unknown.

        It is known where one loss function of torch is called, the same each time, and makes up a
        part of the loss that is not lost in the rest.
        """
        if len(self.run.heads) != 1:
            return None
        series = self.run.series.head(self.run.heads[0].index)
        late = self._late(series)
        loss, constant = series.loss[late], series.constant[late]
        known = np.isfinite(constant) & (constant > 0) & ~np.isnan(loss)
        if not known.any() or (
            self.last is not None and loss[known].mean() < PART * abs(self.last)
        ):
            return None
        return float(loss[known].mean() / constant[known].mean())

    @cached_property
    def skill(self) -> float | None:
        """Of the examples that a constant answer has wrong, the share that are right at the end.

        It may be high where the loss is not low: a few answers that are wrong and sure of
        themselves cost as much as many others. None where it is not known.
        """
        if len(self.run.heads) != 1:
            return None
        series = self.run.series.head(self.run.heads[0].index)
        late = self._late(series)
        correct, commonest = series.correct[late], series.commonest[late]
        known = np.isfinite(correct) & (commonest < 1)
        if not known.any():
            return None
        right, chance = float(correct[known].mean()), float(commonest[known].mean())
        return (right - chance) / (1 - chance)

    @cached_property
    def fall(self) -> float | None:
        """By which share of itself the loss has fallen."""
        first, last = self.first, self.last
        if first is None or last is None or not np.isfinite(first) or not np.isfinite(last):
            return None
        # A loss may be negative (a log likelihood): what counts is the fall in its own size.
        return (first - last) / max(abs(first), 1e-12)

    @cached_property
    def idle(self) -> float:
        """The share of the run that was over when the loss had fallen for the first time.

        Below what it was at first and what a constant answer costs, in two samples one after
        another.
        """
        steps, losses = self._known
        if losses.size < 2 or not steps[-1]:
            return 0.0
        goal = losses[0]
        if len(self.run.heads) == 1:
            goal = min(goal, typical(self.run.series.head(self.run.heads[0].index), "constant"))
        below = losses < goal - FALL * abs(goal)
        twice = np.flatnonzero(below[1:] & below[:-1])
        return float(steps[twice[0]] / steps[-1]) if twice.size else 1.0

    @cached_property
    def risen(self) -> bool:
        """Whether the loss at the end lies above what it was at its lowest."""
        last, lowest = self.last, self.lowest
        return last is not None and lowest is not None and last - lowest > FALL * abs(lowest)

    @cached_property
    def noisy(self) -> bool:
        """Whether noise hides where the loss is going."""
        steps, losses = self._known
        late = losses[recent(steps)]
        if late.size < 3 or not np.isfinite(late).all():
            return False
        noise, size = late.std(), max(abs(late.mean()), 1e-12)
        return bool(noise > NOISY * size and abs(late.mean() - losses[0]) < 3 * noise)

    @cached_property
    def learnt(self) -> bool:
        """Whether the loss is well below that of a constant answer."""
        return self.excess is not None and self.excess < LEARNT

    @cached_property
    def worthless(self) -> bool:
        """Whether a constant answer would do as well."""
        few = not self.run.samples or self.steps < FEW_STEPS
        return self.excess is not None and not few and not self.excess < 1 - NEAR

    @cached_property
    def stalled(self) -> bool | None:
        """Whether the run has learnt next to nothing by its end; None if that cannot be said.

        The loss at the end is not finite, no better than a constant answer, or at least nine
        tenths of the loss at the start. A run of a few steps need not have learnt anything yet:
        there, only a loss that rose tells.
        """
        if self.first is None or self.last is None:
            return None
        fall = self.fall
        if fall is None:
            return True
        if self.learnt:
            return False
        if self.worthless:
            return True
        if self.steps < FEW_STEPS:
            # A loss that began above that of a constant answer falls to it before all learning.
            answers_alike = self.excess is not None and self.excess >= 1 - NEAR
            if -FALL < fall < FALL or (answers_alike and fall >= FALL):
                return None
        if fall >= FALL:
            return False
        # Where several optimizers are at work, they may work against one another: the losses of
        # a generator and its judge need not fall. Nor need one that is mostly noise.
        if self.run.samples[-1].optimizers > 1 or self.noisy:
            return None
        return True


def _losses(samples: Sequence[Sample]) -> tuple[Ints, Numbers]:
    """The steps at which a loss is known, and the losses."""
    known = [at for at in samples if at.loss is not None]
    steps = np.array([at.step for at in known], dtype=np.int64)
    return steps, np.array([at.loss for at in known], dtype=np.float64)


def typical(series: HeadSeries, name: str) -> float:
    """The median of one of a head's numbers over the samples; NaN if it is unknown."""
    values = getattr(series, name)
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")
