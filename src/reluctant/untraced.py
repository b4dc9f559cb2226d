"""Keeps `torch.compile` out of our own code, wherever compiled code calls it.

What a compiled function calls and cannot take in is compiled by itself, and so would be our hooks
and all they call, as soon as one such function takes an optimizer's step.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


def untraced(function: Function) -> Function:
    """Have a function run as it stands, with all that it calls.

    This is `torch.compiler.disable` without its import of the compiler, which takes seconds.
    """
    _keep_apart(function, below=True, broken=True)
    return function


def untraced_itself(function: Function) -> Function:
    """Have a function run as it stands; what it calls is compiled as ever."""
    _keep_apart(function, below=False, broken=True)
    return function


def left_out(function: Function) -> Function:
    """Have a function run as it stands, but be taken in where it is called by what is compiled.

    It must begin with `if torch.compiler.is_compiling(): return`, which then is all of it: to
    run as it stands it would break the graph, which a script may have forbidden.
    """
    _keep_apart(function, below=True, broken=False)
    return function


def _keep_apart(function: Any, below: bool, broken: bool) -> None:
    if broken:
        function._torchdynamo_disable = True
    frames: Any = torch._C._dynamo.eval_frame
    # torch 2.6 has no such strategies yet: there the mark alone must do.
    if hasattr(frames, "set_code_exec_strategy"):
        skip, default = frames._FrameAction.SKIP, frames._FrameAction.DEFAULT
        strategy = frames._FrameExecStrategy(skip, skip if below else default)
        frames.set_code_exec_strategy(function.__code__, strategy)
