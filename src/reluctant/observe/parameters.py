"""Which parameters there are, which of them are used and trained, and which ever get a gradient."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.observe.names import Names
from reluctant.record.observation import NewParameter


class Parameters:
    """Every parameter of a model that trains; `take` tells of those of which something is new.

    Args:
        names: what they are called.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[int, NewParameter] = {}
        self._refs: dict[int, ReferenceType[Tensor]] = {}  # numbers are used again
        self._changed: dict[int, None] = {}
        # Those of which it is not yet known whether a training pass uses them, or that have had
        # no gradient yet although an optimizer has them.
        self.unused: set[int] = set()
        self._without: set[int] = set()

    def stepping(self, optimizer: Optimizer, sample: int) -> None:
        """An optimizer is about to step, with the gradients of `sample`."""
        held = [at for group in optimizer.param_groups for at in group["params"]]
        if any(id(at) not in self._known or not self._known[id(at)].optimized for at in held):
            self._learn(held)
        if not self._without:
            return
        for at in held:
            if id(at) in self._without and at.grad is not None:
                self._without.discard(id(at))
                self.unused.discard(id(at))
                self._change(id(at), used=True, first_gradient=sample)

    def saw(self, args: Iterable[Any]) -> None:
        """A call of a training pass with these arguments."""
        if not torch.is_grad_enabled():
            return
        for at in args:
            if isinstance(at, Tensor):
                if id(at) in self.unused:
                    self.unused.discard(id(at))
                    self._change(id(at), used=True)
            elif isinstance(at, list | tuple):
                self.saw(at)

    def take(self) -> tuple[NewParameter, ...]:
        """Hand over those of which something is new."""
        taken = tuple(self._known[key] for key in self._changed)
        self._changed = {}
        return taken

    def _learn(self, held: list[Tensor]) -> None:
        """Take in what an optimizer has, and the models that it belongs to."""
        ours = set(map(id, held))
        owned = self._names.parameters()
        roots = {where.place.root for at, where in owned if id(at) in ours}
        for at, where in owned:
            if where.place.root not in roots:
                continue
            name = ".".join(filter(None, (where.place.path, where.name)))
            known = id(at) in self._refs and self._refs[id(at)]() is at
            before = self._known[id(at)] if known else None
            optimized = id(at) in ours or (before is not None and before.optimized)
            if before is not None and before.optimized == optimized:
                continue
            self._refs[id(at)] = ref(at)
            self._known[id(at)] = NewParameter(
                name,
                where.place.root,
                tuple(at.shape),
                optimized,
                at.requires_grad,
                before is not None and before.used,
                None if before is None else before.first_gradient,
            )
            self._changed[id(at)] = None
            if before is None:
                self.unused.add(id(at))
            if optimized and at.requires_grad:
                self._without.add(id(at))

    def _change(self, key: int, **what: Any) -> None:
        self._known[key] = replace(self._known[key], **what)
        self._changed[key] = None
