"""Searches replayed on the table: how many evaluations until one meets a truly good function.

A search sees what one training with one seed came to, drawn anew in each repetition; what counts
as truly good are the best of all by the mean of their seeds. What ours expects of functions
beforehand is what they came to on the other tasks, and nothing of the task itself.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.search.table import Table
from reluctant.activations.expression import Expression
from reluctant.activations.operations import BINARY
from reluctant.search import grammar, shape
from reluctant.search.explorer import Explorer
from reluctant.search.prior import Prior

# A search that has found nothing by then counts as having taken that long.
MOST = 300

Score = Callable[[Expression], float]


@dataclass(frozen=True)
class World:
    """One task of the table and one repetition: what a search can try, and what it then sees.

    `prior` is what the other tasks say; None if there are none.
    """

    pool: tuple[Expression, ...]
    keys: dict[bytes, Expression]
    score: Score
    random: random.Random
    prior: Prior | None


Search = Callable[[World], Iterator[Expression]]


def ours(world: World) -> Iterator[Expression]:
    """The explorer of `reluctant search`, kept to the table's functions."""
    return _explored(world, world.prior)


def cold(world: World) -> Iterator[Expression]:
    """The same, which expects nothing."""
    return _explored(world, None)


def _explored(world: World, prior: Prior | None) -> Iterator[Expression]:
    explorer = Explorer(world.pool, None, world.random, prior)
    scores: dict[Expression, float] = {}
    while (chosen := explorer.next(scores)) is not None:
        scores[chosen] = world.score(chosen)
        yield chosen


def at_random(world: World) -> Iterator[Expression]:
    """Every function once, in an order of chance."""
    yield from world.random.sample(world.pool, len(world.pool))


def evolved(world: World) -> Iterator[Expression]:
    """Regularised evolution (Real et al. 2019, arXiv 1802.01548): the oldest dies, 20 live."""
    alive: list[tuple[Expression, float]] = []
    tried: dict[bytes, float] = {}
    for _ in range(100 * MOST):
        if len(alive) < 20:
            made = grammar.draw(world.random)
        else:
            parent = max(world.random.sample(alive, 5), key=lambda at: at[1])[0]
            made = grammar.changed(parent, world.random)
        key = shape.fingerprint(made)
        if key not in world.keys:
            continue
        if key not in tried:
            # To know again what was tried costs nothing.
            tried[key] = world.score(world.keys[key])
            yield world.keys[key]
        alive = [*alive, (made, tried[key])][-20:]


def by_tpe(world: World) -> Iterator[Expression]:
    """Optuna's tree-structured Parzen estimator over operation and sides, as it comes."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=world.random.randrange(2**31))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    sides = dict(zip(map(str, grammar.SIDES), grammar.SIDES, strict=True))
    tried: dict[bytes, float] = {}
    for _ in range(4 * MOST):
        trial = study.ask()
        head = trial.suggest_categorical("operation", list(BINARY))
        parts = [sides[trial.suggest_categorical(at, list(sides))] for at in ("left", "right")]
        key = shape.fingerprint(Expression(head, tuple(parts)))
        if key not in world.keys:
            study.tell(trial, 0.0)  # no finite function: it costs no evaluation
            continue
        if key not in tried:
            tried[key] = world.score(world.keys[key])
            yield world.keys[key]
        study.tell(trial, tried[key])


SEARCHES: dict[str, Search] = {
    "ours": ours,
    "cold": cold,
    "random": at_random,
    "evolution": evolved,
    "tpe": by_tpe,
}


def elsewhere(table: Table, task: str) -> Prior | None:
    """What all tasks but this one say."""
    others = [means for name, means in table.means.items() if name != task]
    return Prior.of(others) if others else None


def evaluations(
    table: Table, task: str, search: Search, seed: int, prior: Prior | None = None
) -> int:
    """How many evaluations one search takes to try one of the best 1 %."""
    chance = random.Random(seed)
    results = table.accuracies[task]
    seeds = {at: chance.randrange(len(values)) for at, values in results.items()}
    world = World(
        tuple(results),
        {shape.fingerprint(at): at for at in results},
        lambda at: results[at][seeds[at]],
        chance,
        prior,
    )
    best = table.best(task)
    for count, chosen in enumerate(search(world), start=1):
        if chosen in best or count == MOST:
            return count
    return MOST


def replay(table: Table, repetitions: int, names: list[str]) -> Iterator[str]:
    """One line for each task and search: the median, and the middle half."""
    for task, results in table.accuracies.items():
        best, prior = table.best(task), elsewhere(table, task)
        yield f"{task}: {len(results)} functions, {len(best)} of them are the best 1 %"
        for name in names:
            taken = sorted(
                evaluations(table, task, SEARCHES[name], seed, prior) for seed in range(repetitions)
            )
            quarter = len(taken) // 4
            yield (
                f"  {name:10} median {median(taken):5.1f} evaluations, "
                f"half of all {taken[quarter]} to {taken[-quarter - 1]}"
            )
