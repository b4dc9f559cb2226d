"""A script run as it is, with another tool attached to each model before it is trained.

A user would attach the tool by hand, after constructing the optimizer and a scheduler, which wraps
its step, and before the loop. Here that is done when a module is first called after an optimizer
was constructed, to the module that holds its parameters.
"""

import contextlib
import gc
import json
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from benchmarks.ward.tools import TOOLS, Alarm, Tool


def watch(script: Path, args: list[str], out: Path, name: str) -> None:
    """Run a script with a tool attached; write the number of models it watched, and its alarms."""
    tools: dict[nn.Module, Tool] = {}
    said: dict[Alarm, None] = {}
    with _attached(TOOLS[name], tools, said):
        runpy.run_path(str(script), run_name="__main__")
    for tool in tools.values():
        said |= dict.fromkeys(tool.alarms())
    sys.stdout.flush()
    kept = {"models": len(tools), "alarms": [asdict(alarm) for alarm in said]}
    out.write_text(json.dumps(kept), "utf-8")


@contextlib.contextmanager
def _attached(
    made: type[Tool], tools: dict[nn.Module, Tool], said: dict[Alarm, None]
) -> Iterator[None]:
    """Fill `tools`: the tool of each model that an optimizer is constructed for.

    One that is trained anew, with another optimizer, is watched anew; `said` keeps what was said.
    """
    waiting: list[Optimizer] = []
    of: dict[int, nn.Module] = {}
    loss: float | None = None
    construct: Callable[..., None] = Optimizer.__init__
    call: Callable[..., Any] = nn.Module.__call__
    backward: Callable[..., None] = Tensor.backward

    def constructed(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
        construct(optimizer, *args, **kwargs)
        waiting.append(optimizer)

    def attach() -> None:
        while waiting:
            optimizer = waiting.pop(0)
            model = model_of(optimizer)
            if model is not None:
                if model in tools:
                    said.update(dict.fromkeys(tools[model].alarms()))
                tools[model] = made(model, optimizer)
                of[id(optimizer)] = model

    def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        attach()
        return call(module, *args, **kwargs)

    def passed_back(tensor: Tensor, *args: Any, **kwargs: Any) -> None:
        nonlocal loss
        if tensor.numel() == 1:
            loss = tensor.item()
        backward(tensor, *args, **kwargs)

    def before(optimizer: Optimizer, *_: object) -> None:
        attach()  # of a module whose parameters are used without calling it
        # An optimizer that takes a closure makes its backward passes itself.
        if id(optimizer) in of and loss is not None:
            tools[of[id(optimizer)]].before_step(optimizer)

    def after(optimizer: Optimizer, *_: object) -> None:
        if id(optimizer) in of:
            tools[of[id(optimizer)]].after_step(loss)

    hooks = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
    with (
        patch.object(Optimizer, "__init__", constructed),
        patch.object(nn.Module, "__call__", called),
        patch.object(Tensor, "backward", passed_back),
    ):
        yield
    for hook in hooks:
        hook.remove()


def model_of(optimizer: Optimizer) -> nn.Module | None:
    """The module that holds most of an optimizer's parameters, the outermost if several do."""
    given = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    best, most = None, (0, 0)
    for found in gc.get_objects():
        if issubclass(type(found), nn.Module):
            held = len(given & {id(parameter) for parameter in found.parameters()})
            rank = held, sum(1 for _ in found.modules())
            if held and rank > most:
                best, most = found, rank
    return best
