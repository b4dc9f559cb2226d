"""What really happens in a script, measured without any part of *reluctant*.

A script runs plainly in a process of its own; then its whole training set goes through the trained
model, and every unit of every rectifier and squashing function is looked at on every input.
Rectifiers that are spelled as a product with a mask or as `where` are not seen.
"""

import gc
import json
import multiprocessing
import os
import re
import runpy
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode

# Squashed to within this share of the function's range from an end, on more than this share of the
# inputs, a unit is pinned there.
NEAR_END = 0.01
NEARLY_ALL = 0.99

RESULT = re.compile(r"^result (\w+) (\S+)$", re.MULTILINE)

# Importing these is most of what a short script takes; a forked process has them already.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["benchmarks.ward.truth", "torch._dynamo", "sklearn.datasets"])


@dataclass(frozen=True)
class Call:
    """One call of an activation: the share of its units that are useless over the whole set.

    `silent` are units of a rectifier that fire on no input, `pinned` those of a squashing function
    that stay at an end on nearly all; the other one of the two is None.
    """

    function: str
    units: int
    silent: float | None
    pinned: float | None


@dataclass(frozen=True)
class Truth:
    """A plain run of a script: its result, optimizer steps, processor time, last activations."""

    metric: str
    result: float
    steps: int
    seconds: float
    calls: tuple[Call, ...]

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Truth":
        """From the object that was kept as JSON."""
        calls = tuple(Call(**call) for call in kept["calls"])
        return cls(kept["metric"], kept["result"], kept["steps"], kept["seconds"], calls)


class ScriptFailed(Exception):
    """A script, or its forward pass over the training set, ended with an error."""


class Probe(TorchFunctionMode):
    """Looks at the input of every rectifier and the output of every squashing function."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._axis = -1

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        if name.startswith("conv"):
            self._axis = 1
        elif name in ("linear", "matmul", "mm", "addmm", "bmm", "einsum"):
            self._axis = -1
        ends = _ends(name, args[1:], kwargs) if args and isinstance(args[0], Tensor) else None
        before = args[0].clone() if ends is not None else None  # it may be changed in place
        result = func(*args, **kwargs)
        if ends is not None and before is not None:
            self.calls.append(_look(name, before, result, ends, self._axis))
        return result


def _ends(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[float | None, float | None] | None:
    """Where a function goes flat: a rectifier at one input, a squashing one at two outputs."""
    if name in ("relu", "threshold"):
        return float(args[0] if args else kwargs.get("threshold", 0)), None
    if name in ("relu6", "hardswish"):
        return {"relu6": 0.0, "hardswish": -3.0}[name], None
    if name in ("sigmoid", "tanh", "hardsigmoid"):
        return (-1.0 if name == "tanh" else 0.0), 1.0
    if name == "hardtanh":
        low, high = (*args, *(-1.0, 1.0)[len(args) :])[:2]
        return kwargs.get("min_val", low), kwargs.get("max_val", high)
    if name in ("clamp", "clip", "clamp_min"):
        low, high = (*args, None, None)[:2]
        low, high = kwargs.get("min", low), kwargs.get("max", high)
        return None if low is None or isinstance(low, Tensor) else (low, high)
    if name in ("max", "maximum") and args and isinstance(args[0], Tensor):
        return None if args[0].any() else (0.0, None)
    return None


def _look(
    name: str, before: Tensor, after: Tensor, ends: tuple[float | None, float | None], axis: int
) -> Call:
    axis = axis if before.ndim > 2 else -1
    low, high = ends
    rows = (before if high is None else after).movedim(axis, -1)
    rows = rows.reshape(-1, rows.shape[-1] if rows.ndim else 1)
    if high is None or low is None:
        ceiling = 6.0 if name == "relu6" else float("inf")
        fires = ((rows > (low or 0.0)) & (rows < ceiling)).any(0)
        return Call(name, len(fires), 1 - float(fires.double().mean()), None)
    near = NEAR_END * (high - low)
    pinned = ((rows < low + near) | (rows > high - near)).double().mean(0) > NEARLY_ALL
    return Call(name, len(pinned), None, float(pinned.double().mean()))


def measure(script: Path, forward: str, args: list[str], out: Path, limit: float) -> None:
    """Write the truth about one run into `out`, measured in a process of its own.

    Raises:
        ScriptFailed: with the end of what the script wrote to stderr.
    """
    apart(_measure, script, args, out, limit, forward)


def apart(
    do: Callable[..., None], script: Path, args: list[str], out: Path, limit: float, *more: object
) -> None:
    """Call `do` with a script, its arguments, a path to write to and `more`, in a new process.

    Raises:
        ScriptFailed: with the end of what was written to stderr.
    """
    process = _SERVER.Process(target=_alone, args=(do, script, args, out, *more))
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        raise ScriptFailed(f"{script.name} took longer than {limit:.0f} s")
    if process.exitcode:
        raise ScriptFailed(out.with_suffix(".stderr").read_text("utf-8")[-2000:])


def _alone(
    do: Callable[..., None], script: Path, args: list[str], out: Path, *more: object
) -> None:
    for stream in (1, 2):
        path = out.with_suffix((".stdout", ".stderr")[stream - 1])
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    torch.set_num_threads(1)
    sys.argv = [str(script), *args]
    sys.path[0] = str(script.parent)
    do(script, args, out, *more)


def _measure(script: Path, args: list[str], out: Path, forward: str) -> None:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    start = time.process_time()
    hook = register_optimizer_step_post_hook(count)
    left = runpy.run_path(str(script), run_name="__main__")
    hook.remove()
    seconds = time.process_time() - start
    sys.stdout.flush()
    metric, result = result_of(out.with_suffix(".stdout").read_text("utf-8"))
    truth = Truth(metric, result, steps, seconds, tuple(_look_everywhere(forward, left)))
    out.write_text(json.dumps(asdict(truth)), "utf-8")


def _look_everywhere(forward: str, left: dict[str, Any]) -> list[Call]:
    for found in gc.get_objects():
        if issubclass(type(found), nn.Module):
            found.eval()
    # A fused encoder layer would hide its activation.
    torch.backends.mha.set_fastpath_enabled(False)
    probe = Probe()
    with torch.no_grad(), probe:
        eval(forward, left)
    return probe.calls


def result_of(output: str) -> tuple[str, float]:
    """Name and value of the last result line.

    Raises:
        ScriptFailed: there is none.
    """
    found = RESULT.findall(output)
    if not found:
        raise ScriptFailed("no result line")
    return found[-1][0], float(found[-1][1])
