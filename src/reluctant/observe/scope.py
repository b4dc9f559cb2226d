"""What is looked at when not everything is: one model, and the optimizers that train it."""

from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from torch import Tensor, nn
from torch.optim import Optimizer


class Scope:
    """One model, by itself or within others. Keeps neither it nor an optimizer alive.

    Args:
        model: the model.
        optimizer: the only one whose steps count; None for all that hold one of its parameters.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer | None = None) -> None:
        self._model = ref(model)
        self._only = None if optimizer is None else ref(optimizer)
        self._parts: WeakSet[nn.Module] = WeakSet(model.modules())
        # Whether each is the model's, and how many groups of parameters it had then.
        self._known: WeakKeyDictionary[Optimizer, tuple[int, bool]] = WeakKeyDictionary()

    @property
    def model(self) -> nn.Module | None:
        """The model; None once nobody else has it."""
        return self._model()

    def trains(self, optimizer: Optimizer | None) -> bool:
        """Whether this optimizer's steps, or, of None, backward passes alone, are the model's."""
        if self._only is not None:
            return optimizer is self._only()
        model = self.model
        if model is None:
            return False
        if optimizer is None:
            return any(parameter.grad is not None for parameter in model.parameters())
        groups, known = self._known.get(optimizer, (0, False))
        if not known and groups != len(optimizer.param_groups):
            groups, known = len(optimizer.param_groups), holds(optimizer, model)
            self._known[optimizer] = groups, known
        return known

    def tensors(self) -> list[Tensor]:
        """The model's parameters and buffers."""
        model = self.model
        return [] if model is None else [*model.parameters(), *model.buffers()]

    def holds(self, modules: list[nn.Module]) -> bool:
        """Whether a call on behalf of these modules, one within another, is the model's."""
        return any(module in self._parts for module in modules)


def holds(optimizer: Optimizer, model: nn.Module) -> bool:
    """Whether an optimizer has a parameter of a model."""
    ours = set(map(id, model.parameters()))
    return any(id(at) in ours for group in optimizer.param_groups for at in group["params"])


def innermost(optimizer: Any) -> Any:
    """The optimizer that steps, out of what frameworks have wrapped around it."""
    for _ in range(8):  # of something else the attribute might have no end
        optimizer = getattr(optimizer, "optimizer", optimizer)
    return optimizer
