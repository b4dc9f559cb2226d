"""Says which function to try next, from what came of those that were tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from reluctant.activations.expression import Expression
from reluctant.search import grammar, shape
from reluctant.search.prior import Prior
from reluctant.search.surrogate import Surrogate

# How many of the best have children, and how many children compete for a trial.
_PARENTS, _CHILDREN = 8, 64
# One trial in so many is drawn at random: what looks like nothing that was tried may be good.
_STRAY = 10


@dataclass
class Explorer:
    """Chooses among a pool of functions, and the children of the best.

    Args:
        pool: functions, each once.
        allowed: whether a child may be tried; None for no children.
        random: what chance is drawn from.
        prior: what is expected of functions, with the best of which a search begins; None for
            nothing.
    """

    pool: Sequence[Expression]
    allowed: Callable[[Expression], bool] | None
    random: Random
    prior: Prior | None = None
    _keys: dict[bytes, Expression] = field(init=False)

    def __post_init__(self) -> None:
        self._keys = {shape.fingerprint(at): at for at in self.pool}

    def next(
        self, scores: Mapping[Expression, float], waiting: Sequence[Expression] = ()
    ) -> Expression | None:
        """A function that was not tried; None if there is no other.

        Args:
            scores: what came of each, the more the better; minus infinity where nothing did.
            waiting: those that are being tried.
        """
        tried = {shape.fingerprint(at) for at in (*scores, *waiting)}
        left = {key: at for key, at in self._keys.items() if key not in tried}
        if self.allowed is not None and scores:
            left |= self._children(scores, tried)
        if not left:
            return None
        candidates = list(left.values())
        if scores and self.random.randrange(_STRAY) == 0:
            return self.random.choice(candidates)
        expected = self._expected(candidates)
        if scores:
            known = self._surrogate(scores, waiting)
            promise = known.promise(shape.features(candidates), expected)
        elif expected is None:
            return self.random.choice(candidates)
        else:
            promise = expected
        return candidates[int(np.argmax(promise))]

    def _expected(self, functions: Sequence[Expression]) -> shape.Vector | None:
        return None if self.prior is None else self.prior.expected(functions)

    def _surrogate(
        self, scores: Mapping[Expression, float], waiting: Sequence[Expression]
    ) -> Surrogate:
        tried = list(scores)
        known = Surrogate(shape.features(tried), list(scores.values()), self._expected(tried))
        if not waiting:
            return known
        # What is being tried is taken to do as it is guessed to, so that no two try the same.
        ranks = known.rank(shape.features(waiting), self._expected(waiting))
        guesses = np.quantile(list(scores.values()), ranks, method="nearest")
        both = [*tried, *waiting]
        values = [*scores.values(), *guesses.tolist()]
        return Surrogate(shape.features(both), values, self._expected(both))

    def _children(
        self, scores: Mapping[Expression, float], tried: set[bytes]
    ) -> dict[bytes, Expression]:
        assert self.allowed is not None
        best = sorted(scores, key=lambda at: scores[at], reverse=True)[:_PARENTS]
        made: dict[bytes, Expression] = {}
        for _ in range(_CHILDREN):
            one = grammar.child(best, self.random)
            key = shape.fingerprint(one)
            if key not in tried and key not in self._keys and self.allowed(one):
                made.setdefault(key, one)
        return made
