"""What is looked at when not everything is: one model, and the optimizers that train it."""

from weakref import WeakKeyDictionary, WeakSet

from torch import nn
from torch.optim import Optimizer


class Scope:
    """One model, by itself or within others.

    Args:
        model: the model.
        optimizer: the only one whose steps count; None for all that hold one of its parameters.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer | None = None) -> None:
        self.model = model
        self._optimizer = optimizer
        self._parts: WeakSet[nn.Module] = WeakSet(model.modules())
        self._known: WeakKeyDictionary[Optimizer, bool] = WeakKeyDictionary()

    def trains(self, optimizer: Optimizer) -> bool:
        """Whether this optimizer's steps are the model's."""
        if self._optimizer is not None:
            return optimizer is self._optimizer
        if optimizer not in self._known:
            ours = set(map(id, self.model.parameters()))
            groups = optimizer.param_groups
            self._known[optimizer] = any(
                id(at) in ours for group in groups for at in group["params"]
            )
        return self._known[optimizer]

    def holds(self, modules: list[nn.Module]) -> bool:
        """Whether a call on behalf of these modules, one within another, is the model's."""
        return any(module in self._parts for module in modules)
