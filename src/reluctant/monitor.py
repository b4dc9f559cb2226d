"""`reluctant.watch`: observation and diagnosis of one model in a loop of one's own."""

import shutil
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from reluctant.diagnosis import diagnose
from reluctant.observe.scope import Scope
from reluctant.observe.session import Session
from reluctant.record.finding import Diagnosis
from reluctant.record.run import Run
from reluctant.record.scalars import Scalars
from reluctant.record.store import Observation, load

OnSample = Callable[[int, dict[str, float]], object]


class Watch(ContextDecorator):
    """Watches a model from now until `close`, or for a `with` block or each call of a function.

    A context manager, a decorator, and an object. What it sees goes to a record like that of
    `reluctant run`; `path` is its folder.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer | None, **options: Any) -> None:
        self._made_of = (model, optimizer, options)
        self._on_sample: OnSample | None = options.get("on_sample")
        self._session = Session(
            _who(),
            out=options["out"],
            budget=options["budget"],
            every=options["every"],
            activations=options["observe"] == "all",
            scope=Scope(model, optimizer),
            tell=self._tell if self._on_sample is not None else None,
        )
        self._closed = False
        self._scalars = Scalars()
        if self._session.complaint is not None:
            self.close()
            raise self._session.complaint

    @property
    def path(self) -> Path:
        """The record's folder."""
        assert self._session.path is not None
        return self._session.path

    def run(self) -> Run:
        """What has been recorded so far."""
        self._session.flush()
        return load(self.path)

    def diagnose(self) -> Diagnosis:
        """What is wrong so far."""
        return diagnose(self.run())

    def close(self) -> None:
        """Stop watching and complete the record. A second call does nothing."""
        if not self._closed:
            self._closed = True
            said = self._session.complaint
            self._session.finish(exit_code=0)
            failure, complaint = self._session.info.failure, self._session.complaint
            if failure is None and complaint is not said:
                failure = str(complaint)
            if failure is not None:
                print(
                    f"reluctant: Observation was given up, while the training went on: {failure}",
                    file=sys.stderr,
                )

    # -- with, and @ -------------------------------------------------------------------------

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __call__(self, function: Any) -> Any:
        """Watch during each call of `function`, each a run of its own."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)
        return super().__call__(function)

    def _recreate_cm(self) -> "Watch":
        model, optimizer, options = self._made_of
        return Watch(model, optimizer, **options)

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


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    out: str | Path | None = None,
    budget: float = 0.01,
    every: int | None = None,
    observe: str = "all",
    on_sample: OnSample | None = None,
) -> Watch:
    """Watch `model` while it trains.

        with reluctant.watch(model) as watching:
            train(model)
        print(watching.diagnose().verdict)

    Args:
        model: the model; what others compute beside it is left alone.
        optimizer: the one whose steps are the clock; None for any that trains the model.
        out: the record's folder; None for a new one under `.reluctant/runs`.
        budget: share of the time that observation may take.
        every: observe every so many steps instead, whatever it costs.
        observe: "all", or "parameters" to leave activations alone.
        on_sample: called with the step and scalars by name once a sample is written, to send
            them to TensorBoard, W&B, MLflow and the like.

    Raises:
        FolderNotWritable: the record cannot be put there.
    """
    return Watch(
        model,
        optimizer,
        out=None if out is None else Path(out),
        budget=budget,
        every=every,
        observe=observe,
        on_sample=on_sample,
    )


def _who() -> str:
    """What this process runs: a script, or a notebook or prompt."""
    return (
        sys.argv[0] if sys.argv and sys.argv[0] and "ipykernel" not in sys.argv[0] else "notebook"
    )
