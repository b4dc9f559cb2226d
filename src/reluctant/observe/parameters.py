"""Which parameters there are, which of them are used and trained, and which ever get a gradient."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.observe import graph
from reluctant.observe.names import Names
from reluctant.record.observation import NewParameter

# What is asked of a tensor besides its numbers: not a word of it goes on.
_LEAVES = ("item", "tolist", "numpy", "__array__", "__float__", "__int__", "__bool__")

# In so many samples it is looked for where the graph is cut: to follow it is dear, and what a
# script does at one step it does at the others.
SEARCHES = 8


class Parameters:
    """Every parameter of a model that trains; `take` tells of those of which something is new.

    Where an optimizer has one that gets no gradient, it counts as used only if the graph between it
    and the loss was seen to be cut: a training pass computes with it under `no_grad`, or gives what
    came of it to a call whose result has no history. Otherwise what it makes of it is dropped.

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
        self.without: set[int] = set()
        self._cut: set[int] = set()
        self._searched = 0
        self._apart: set[int] = set()  # computed with under `no_grad` in this sample

    def stepping(self, optimizer: Optimizer, sample: int) -> None:
        """An optimizer is about to step, with the gradients of `sample`."""
        held = [at for group in optimizer.param_groups for at in group["params"]]
        if not all(map(self._trains, held)):
            self._learn(held)
        if not self.without:
            return
        for at in held:
            if id(at) in self.without and at.grad is not None:
                self.without.discard(id(at))
                self.unused.discard(id(at))
                self._change(id(at), used=True, first_gradient=sample)
        if self._apart <= self.without:
            self._cut |= self._apart  # no evaluation of the whole model
        self._apart = set()
        for key in self.without.intersection(map(id, held)):
            if self._known[key].used != (key in self._cut):
                self._change(key, used=key in self._cut)
        self._searched += 1

    @property
    def searching(self) -> bool:
        """Whether it is of interest what calls make of their arguments, as told to `passed`."""
        return bool(self.without) and self._searched < SEARCHES

    def saw(self, args: Iterable[Any]) -> None:
        """A call with these arguments."""
        training = torch.is_grad_enabled()
        for at in _tensors(args):
            if not training and id(at) in self._known:
                self._apart.add(id(at))
            elif id(at) in self.unused:
                self.unused.discard(id(at))
                self._change(id(at), used=True)

    def passed(self, func: Callable[..., Any], args: Iterable[Any], result: Any) -> None:
        """What a call made of its arguments: perhaps something without their history."""
        if isinstance(result, Tensor):
            ends = not result.requires_grad and not _is_likeness(func)
        else:
            ends = getattr(func, "__name__", "") in _LEAVES
        if ends:
            for at in _tensors(args):
                self.reached(at)

    def reached(self, tensor: Tensor) -> None:
        """The loss, or the last that has the history of what it is computed from."""
        if self.searching and tensor.grad_fn is not None:
            self._cut |= self.without.intersection(map(id, graph.leaves(tensor.grad_fn)))

    def take(self) -> tuple[NewParameter, ...]:
        """Hand over those of which something is new."""
        taken = tuple(self._known[key] for key in self._changed)
        self._changed = {}
        return taken

    def _before(self, at: Tensor) -> NewParameter | None:
        """What is known of it; None if that was of another that had its number."""
        known = id(at) in self._refs and self._refs[id(at)]() is at
        return self._known[id(at)] if known else None

    def _trains(self, at: Tensor) -> bool:
        """Whether all is known of what an optimizer has."""
        before = self._before(at)
        return before is not None and before.optimized and (before.wanted or not at.requires_grad)

    def _learn(self, held: list[Tensor]) -> None:
        """Take in what an optimizer has, and the models that it belongs to."""
        ours = set(map(id, held))
        owned = self._names.parameters()
        roots = {where.place.root for at, where in owned if id(at) in ours}
        for at, where in owned:
            if where.place.root not in roots:
                continue
            name = ".".join(filter(None, (where.place.path, where.name)))
            before = self._before(at)
            # What once was trained and is frozen later has been trained.
            optimized = id(at) in ours or (before is not None and before.optimized)
            wanted = at.requires_grad or (before is not None and before.wanted)
            if before is not None and (before.optimized, before.wanted) == (optimized, wanted):
                continue
            self._refs[id(at)] = ref(at)
            self._known[id(at)] = NewParameter(
                name,
                where.place.root,
                tuple(at.shape),
                optimized,
                wanted,
                before is not None and before.used,
                None if before is None else before.first_gradient,
            )
            self._changed[id(at)] = None
            if before is None:
                self.unused.add(id(at))
                self._cut.discard(id(at))
            if optimized and wanted and self._known[id(at)].first_gradient is None:
                self.without.add(id(at))
                self._searched = 0

    def _change(self, key: int, **what: Any) -> None:
        self._known[key] = replace(self._known[key], **what)
        self._changed[key] = None


def _tensors(args: Iterable[Any]) -> Iterator[Tensor]:
    for at in args:
        if isinstance(at, Tensor):
            yield at
        elif isinstance(at, list | tuple):
            yield from _tensors(at)


def _is_likeness(func: Callable[..., Any]) -> bool:
    """Whether a function takes of a tensor its shape and kind alone, as `zeros_like`."""
    name = getattr(func, "__name__", "")
    return name.endswith("_like") or name.startswith("new_")
