"""`reluctant.watch` and `heal`: one model in a loop of one's own is observed, and treated."""

import inspect
import os
import sys
import weakref
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from dataclasses import dataclass, replace
from html import escape
from numbers import Integral, Real
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from reluctant.diagnosis import diagnose
from reluctant.errors import ReluctantError, WrongArgument
from reluctant.healing import Healer
from reluctant.observe.observer import Observer
from reluctant.observe.scope import Scope, holds, innermost
from reluctant.observe.session import Session
from reluctant.record import folder
from reluctant.record.finding import Diagnosis
from reluctant.record.observation import Observation
from reluctant.record.reader import load
from reluctant.record.run import Run
from reluctant.record.scalars import Scalars
from reluctant.remedy.propose import LEARNT, REMEDIES
from reluctant.words import plural

_KNOWN = (*REMEDIES, LEARNT)

OnSample = Callable[[int, dict[str, float]], object]


@dataclass(frozen=True)
class Options:
    """How to watch; `watch` says what each means.

    Raises:
        WrongArgument: one is not what it can be.
    """

    out: str | os.PathLike[str] | None = None
    budget: float | None = None
    every: int | None = None
    observe: str = "all"
    on_sample: OnSample | None = None
    heal: bool | Iterable[str] = False

    def __post_init__(self) -> None:
        if isinstance(self.heal, Iterable) and not isinstance(self.heal, str):
            object.__setattr__(self, "heal", tuple(self.heal))
        checks: dict[str, tuple[bool, str]] = {
            "out": (isinstance(self.out, str | os.PathLike | None), "the path of a folder"),
            "budget": (_is_share(self.budget), "a share between 0 and 1, or None"),
            "every": (_is_count(self.every), "a whole number from 1 on, or None"),
            "observe": (self.observe in ("all", "parameters"), '"all" or "parameters"'),
            "on_sample": (self.on_sample is None or callable(self.on_sample), "a function"),
            "heal": (_is_remedies(self.heal), f"True, False or some of {', '.join(_KNOWN)}"),
        }
        for name, (fits, constraint) in checks.items():
            if not fits:
                raise WrongArgument.against(name, constraint, {"it": repr(getattr(self, name))})

    @property
    def remedies(self) -> tuple[str, ...]:
        """Those that may be used."""
        if isinstance(self.heal, bool):
            return REMEDIES if self.heal else ()
        return tuple(self.heal)

    @property
    def share(self) -> float:
        """The budget: whoever treats has to look closer."""
        if self.budget is not None:
            return self.budget
        return 0.05 if self.remedies else 0.01

    def again(self, turn: int) -> "Options":
        """For another run, the first being turn 1: a folder that was named gets a number."""
        if self.out is None or turn == 1:
            return self
        first = Path(self.out)
        return replace(self, out=first.with_name(f"{first.name}-{turn}"))


class Watch(ContextDecorator):
    """Watches a model from now until `close`, or for a `with` block or each call of a function.

    A context manager, a decorator, and an object. What it sees goes to a record like that of
    `reluctant run`; `path` is its folder. Each further `with` block and each call of a decorated
    function is a run of its own, and `path`, `run` and `diagnose` are about the latest. The watch
    ends with its model at the latest, which it does not keep alive.
    """

    path: Path

    def __init__(
        self, model: nn.Module, optimizer: Optimizer | None = None, options: Options | None = None
    ) -> None:
        optimizer = _checked(model, optimizer)
        self._options = options or Options()
        self._name = type(model).__name__
        self._model = weakref.ref(model)
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        self._open = False
        self._turn = 0
        self._within = 0
        self._begin()

    def _begin(self) -> None:
        model, optimizer = self._trained()
        self._turn += 1
        options = self._options.again(self._turn)
        self._on_sample = options.on_sample
        self._scalars = Scalars()
        self._session = Session(
            _who(),
            out=None if options.out is None else Path(options.out),
            budget=options.share,
            every=options.every,
            activations=options.observe == "all",
            scope=Scope(model, optimizer),
            tell=self._tell if options.on_sample is not None else None,
            attend=self._treat if options.remedies else None,
        )
        place = self._session.path
        if self._session.complaint is not None:
            # A script goes on and is recorded elsewhere; whoever asks in a program is told.
            self._session.finish(exit_code=1)
            if place is not None:
                rmtree(place, ignore_errors=True)
            raise self._session.complaint
        assert place is not None
        self.path = place
        self._open = True
        # Also when the interpreter ends.
        self._end = weakref.finalize(model, self.close)

    def _trained(self) -> tuple[nn.Module, Optimizer | None]:
        model = self._model()
        optimizer = self._optimizer() if self._optimizer is not None else None
        if model is None or (self._optimizer is not None and optimizer is None):
            raise WrongArgument(
                f"The {self._name} that was watched is gone.", "Watch the one that is trained now."
            )
        return model, optimizer

    def __repr__(self) -> str:
        steps = self._session.steps
        state = "open" if self._open else "closed"
        return f"<reluctant.watch({self._name}), {state}, {plural(steps, 'step')}, {self.path}>"

    def _repr_html_(self) -> str:
        try:
            return self.run()._repr_html_()
        except ReluctantError as error:
            return f"<p>{escape(str(error))}</p>"

    def run(self) -> Run:
        """What has been recorded so far.

        Raises:
            RunNotFound, RecordDamaged: somebody has deleted or damaged the record.
        """
        self._session.flush()
        return load(self.path)

    def diagnose(self) -> Diagnosis:
        """What is wrong so far. Raises what `run` does."""
        return diagnose(self.run())

    def close(self) -> None:
        """Stop watching and complete the record. A second call does nothing."""
        self._close(0)

    def _close(self, exit_code: int) -> None:
        if not self._open:
            return
        self._open = False
        self._end.detach()
        self._session.finish(exit_code)
        failure = self._session.info.failure or self._session.complaint
        if failure is not None:
            print(
                f"reluctant: Observation was given up, while the training went on: {failure}",
                file=sys.stderr,
            )

    # -- with, and @ -------------------------------------------------------------------------

    def __enter__(self) -> "Watch":
        if not self._open:
            self._begin()
        self._within += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._within -= 1
        if not self._within:
            self._close(0 if kind is None else 1)

    def __call__(self, function: Any) -> Any:
        """Watch during each call of `function`, each a run of its own."""
        if any(check(function) for check in _RETURNS_AT_ONCE):
            raise WrongArgument(
                f"{function.__name__} returns before it has run, so that its calls cannot be "
                "watched.",
                "Watch within it, as `with reluctant.watch(model):`.",
            )
        # The run that began when this object was made is not to be one.
        self.close()
        folder.discard(self.path, self._session.rank)
        self._turn = 0
        return super().__call__(function)

    def _treat(self, observer: Observer, path: Path) -> None:
        Healer(observer, path, self._options.remedies)

    # -- scalars -----------------------------------------------------------------------------

    def _tell(self, seen: Observation) -> None:
        if self._on_sample is None:
            return
        try:
            self._on_sample(seen.sample.step, self._scalars.of(seen))
        except Exception as error:
            self._on_sample = None
            print(
                f"reluctant: on_sample raised {type(error).__name__} ({error}) and is not called "
                "any more; the training goes on.",
                file=sys.stderr,
            )


_RETURNS_AT_ONCE = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    budget: float | None = None,
    every: int | None = None,
    observe: str = "all",
    on_sample: OnSample | None = None,
    heal: bool | Iterable[str] = False,
) -> Watch:
    """Watch `model` while it trains.

        with reluctant.watch(model) as watching:
            train(model)
        print(watching.diagnose().verdict)

    Args:
        model: the model, or a part of one; what others compute beside it is left alone.
        optimizer: the one whose steps are the clock; None for any that trains the model.
        out: the record's folder; None for a new one under `.reluctant/runs`.
        budget: share of the time that observation may take; None for 0.01, or 0.05 if it heals.
        every: observe every so many steps instead, whatever it costs.
        observe: "all", or "parameters" to leave activations alone.
        on_sample: called with the step and scalars by name once a sample is written, to send
            them to TensorBoard, W&B, MLflow and the like. If it raises, it is not called again.
        heal: treat what is found, by all remedies or by those named, as `reluctant.heal` does.

    Raises:
        WrongArgument: one of these is not what it can be, or the optimizer trains another model.
        FolderNotWritable: the record cannot be put there.
    """
    options = Options(out, budget, every, observe, on_sample, heal)
    return Watch(model, optimizer, options)


def heal(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    budget: float | None = None,
    every: int | None = None,
    observe: str = "all",
    on_sample: OnSample | None = None,
    remedies: Iterable[str] | None = None,
) -> Watch:
    """Watch `model` while it trains, and treat what is found.

        with reluctant.heal(model) as healing:
            train(model)
        print(healing.run().interventions)

    What is changed are the model's own parameters and buffers, what optimizers remember of them,
    and how long the steps of these optimizers are; it stays so when the watch ends. What a remedy
    has made worse is undone.

    Args:
        model, optimizer, out, budget, every, observe, on_sample: as `watch` has them.
        remedies: those that may be used, by name; None for all.

    Raises:
        WrongArgument, FolderNotWritable: as `watch` does.
    """
    treat = True if remedies is None else remedies
    return Watch(model, optimizer, Options(out, budget, every, observe, on_sample, treat))


def _checked(model: object, optimizer: object) -> Optimizer | None:
    """The optimizer that steps.

    Raises:
        WrongArgument: nobody can watch these.
    """
    if not isinstance(model, nn.Module):
        raise WrongArgument(
            f"watch needs a torch.nn.Module, and was given {_kind(model)}.",
            "Give it the model that is trained.",
        )
    name = type(model).__name__
    if next(model.parameters(), None) is None:
        raise WrongArgument(
            f"This {name} has no parameters, so it cannot train.",
            "Give watch the model that is trained, once it is built.",
        )
    if optimizer is None:
        return None
    optimizer = innermost(optimizer)
    if not isinstance(optimizer, Optimizer):
        raise WrongArgument(
            f"watch needs a torch.optim.Optimizer, and was given {_kind(optimizer)}.",
            "Leave it out, and every optimizer that trains the model is watched.",
        )
    if not holds(optimizer, model):
        raise WrongArgument(
            f"This {type(optimizer).__name__} holds no parameter of this {name}.",
            "Give watch the optimizer that trains it, or none to have it found.",
        )
    return optimizer


def _kind(given: object) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    kind = type(given).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _is_share(value: object) -> bool:
    return value is None or (isinstance(value, Real) and 0 <= float(value) <= 1)


def _is_remedies(value: object) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, tuple) and all(at in _KNOWN for at in value)
    )


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, Integral) and int(value) >= 1)


def _who() -> str:
    """What this process runs: a script, or a notebook or prompt."""
    has_script = getattr(sys.modules["__main__"], "__file__", None) is not None
    return sys.argv[0] if has_script and sys.argv and sys.argv[0] else "notebook"
