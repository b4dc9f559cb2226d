"""Finds the rate at which an optimizer goes on after a remedy, from its first steps."""

from collections.abc import Callable
from statistics import median

from torch.optim import SGD, Optimizer

from reluctant.remedy import pace
from reluctant.remedy.clip import Clip
from reluctant.remedy.propose import AGAIN, LEAST_RAISED, MOST_SLOWED, Proposal

# A gradient in front of which nothing has been learnt yet grows by so much, or more, when it is.
GROWS = 3.0

# A network that begins anew may learn faster than its script meant by so much at most.
MOST_RAISED = 10.0

# A rate is found from so many steps: the first batch may be unlike all others.
STEPS = 5

# How the factor on a rate is found from the gradients of a step, beside that which was on it.
Find = Callable[[Optimizer, float], float]


def slower(proposal: Proposal, attempt: int) -> Find:
    """Not too long for the state that was gone back to, and shorter than before in any case."""

    def find(optimizer: Optimizer, before: float) -> float:
        sound = pace.factor(optimizer) / before
        return min(max(sound, MOST_SLOWED), proposal.least_slowed) * AGAIN**attempt

    return find


def faster(optimizer: Optimizer, before: float) -> float:
    """As long as the first steps bear, of a rate that was too low."""
    sound = pace.factor(optimizer) / before / pace.momentum(optimizer)
    if isinstance(optimizer, SGD):
        sound /= GROWS
    return max(sound, LEAST_RAISED)


def anew(optimizer: Optimizer, before: float) -> float:
    """For a network that begins anew, with less time than it had."""
    factor = pace.factor(optimizer) / before
    return min(max(factor / pace.momentum(optimizer), 1.0), MOST_RAISED) if factor > 1 else factor


class Paced:
    """An optimizer whose rate is being found from its first steps, and whose gradients may be
    clipped from then on: a batch that is unlike all others is no reason for a rate at which nothing
    is learnt.

    One that is to hold its rate keeps that which it has while it is being found.
    """

    def __init__(self, find: Find, before: float, clip: Clip | None, holds: bool) -> None:
        self._find = find
        self._before = before
        self._found: list[float] = []
        self._steps = 0
        self._clip = clip
        self.holds = holds

    @property
    def finding(self) -> bool:
        """Whether the rate is still being found."""
        return self._steps < STEPS

    def took(self, optimizer: Optimizer) -> bool:
        """A step is about to be taken; whether there is no more to be done."""
        self._steps += 1
        if self._clip is not None:
            self._clip.apply(optimizer)
        return not self.finding and self._clip is None

    def factor(self, optimizer: Optimizer) -> float:
        """The share of its rate at which it is to take the step that it is about to."""
        self._found.append(self._find(optimizer, self._before))
        return self._before * median(self._found)
