"""Which rates a sweep tries, and what the runs at them say: pure, and of no script in particular.

A rate is a factor on the script's own. The ladder's rungs are eighths of a decade, so that one is
a third above the last; rung 0 is the script's own rate.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import exp, isfinite, lgamma, log
from statistics import fmean
from typing import get_args

from reluctant.diagnosis.progress import FALL, NEAR
from reluctant.record.sweep import Attempt, Rate, Verdict

DECADE = 8

# No script is further off than this: 10,000 times.
FURTHEST = 4 * DECADE

# A rate below the best is too slow if the loss falls by less than this share of what it falls by at
# the best. One above it is too fast below the other share: of networks that were so far beyond
# their best after 100 steps, two in five diverged before the 400th.
HALF = 0.5
MOST = 0.8

# Noise alone makes a loss fall by more than this many standard errors in one case of forty.
ERRORS = 2.0

# Where some units die at all rates, a rate kills if chance would kill so many more this rarely.
CHANCE = 0.01

# Or if it kills more than this share of all: lower rates that do so as well are no excuse.
MANY = 0.1

# From the best to the worst: of several runs at one rate, the worst counts.
_ORDER: tuple[Verdict, ...] = get_args(Verdict)
_LEARNT: tuple[Verdict, ...] = ("learns", "kills")


def factor(rung: int) -> float:
    """What the script's own rates are multiplied by."""
    return float(10.0 ** (rung / DECADE))


# -- what to try ------------------------------------------------------------------------------


def further(tried: Mapping[int, Verdict]) -> tuple[int, ...]:
    """The rungs to try next; none when there is no more to be learnt.

    First by decades from the script's own rate, up until it no longer learns and down until it
    hardly does; then between those that learn and their neighbours; then towards the edge.
    """
    if not tried:
        return (0,)
    return tuple(_outwards(tried)) or tuple(_between(tried)) or tuple(_edge(tried))


def _outwards(tried: Mapping[int, Verdict]) -> Iterator[int]:
    low, high = min(tried), max(tried)
    learns = any(at in _LEARNT for at in tried.values())
    safe = [at for at, verdict in tried.items() if verdict == "learns"]
    # Where nothing learns yet, rates that do may be on either side.
    over = tried[high] in ("diverges", "fails") or (learns and tried[high] not in _LEARNT)
    if not over and high < FURTHEST:
        yield high + DECADE
    # Two decades below one that is safe show what lower rates kill, and how they learn.
    deep = bool(safe) and low <= max(safe) - 2 * DECADE
    if (not safe or tried[low] in _LEARNT) and not deep and low > -FURTHEST:
        yield low - DECADE


def _between(tried: Mapping[int, Verdict]) -> Iterator[int]:
    for low, high in pairwise(sorted(tried)):
        learns = tried[low] in _LEARNT or tried[high] in _LEARNT
        if learns and high - low > DECADE // 2:
            yield (low + high) // 2


def _edge(tried: Mapping[int, Verdict]) -> Iterator[int]:
    """Between the rate to be named and the next, which does not learn or kills."""
    safe = [at for at, verdict in tried.items() if verdict == "learns"]
    # Without any, between the last that learns and the next.
    below = max(safe or [at for at, verdict in tried.items() if verdict == "kills"], default=None)
    above = min((at for at in tried if below is not None and at > below), default=None)
    if below is not None and above is not None and above - below > 1:
        yield (below + above) // 2


# -- what the runs say ------------------------------------------------------------------------


def judged(attempts: Sequence[Attempt]) -> tuple[Rate, ...]:
    """A verdict for each rate, in ascending order.

    Some units fall silent while a network learns, whatever its rate: a rate kills if more do than
    at lower rates at which it learns as well.
    """
    rates: list[Rate] = []
    lower: list[int] = []  # killed in each run at a lower rate that learns and kills no one
    alike = {seed: _Alike.of(seed, attempts) for seed in {at.seed for at in attempts}}
    ordered = sorted(attempts, key=lambda at: (at.factor, at.seed))
    for at_factor, group in groupby(ordered, key=lambda at: at.factor):
        runs = list(group)
        verdict = max((alike[at.seed].verdict(at) for at in runs), key=_ORDER.index)
        killed = [at.killed for at in runs]
        usual = fmean(lower) if lower else None
        if verdict in ("learns", "too fast") and _kills(runs, lower):
            verdict = "kills"
        if verdict == "learns":
            lower += killed
        losses = [at.last for at in runs if at.last is not None]
        rates.append(
            Rate(
                at_factor,
                max((at.rate for at in runs if at.rate is not None), default=None),
                len(runs),
                fmean(losses) if losses else None,
                fmean(at.dead for at in runs),
                fmean(killed),
                verdict,
                usual,
            )
        )
    return tuple(rates)


class _Alike:
    """The runs with one seed: they began alike."""

    def __init__(self, start: float | None, goal: float | None, best: Attempt | None) -> None:
        self._start, self._goal, self._best = start, goal, best

    @classmethod
    def of(cls, seed: int, attempts: Sequence[Attempt]) -> "_Alike":
        """Where they began is told by the lowest rate, which has hardly moved in three steps."""
        runs = sorted((at for at in attempts if at.seed == seed), key=lambda at: at.factor)
        known = [at.first for at in runs if at.first is not None and isfinite(at.first)]
        start = known[0] if known else None
        constants = [at.constant for at in runs if at.constant is not None]
        goal = min([start, *constants[:1]]) if start is not None else None
        ended = [at for at in runs if at.last is not None and isfinite(at.last)]
        return cls(start, goal, min(ended, key=lambda at: at.last or 0.0, default=None))

    def verdict(self, at: Attempt) -> Verdict:
        """By its loss alone."""
        start, goal, best = self._start, self._goal, self._best
        if at.exit_code:
            return "fails"
        if at.last is None or start is None or goal is None or best is None or best.last is None:
            return "no learning"
        if not isfinite(at.last) or at.last > start + FALL * abs(start):
            return "diverges"
        fall = goal - at.last
        if fall <= max(ERRORS * at.noise, NEAR * abs(goal)):
            return "no learning"
        share = fall / (goal - best.last)
        if at.factor > best.factor:
            return "learns" if share >= MOST else "too fast"
        return "learns" if share >= HALF else "too slow"


def _kills(runs: Sequence[Attempt], lower: Sequence[int]) -> bool:
    killed = sum(at.killed for at in runs)
    if killed > MANY * sum(at.units for at in runs):
        return True
    if not lower or not killed:
        return False
    if not any(lower):
        return True
    return excess(killed, sum(lower), len(runs) / (len(runs) + len(lower))) < CHANCE


def excess(killed: int, others: int, share: float) -> float:
    """The chance that of all who died so many or more did so in this `share` of the runs.

    Exact, of a binomial distribution: given how many died in all, as if all rates killed alike
    (Przyborowski and Wilenski 1940).
    """
    count = killed + others
    return sum(
        exp(
            lgamma(count + 1)
            - lgamma(at + 1)
            - lgamma(count - at + 1)
            + at * log(share)
            + (count - at) * log(1 - share)
        )
        for at in range(killed, count + 1)
    )
