"""Functions as immutable expressions: a text is parsed once, and then computed anywhere."""

import ast
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from math import isfinite
from threading import RLock

import torch
from torch import Tensor

from reluctant.activations.operations import OPERATIONS, Operation
from reluctant.errors import WrongArgument

VARIABLE = "z"

# Learnt where the function is used. All start at one, so that to multiply by a new one changes
# nothing at first.
PARAMETERS = ("a", "b", "c", "d")
START = 1.0

_INFIX = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_NUMBER = re.compile(r"[0-9]")
# CPython 3.11 counts the depth of all trees that are being made in one place: of two threads that
# parse at a time one may be told of a mismatch (github.com/python/cpython/issues/106905).
_PARSING = RLock()
_HINT = "Write it as Python does, in z, numbers and the learnt a, b, c, d: 'max(z, a * tanh(z))'."


@dataclass(frozen=True)
class Expression:
    """A node: `z`, a number, a parameter, or an operation on other nodes.

    `head` is what it is called, a number as Python writes it.
    """

    head: str
    arguments: "tuple[Expression, ...]" = ()

    def __call__(self, z: Tensor, **parameters: Tensor | float) -> Tensor:
        """The outputs at `z`, of its shape; parameters that are not given are at their start."""
        if self.head == VARIABLE:
            return z
        if self.head in PARAMETERS:
            value = parameters.get(self.head, START)
            return value if isinstance(value, Tensor) else torch.full_like(z, value)
        if self._is_number:
            return torch.full_like(z, float(self.head))
        found = self._operation.compute(*(at(z, **parameters) for at in self.arguments))
        assert isinstance(found, Tensor)
        return found

    def __str__(self) -> str:
        if not self.arguments:
            return self.head
        operation = self._operation
        if not operation.sign:
            return f"{self.head}({', '.join(map(str, self.arguments))})"
        if operation.arity == 1:
            (inner,) = self.arguments
            return operation.sign + inner._inside(operation.rank + 1)
        left, right = self.arguments
        # A power is taken from the right by Python; as a base it is in brackets.
        base = operation.rank + (operation.name == "pow")
        return f"{left._inside(base)} {operation.sign} {right._inside(operation.rank + 1)}"

    def _inside(self, rank: int) -> str:
        """As an argument of an operator that binds as close as this."""
        text = str(self)
        loose = bool(self.arguments) and bool(self._operation.sign) and self._operation.rank < rank
        return f"({text})" if loose else text

    @property
    def _is_number(self) -> bool:
        return _NUMBER.match(self.head) is not None

    @property
    def _operation(self) -> Operation:
        return OPERATIONS[self.head]

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters in it, each once, in the order of their names."""
        own = {self.head} & set(PARAMETERS)
        return tuple(sorted(own.union(*(at.parameters for at in self.arguments))))

    @cached_property
    def size(self) -> int:
        """How many nodes there are."""
        return 1 + sum(at.size for at in self.arguments)

    @cached_property
    def cost(self) -> float:
        """About how many elementwise passes it takes, forward and back; a ReLU takes one."""
        own = self._operation.cost if self.arguments else 0.0
        return own + sum(at.cost for at in self.arguments)


def expression(text: str) -> Expression:
    """Parse a function such as `max(z, a * tanh(z))`.

    Raises:
        WrongArgument: it cannot be read; it says where.
    """
    try:
        with _PARSING:
            tree = ast.parse(text.strip(), mode="eval")
        return _read(tree.body)
    except (SyntaxError, RecursionError, MemoryError):
        raise WrongArgument(f"The function {text!r} cannot be read.", _HINT) from None


def _read(node: ast.expr) -> Expression:
    if isinstance(node, ast.Name) and node.id in (VARIABLE, *PARAMETERS):
        return Expression(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return number(float(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return Expression("neg", (_read(node.operand),))
    if isinstance(node, ast.BinOp) and type(node.op) in _INFIX:
        return Expression(_INFIX[type(node.op)], (_read(node.left), _read(node.right)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        name = node.func.id
        if name not in OPERATIONS:
            near = get_close_matches(name, OPERATIONS, n=3) or sorted(OPERATIONS)
            raise WrongArgument(f"There is no operation {name!r}.", f"There is {', '.join(near)}.")
        arity = OPERATIONS[name].arity
        if len(node.args) != arity:
            raise WrongArgument(f"{name} takes {arity} of z's functions.", _HINT)
        return Expression(name, tuple(map(_read, node.args)))
    raise WrongArgument(f"{ast.unparse(node)!r} is nothing that a function is made of.", _HINT)


def number(value: float) -> Expression:
    """A constant, which is zero or more; `neg` makes it less."""
    if not (isfinite(value) and value >= 0):
        raise WrongArgument(f"{value} is no constant of a function.", _HINT)
    return Expression(repr(value).removesuffix(".0"))


def is_name(text: str) -> bool:
    """Whether a text names a function, with or without values, rather than being an expression."""
    text = text.strip()
    own = "|".join((VARIABLE, *PARAMETERS))
    named = re.fullmatch(r"[A-Za-z_][\w -]*(:.*)?", text) is not None
    return named and re.match(rf"({own})\b", text) is None
