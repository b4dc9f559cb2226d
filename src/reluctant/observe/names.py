"""What the script's modules and parameters are called, learned as they are built."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.nn.parameter import is_lazy

from reluctant.observe import shards
from reluctant.observe.guard import Guard
from reluctant.untraced import left_out

# Modules that wrap a model, and the attribute that holds it: no part of anyone's idea of a name.
_WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "OptimizedModule": "_orig_mod",
}


def class_name(module: nn.Module) -> str:
    """The class as the script wrote it: torch derives one of its own from it to shard a module."""
    made = type(module)
    if len(made.__mro__) > 2 and made.__mro__[1].__name__ == "FSDPModule":
        made = made.__mro__[2]
    return made.__name__


class Place(NamedTuple):
    """Where a module stands: its root's name, the path below it, its position among the root's."""

    root: str
    path: str
    position: int


class Owned(NamedTuple):
    """Where a parameter stands: its module, that module's place, and its own name there."""

    module: ReferenceType[nn.Module]
    place: Place
    name: str


class Names:
    """Knows every module the script builds, and names it by its path from the outermost one.

    A model is often not called as a whole: `model.encode(x)` calls only its parts. So the
    outermost module is found by who registered whom, and not only by who called whom. What has
    no parameters is nobody's model, and has no name of its own.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._top: ReferenceType[nn.Module] | None = None
        # Who registered a module, in that order; and every module met, in order of making.
        self._parents: WeakKeyDictionary[nn.Module, list[ReferenceType[nn.Module]]] = (
            WeakKeyDictionary()
        )
        self._met: WeakKeyDictionary[nn.Module, None] = WeakKeyDictionary()
        self._places: WeakKeyDictionary[nn.Module, WeakKeyDictionary[nn.Module, Place]] = (
            WeakKeyDictionary()
        )
        self._roots: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self._labels: Counter[str] = Counter()
        self._parameters: dict[int, tuple[ReferenceType[Tensor], Owned]] = {}
        self._handles = (
            register_module_module_registration_hook(self._module_registered),
            register_module_parameter_registration_hook(self._parameter_registered),
        )

    def close(self) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def adopt(self, model: nn.Module) -> None:
        """Learn of a model that was built before we listened: from now on it is the outermost."""
        self._top = ref(model)
        for parent in model.modules():
            self._met.setdefault(parent)
            for child in parent.children():
                self._add(parent, child)

    @left_out
    def _module_registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        if torch.compiler.is_compiling():
            return
        with self._guard:
            if child is not None:
                self._add(parent, child)
                self._met.setdefault(parent)

    @left_out
    def _parameter_registered(
        self, module: nn.Module, name: str, parameter: nn.Parameter | None
    ) -> None:
        if torch.compiler.is_compiling():
            return
        with self._guard:
            self._met.setdefault(module)

    def _add(self, parent: nn.Module, child: nn.Module) -> None:
        others = [at for at in self._parents.get(child, ()) if at() not in (None, parent)]
        self._parents[child] = [*others, ref(parent)]

    # -- what is where -----------------------------------------------------------------------

    def weights(self) -> list[nn.Parameter]:
        """The parameters of two or more dimensions that any module owns."""
        found = {}
        for module in list(self._met):
            for parameter in module.parameters(recurse=False):
                if not is_lazy(parameter) and parameter.dim() >= 2:
                    found[id(parameter)] = parameter
        return list(found.values())

    def parameters(self) -> list[tuple[Tensor, Owned]]:
        """Every parameter that a module owns, and where it stands.

        Not one that is still to be made, nor one of which another process holds all there is.
        """
        self._name_all()
        found: list[tuple[Tensor, Owned]] = []
        for refer, where in self._parameters.values():
            module = where.module()
            # What stands for a sharded parameter in a forward pass is none of the module's.
            own = module._parameters.get(where.name) if module is not None else None
            if own is None or own is not refer() or is_lazy(own):
                continue
            if own.numel():
                found.append((own, where))
        return found

    def of_call(self, modules: Sequence[nn.Module]) -> Place | None:
        """Where a call stands that was made within these modules, the innermost first.

        It is the innermost that has a place below the outermost one: a module that was made for
        this call alone has none. None if no model is among them.
        """
        top = self._top() if self._top is not None else None
        if top is not None:
            places = [place for place, module in enumerate(modules) if module is top]
            modules = modules[: places[-1] + 1] if places else modules
        if not modules:
            return None
        root = self._outermost(modules[-1])
        if root not in self._roots and next(root.parameters(), None) is not None:
            self._met.setdefault(root)
            self._name_all()
        return next(filter(None, (self._below(root, module) for module in modules)), None)

    def of_parameter(self, parameter: Tensor) -> Owned | None:
        """Where `parameter` stands; None if no module owns it."""
        for look in (self._name_all, lambda: None):
            entry = self._parameters.get(id(parameter))
            if entry is not None and entry[0]() is parameter:
                return entry[1]
            look()
        return None

    def module(self, root: str, name: str) -> tuple[nn.Module, nn.Module] | None:
        """The model called `root`, and its module that findings call so; None if they are gone."""
        for model, places in self._places.items():
            for module, (at, path, _) in places.items():
                # What another module has replaced may still be there, and is not in the model.
                named = name in (path, f"{root}.{path}", path or root)
                if at == root and named and module in set(model.modules()):
                    return model, module
        return None

    def _below(self, root: nn.Module, module: nn.Module) -> Place | None:
        places = self._places.get(root)
        if places is None:
            return None
        if module not in places and self._reaches(module, root):
            self._walk(root)
        return places.get(module)

    # -- who holds whom ----------------------------------------------------------------------

    def _above(self, module: nn.Module) -> Iterator[nn.Module]:
        """The modules that registered this one and are still there."""
        for parent in self._parents.get(module, ()):
            above = parent()
            if above is not None:
                yield above

    def _outermost(self, module: nn.Module) -> nn.Module:
        seen: set[nn.Module] = set()
        top = self._top() if self._top is not None else None
        while module not in seen and module is not top:
            seen.add(module)
            # Never ask whether a module is true: it may have a length, of which this asks.
            above = next(chain(self._above(module), self._whole(module)), None)
            if above is None:
                break
            module = above
        return module

    def _whole(self, part: nn.Module) -> Iterator[nn.Module]:
        """The model that a slice of it belongs to, as `model[2:]`: all it holds is that model's."""
        first = None
        for child in part.children():
            first = next(self._above(child), None)
            if first is None or first is part:
                return
        if first is not None and next(part.parameters(recurse=False), None) is None:
            yield first

    def _reaches(self, module: nn.Module, root: nn.Module) -> bool:
        seen: set[nn.Module] = set()
        waiting = [module]
        while waiting:
            at = waiting.pop()
            if at is root:
                return True
            if at not in seen:
                seen.add(at)
                waiting += self._above(at)
        return False

    # -- naming ------------------------------------------------------------------------------

    def _name_all(self) -> None:
        """Name every model there is, in the order in which they were made."""
        for root in dict.fromkeys(self._outermost(module) for module in list(self._met)):
            if next(root.parameters(), None) is not None:
                self._walk(root)

    def _walk(self, root: nn.Module) -> None:
        prefix = ""
        inner = root
        while (attribute := _WRAPPERS.get(type(inner).__name__)) is not None:
            prefix += f"{attribute}."
            inner = getattr(inner, attribute)
        label = self._roots[root] = self._label(inner)
        places = self._places.setdefault(root, WeakKeyDictionary())
        for position, (dotted, module) in enumerate(root.named_modules()):
            path = (dotted + ".").removeprefix(prefix).rstrip(".").replace("_orig_mod.", "")
            place = places[module] = Place(label, path, position)
            for name, parameter in module.named_parameters(recurse=False):
                self._owned(parameter, Owned(ref(module), place, name))
        for owner, name, gathered in shards.gathered(root):
            if owner in places:
                self._owned(gathered, Owned(ref(owner), places[owner], name))

    def _owned(self, parameter: Tensor, owned: Owned) -> None:
        known = self._parameters.get(id(parameter))
        if known is None or known[0]() is not parameter:
            self._parameters[id(parameter)] = (ref(parameter), owned)

    def _label(self, model: nn.Module) -> str:
        label = self._roots.get(model)
        if label is None:
            name = class_name(model)
            count = self._labels[name]
            self._labels[name] += 1
            # Never the name of an earlier model, were it long gone: in a cross-validation the
            # second model is not the first.
            label = self._roots[model] = f"{name}#{count}" if count else name
        return label
