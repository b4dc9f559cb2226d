"""A watch for the length of one fit, as a framework's callback begins and ends it."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from reluctant.diagnosis import diagnose
from reluctant.errors import ReluctantError, RunNotFound
from reluctant.monitor import OnSample, Options, Watch
from reluctant.record.finding import Diagnosis
from reluctant.report import terminal


class Fit:
    """Watches the model of each fit, and says at its end how its units fared.

    Never raises into a fit: what cannot be watched or said is told in a sentence on stderr.

    Args:
        out: the record's folder; None for a new one under `.reluctant/runs`. Of several fits the
            second goes to `out-2`, and so on.
        budget, every, observe, on_sample, heal: as `reluctant.watch` has them.
        quiet: print no verdict.

    Raises:
        WrongArgument: one of these is not what it can be.
    """

    def __init__(
        self,
        *,
        out: str | os.PathLike[str] | None = None,
        budget: float | None = None,
        every: int | None = None,
        observe: str = "all",
        on_sample: OnSample | None = None,
        heal: bool | Iterable[str] = False,
        quiet: bool = False,
    ) -> None:
        super().__init__()
        self._options = Options(out, budget, every, observe, on_sample, heal)
        self._quiet = quiet
        self._fits = 0
        self._watch: Watch | None = None
        self._open = False

    @property
    def path(self) -> Path | None:
        """The folder of the latest fit's record; None if there has been none."""
        return self._watch.path if self._watch is not None else None

    def diagnose(self) -> Diagnosis:
        """What is wrong so far in this fit, or was in the latest.

        Raises:
            RunNotFound: no fit has been watched, or its record was deleted.
            RecordDamaged: it was damaged.
        """
        if self._watch is None:
            raise RunNotFound(
                "Nothing has been fitted with this callback yet.",
                "Give it to the trainer, and ask once that has begun.",
            )
        return self._watch.diagnose()

    def _begin(self, model: nn.Module) -> None:
        self._end(says=False)  # one that was never told of its end
        self._fits += 1
        try:
            self._watch = Watch(model, None, self._options.again(self._fits)).__enter__()
            self._open = True
        except Exception as error:
            self._watch = None
            _say("This fit is not watched", error)

    def _end(self, says: bool, error: BaseException | None = None) -> None:
        """End the watch; `says` whether the verdict is this process's to give.

        `error` is what ended the fit, if anything did.
        """
        if not self._open or self._watch is None:
            return
        self._open = False
        try:
            self._watch.__exit__(None if error is None else type(error), error, None)
            if says and not self._quiet:
                run = self._watch.run()
                terminal.show(terminal.verdict(run, diagnose(run)), sys.stderr)
        except Exception as failure:
            _say("No verdict can be given", failure)


def _say(what: str, error: Exception) -> None:
    known = isinstance(error, ReluctantError)
    why = str(error) if known else f"{type(error).__name__}: {error}"
    print(f"reluctant: {what}, and the training goes on: {why}", file=sys.stderr)
