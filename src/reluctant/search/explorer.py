"""Says which function to try next, from what came of those that were tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from reluctant.activations.expression import Expression, expression
from reluctant.search import grammar, shape
from reluctant.search.surrogate import Surrogate, cumulative

# What a search begins with: functions that are known to train, one of a kind.
FIRST = tuple(map(expression, ("elu(z)", "tanh(z)", "silu(z)")))

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
        first: what a search begins with.
    """

    pool: Sequence[Expression]
    allowed: Callable[[Expression], bool] | None
    random: Random
    first: Sequence[Expression] = FIRST
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
        for at in self.first:
            key = shape.fingerprint(at)
            if key in self._keys and key not in tried:
                return self._keys[key]
        left = {key: at for key, at in self._keys.items() if key not in tried}
        if self.allowed is not None and scores:
            left |= self._children(scores, tried)
        if not left:
            return None
        candidates = list(left.values())
        if not scores or self.random.randrange(_STRAY) == 0:
            return self.random.choice(candidates)
        promise = self._surrogate(scores, waiting).promise(shape.features(candidates))
        return candidates[int(np.argmax(promise))]

    def _surrogate(
        self, scores: Mapping[Expression, float], waiting: Sequence[Expression]
    ) -> Surrogate:
        known = Surrogate(shape.features(scores), list(scores.values()))
        if not waiting:
            return known
        # What is being tried is taken to do as it is guessed to, so that no two try the same.
        mean, _ = known.guess(shape.features(waiting))
        guesses = np.quantile(list(scores.values()), cumulative(mean), method="nearest")
        return Surrogate(shape.features([*scores, *waiting]), [*scores.values(), *guesses.tolist()])

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
