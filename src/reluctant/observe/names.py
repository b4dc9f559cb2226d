"""What the script's modules and parameters are called, learned as they are built."""

from collections import Counter
from typing import NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, ref

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.nn.parameter import is_lazy

from reluctant.observe import shards
from reluctant.observe.guard import Guard

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

    module: nn.Module
    place: Place
    name: str


class Names:
    """Knows every module the script builds, and names it by its path from the outermost one.

    A model is often not called as a whole: `model.encode(x)` calls only its parts. So the
    outermost module is found by who registered whom, and not only by who called whom.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._parents: WeakKeyDictionary[nn.Module, ReferenceType[nn.Module]] = WeakKeyDictionary()
        self._met: WeakSet[nn.Module] = WeakSet()
        self._paths: WeakKeyDictionary[nn.Module, Place] = WeakKeyDictionary()
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
        """Learn of a model that was built before we listened."""
        for parent in model.modules():
            self._met.add(parent)
            for _, child in parent.named_children():
                self._parents.setdefault(child, ref(parent))

    def _module_registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        with self._guard():
            if child is not None:
                self._parents[child] = ref(parent)
                self._met.add(parent)

    def _parameter_registered(
        self, module: nn.Module, name: str, parameter: nn.Parameter | None
    ) -> None:
        with self._guard():
            self._met.add(module)

    def rows(self) -> list[int]:
        """How many rows each weight has that any module owns."""
        found = {}
        for module in list(self._met):
            for parameter in module.parameters(recurse=False):
                if not is_lazy(parameter) and parameter.dim() >= 2:
                    found[id(parameter)] = int(parameter.shape[0])
        return list(found.values())

    def of_module(self, module: nn.Module) -> Place | None:
        """Where `module` stands; None if it cannot be known."""
        if module not in self._paths:
            self._name(self._outermost(module))
        return self._paths.get(module)

    def of_parameter(self, parameter: Tensor) -> Owned | None:
        """Where `parameter` stands; None if no module owns it."""
        entry = self._parameters.get(id(parameter))
        if entry is None or entry[0]() is not parameter:
            for root in {self._outermost(module) for module in self._met}:
                self._name(root)
            entry = self._parameters.get(id(parameter))
            if entry is None or entry[0]() is not parameter:
                return None
        return entry[1]

    def _outermost(self, module: nn.Module) -> nn.Module:
        seen = {module}
        while (parent := self._parents.get(module)) is not None:
            above = parent()
            if above is None or above in seen:
                break
            seen.add(above)
            module = above
        return module

    def _name(self, root: nn.Module) -> None:
        prefix = ""
        inner = root
        while (attribute := _WRAPPERS.get(type(inner).__name__)) is not None:
            prefix += f"{attribute}."
            inner = getattr(inner, attribute)
        label = self._roots.get(inner)
        if label is None:
            name = class_name(inner)
            count = self._labels[name]
            self._labels[name] += 1
            # Never the name of an earlier model, were it long gone: in a cross-validation the
            # second model is not the first.
            self._roots[inner] = label = f"{name}#{count}" if count else name
        for position, (dotted, module) in enumerate(root.named_modules()):
            path = (dotted + ".").removeprefix(prefix).rstrip(".").replace("_orig_mod.", "")
            place = self._paths[module] = Place(label, path, position)
            for name, parameter in module.named_parameters(recurse=False):
                self._parameters[id(parameter)] = (ref(parameter), Owned(module, place, name))
        for owner, name, gathered in shards.gathered(root):
            if owner in self._paths:
                owned = Owned(owner, self._paths[owner], name)
                self._parameters[id(gathered)] = (ref(gathered), owned)
