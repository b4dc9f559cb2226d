"""A model on its own: forward and backward passes on random inputs, without a script."""

import re
import traceback
from collections.abc import Sequence
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from reluctant.errors import WrongArgument

_INPUT = re.compile(r"(\d+(?:,\d+)*)(?::(\d+))?")


def build(factory: str) -> nn.Module:
    """What `module:name` returns, called if it is not a module itself.

    Raises:
        WrongArgument: there is nothing of that name, it raises, or what it returns is no module.
    """
    name, _, attribute = factory.partition(":")
    try:
        made = import_module(name)
        for part in attribute.split("."):
            made = getattr(made, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise WrongArgument(
            f"There is no {factory} ({error}).", "Give MODULE:NAME, as you would import it here."
        ) from None
    if callable(made) and not isinstance(made, nn.Module):
        try:
            made = made()
        except Exception as error:
            theirs = traceback.extract_tb(error.__traceback__)[1:]
            where = f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
            raise WrongArgument(
                f"{factory} raised {type(error).__name__}{where}: {error}",
                "It is called without arguments; name one that can be.",
            ) from None
    if not isinstance(made, nn.Module):
        raise WrongArgument(
            f"There is no {factory} that is a torch.nn.Module, but a {type(made).__name__}.",
            "Name a module, or a function without arguments that returns one.",
        )
    return made


def run(name: str, shapes: Sequence[str], steps: int) -> None:
    """Pass standard normal inputs, or integers, forward, and standard normal gradients back.

    Args:
        name: of a model that takes one tensor for each shape, or of what returns it.
        shapes: as `64,3,32,32`, or for integers below 1000 `64,128:1000`.
        steps: how many backward passes.

    Raises:
        WrongArgument: there is no such model, it cannot take these inputs, or nothing that it
            returns has a gradient.
    """
    model = build(name)
    for _ in range(steps):
        inputs = [_random(shape) for shape in shapes]
        try:
            returned = model(*inputs)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise WrongArgument(
                f"{name} cannot take {' and '.join(shapes)}: {error}",
                "Give one --input for each argument of forward, the batch first.",
            ) from None
        outputs = [
            at for at in tree_leaves(returned) if isinstance(at, Tensor) and at.requires_grad
        ]
        if not outputs:
            raise WrongArgument(
                f"Nothing that {type(model).__name__} returns has a gradient.",
                "Check the model in training, with parameters that require one.",
            )
        flat = torch.cat([at.flatten() for at in outputs])
        # No loss: what is looked at is the passes, and nothing is learnt.
        flat.backward(torch.randn_like(flat))
        model.zero_grad()


def _random(shape: str) -> Tensor:
    read = _INPUT.fullmatch(shape.replace(" ", ""))
    if read is None:
        raise WrongArgument(
            f"{shape!r} is no shape of an input.",
            "Give numbers with commas, as 64,3,32,32; for integers below 1000 as 64,128:1000.",
        )
    sizes = [int(size) for size in read[1].split(",")]
    return torch.randn(sizes) if read[2] is None else torch.randint(int(read[2]), sizes)
