"""`reluctant.lr_range`: a sweep of learning rates within a program, always from the same state."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from reluctant.errors import WrongArgument
from reluctant.observe.observer import Enough
from reluctant.observe.scope import Scope
from reluctant.observe.session import Session
from reluctant.record.sweep import Attempt, Sweep
from reluctant.remedy.snapshot import Snapshot
from reluctant.remedy.throttle import THROTTLE
from reluctant.trials import ladder
from reluctant.trials.short import attempt
from reluctant.trials.tried import FEWEST, Tried
from reluctant.words import number

# How many rates a sweep takes when the one it begins with is not far off.
USUAL = 9


def lr_range(
    train: Callable[[], object],
    model: nn.Module | None = None,
    *,
    steps: int = 100,
    out: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Sweep:
    """Sweep learning rates: where a model learns, and where its units begin to die.

        sweep = reluctant.lr_range(lambda: train(model, optimizer), model)
        print(sweep.named.rate)

    Calls `train` some nine times, each time with all rates of its optimizers multiplied by another
    factor, and ends it after so many steps by raising `SystemExit` in it. Each call begins in the
    state in which the first did, which is put back in the end too: the model's parameters and
    buffers, what optimizers remember and their options, and all generators of random numbers. What
    else outlives a call, as a schedule made outside it, goes on.

    Args:
        train: trains in the usual way, without arguments, `steps` steps or more.
        model: what it trains; None if it makes its model anew each time.
        steps: of each call, 10 or more.
        out: a folder for the records of the runs; by default they are not kept.
        quiet: print neither the table nor how far the sweep is.

    Raises:
        WrongArgument: `steps` is less than 10, or `model` is no module.
        NothingSwept: `train` has no rate, no loss or too few steps.
        FolderNotWritable: nothing can be recorded in `out`, or a run is there already.
        Exception: what `train` itself raises at its own rate.
    """
    if not isinstance(steps, int) or steps < FEWEST:
        raise WrongArgument.against("steps", f"a whole number from {FEWEST} on", {"it": steps})
    if model is not None and not isinstance(model, nn.Module):
        raise WrongArgument.against("model", "a torch.nn.Module", {"it": repr(type(model))})
    name = getattr(train, "__name__", type(train).__name__)
    tried = Tried(name if name.isidentifier() else "train", steps)
    state = _State(model)
    try:
        return _swept(train, model, tried, None if out is None else Path(out), quiet, state)
    finally:
        state.put_back()


def _swept(
    train: Callable[[], object],
    model: nn.Module | None,
    tried: Tried,
    out: Path | None,
    quiet: bool,
    state: "_State",
) -> Sweep:
    # Only now that the state is kept: rich draws from `random` when it is imported, and when it
    # prints.
    from reluctant.report import bar, sweep, terminal

    with TemporaryDirectory(prefix="reluctant-") as scratch, bar.runs(USUAL, quiet) as tell:
        home = out or Path(scratch)
        while rungs := tried.next():
            for rung in rungs:
                factor = ladder.factor(rung)
                state.put_back()
                with state.met():
                    tried.attempts[rung, 0] = _attempt(train, model, factor, tried.steps, home)
                if out is None:
                    rmtree(tried.attempts[rung, 0].path, ignore_errors=True)
                tell(f"{number(factor)} times the rate")
            tried.check()
    found = tried.sweep((), False, "" if out is None else str(out))
    if not quiet:
        terminal.show(sweep.verdict(found))
    return found


def _attempt(
    train: Callable[[], object], model: nn.Module | None, factor: float, steps: int, home: Path
) -> Attempt:
    path = home / f"x{number(factor)}"
    scope = None if model is None else Scope(model)
    session = Session("train", out=path, every=1, until=steps, scope=scope)
    code = 1
    try:
        if session.complaint is not None:
            if session.path is not None:
                rmtree(session.path, ignore_errors=True)
            raise session.complaint
        with THROTTLE.all(factor):
            train()
        code = 0
    except Enough:
        code = 0
    except Exception:
        # At another rate, that is what comes of it.
        if factor == 1:
            raise
    finally:
        session.finish(code)
    return attempt(factor, 0, path, code)


class _State:
    """How things are before the first run."""

    def __init__(self, model: nn.Module | None) -> None:
        modules = [] if model is None else list(model.modules())
        self._modes = [(module, module.training) for module in modules]
        tensors = [] if model is None else [*model.parameters(), *model.buffers()]
        self._snapshots = [Snapshot.of(0, tensors, ())]
        self._gradients = {at: None if at.grad is None else at.grad.clone() for at in tensors}
        self._options: list[tuple[Optimizer, list[dict[str, Any]]]] = []
        self._generators = list(_generators())
        self._met = False

    @contextmanager
    def met(self) -> Iterator[None]:
        """In the first run, keep how the optimizers are that step for the first time."""
        if self._met:
            yield
            return
        self._met = True
        handle = register_optimizer_step_pre_hook(self._meet)
        try:
            yield
        finally:
            handle.remove()

    def _meet(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if any(optimizer is known for known, _ in self._options):
            return
        held = [at for group in optimizer.param_groups for at in group["params"]]
        self._snapshots.append(Snapshot.of(0, held, [optimizer]))
        self._gradients = dict.fromkeys(held) | self._gradients
        options = [_options(group) for group in optimizer.param_groups]
        self._options.append((optimizer, deepcopy(options)))

    def put_back(self) -> None:
        """Have all be as it was."""
        for snapshot in reversed(self._snapshots):
            snapshot.restore()
        for tensor, gradient in self._gradients.items():
            # A run may end between a step and the zero_grad() that belongs to it.
            tensor.grad = None if gradient is None else gradient.clone()
        for optimizer, options in self._options:
            for group, kept in zip(optimizer.param_groups, options, strict=False):
                for name, value in kept.items():
                    if isinstance(value, Tensor) and isinstance(group[name], Tensor):
                        group[name].copy_(value)
                    else:
                        group[name] = deepcopy(value)
        for module, training in self._modes:
            module.training = training
        for put_back in self._generators:
            put_back()


def _options(group: dict[str, Any]) -> dict[str, Any]:
    """All but the parameters."""
    return {name: value for name, value in group.items() if name != "params"}


def _generators() -> Iterator[Callable[[], object]]:
    """What puts back the generators of random numbers, as they are now."""
    ours = random.getstate()
    yield lambda: random.setstate(ours)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        theirs = numpy.random.get_state()
        yield lambda: numpy.random.set_state(theirs)
    here = torch.get_rng_state()
    yield lambda: torch.set_rng_state(here)
    if torch.cuda.is_available():
        there = torch.cuda.get_rng_state_all()
        yield lambda: torch.cuda.set_rng_state_all(there)
