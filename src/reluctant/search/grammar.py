"""The functions that are looked through: where a search begins, and how one leads to another.

The base grammar is that of Bingham and Miikkulainen 2023 (arXiv 2301.05785): one of 7 operations
on two of 27 functions of z.
"""

from collections.abc import Iterator
from itertools import product
from random import Random

from reluctant.activations.expression import PARAMETERS, VARIABLE, Expression, number
from reluctant.activations.operations import BINARY
from reluctant.search import shape

Z = Expression(VARIABLE)

_UNARY = (
    "neg abs inverse square exp expm1 sigmoid logsigmoid sinh cosh tanh asinh atan erf erfc "
    "relu elu selu silu softplus softsign hardsigmoid i0e i1e"
).split()

# What stands on either side of the base grammar's operation: 27 of them.
SIDES = (number(0), number(1), Z, *(Expression(name, (Z,)) for name in _UNARY))

# A search may go on to functions of so many nodes.
LARGEST = 11


def base() -> Iterator[Expression]:
    """All 5,103 formulas, many of which are the same function."""
    for head, left, right in product(BINARY, SIDES, SIDES):
        yield Expression(head, (left, right))


def functions() -> list[Expression]:
    """The functions of the base grammar, each once and written as simply as it can be."""
    return shape.distinct([*SIDES, *base()])


def draw(random: Random) -> Expression:
    """One formula of the base grammar, all as likely."""
    return Expression(random.choice(list(BINARY)), (random.choice(SIDES), random.choice(SIDES)))


def changed(function: Expression, random: Random) -> Expression:
    """The function with one operation or side of it changed for another of its kind.

    Of the base grammar's functions it makes such again.
    """
    if function.head in BINARY and random.random() < 1 / 3:
        return Expression(random.choice(list(BINARY)), function.arguments)
    if len(function.arguments) == 2:
        return _with(function, random.randrange(2), random)
    return random.choice(SIDES)


def _with(function: Expression, place: int, random: Random) -> Expression:
    arguments = list(function.arguments)
    arguments[place] = changed(arguments[place], random)
    return Expression(function.head, tuple(arguments))


def grown(function: Expression, random: Random) -> Expression:
    """The function with one node wrapped in an operation, with a parameter, or taken out."""
    path = random.choice(list(_paths(function)))
    node = _at(function, path)
    way = random.choice(("wrap", "join", "learn", "learn", "drop"))
    free = [name for name in PARAMETERS if name not in function.parameters]
    if way == "wrap":
        node = Expression(random.choice(_UNARY), (node,))
    elif way == "join":
        node = Expression(random.choice(list(BINARY)), (node, random.choice(SIDES)))
    elif way == "learn" and free and node.head not in PARAMETERS:
        node = Expression("mul", (Expression(free[0]), node))
    elif node.arguments:
        node = random.choice(node.arguments)
    return _replaced(function, path, node)


def crossed(one: Expression, other: Expression, random: Random) -> Expression:
    """The first with one node of it replaced by one of the other."""
    place = random.choice(list(_paths(one)))
    part = _at(other, random.choice(list(_paths(other))))
    return _replaced(one, place, part)


def child(parents: list[Expression], random: Random) -> Expression:
    """A function made from one or two of these; no larger than is allowed."""
    one = random.choice(parents)
    made = random.choice(
        (
            lambda: changed(one, random),
            lambda: grown(one, random),
            lambda: crossed(one, random.choice(parents), random),
        )
    )()
    return made if made.size <= LARGEST else draw(random)


def _paths(function: Expression) -> Iterator[tuple[int, ...]]:
    yield ()
    for place, at in enumerate(function.arguments):
        for path in _paths(at):
            yield (place, *path)


def _at(function: Expression, path: tuple[int, ...]) -> Expression:
    for place in path:
        function = function.arguments[place]
    return function


def _replaced(function: Expression, path: tuple[int, ...], node: Expression) -> Expression:
    if not path:
        return node
    arguments = list(function.arguments)
    arguments[path[0]] = _replaced(arguments[path[0]], path[1:], node)
    return Expression(function.head, tuple(arguments))
