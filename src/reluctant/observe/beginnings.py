"""`run --init`: each model of a script is given its weights in its first training pass.

It is read in a rehearsal of that pass, of which nothing stays, just before it uses a weight.
"""

import os
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from reluctant.calls import PRODUCTS
from reluctant.errors import ReluctantError
from reluctant.initialization.initialize import begin
from reluctant.initialization.network import bare
from reluctant.initialization.passing import is_training_pass
from reluctant.observe import eager, stack
from reluctant.observe.names import class_name
from reluctant.untraced import left_out, untraced_itself

_CALL_IMPL = nn.Module._call_impl.__code__


# One of several models may be trained only after others have taken some steps.
ENOUGH = 8


class Beginnings(TorchFunctionMode):
    """Waits for the first training pass of each model, for the first few steps.

    It waits again once a parameter is made that none of the models it knows has. What it has set,
    or has come by, it never sets again: a model may be built around one that is trained.

    Args:
        scheme: as for `initialize`.
        seed: of all that is drawn, model after model.

    `told` is a sentence a model.
    """

    def __init__(self, scheme: str, seed: int) -> None:
        super().__init__()
        self.told: list[str] = []
        self._scheme = scheme
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self._known: WeakSet[nn.Module] = WeakSet()
        self._settled = WeakTensorKeyDictionary()
        self._on = False
        self._left = 0  # steps until it waits no more
        self._hooks = (
            register_module_parameter_registration_hook(self._made),
            register_optimizer_step_post_hook(self._stepped),
        )
        os.register_at_fork(after_in_child=self.stop)
        self._wait()

    def stop(self) -> None:
        """Wait for nothing more."""
        for hook in self._hooks:
            hook.remove()
        self._rest()

    def _wait(self) -> None:
        self._left = ENOUGH
        if not self._on:
            self._on = True
            eager.enter()
            stack.enter(self)

    def _rest(self) -> None:
        if self._on:
            self._on = False
            stack.leave(self)
            eager.leave()

    @left_out
    def _made(self, module: nn.Module, name: str, parameter: object) -> None:
        if torch.compiler.is_compiling():
            return
        if parameter is not None and module not in self._known:
            self._wait()

    @untraced_itself
    def _stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._left -= 1
        if self._left <= 0:
            self._rest()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Before a weight is first used, set all of the model's."""
        if self._on and func in PRODUCTS and is_training_pass():
            called = _outermost(sys._getframe())
            if called is not None:
                self._begin(*called)
        return func(*args, **(kwargs or {}))

    def _begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not model.training or model in self._known:
            return
        name = class_name(bare(model))
        try:
            with stack.aside():
                told = begin(
                    model,
                    self._scheme,
                    "forward",
                    (args, kwargs),
                    self._generator,
                    settled={id(at) for at in self._settled},
                )
            self.told.append(f"{name}: {told.sentence} Seed {self._seed}.")
        except ReluctantError as error:
            self.told.append(f"{name} begins as its script made it. {error.sentence}")
        except Exception as error:  # the script's pass goes on
            why = f"Its pass cannot be rehearsed ({type(error).__name__}: {error})."
            self.told.append(f"{name} begins as its script made it. {why}")
        self._known.update(model.modules())
        self._settled.update(dict.fromkeys(model.parameters()))


def _outermost(
    frame: FrameType | None,
) -> tuple[nn.Module, tuple[Any, ...], Mapping[str, Any]] | None:
    """The module that is being called and no other calls, and what it was given."""
    found = None
    while frame is not None:
        if frame.f_code is _CALL_IMPL:
            found = frame.f_locals
        frame = frame.f_back
    return None if found is None else (found["self"], found["args"], found["kwargs"])
