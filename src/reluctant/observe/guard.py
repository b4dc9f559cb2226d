"""Keeps our failures out of the script: what fails here is noted, and observation ends."""

import traceback
from itertools import pairwise
from types import TracebackType

from reluctant.errors import ReluctantError


class Guard:
    """Stands between our code and the script's training: `with guard:` before what may fail.

    `failure` is a sentence once something of ours has failed; from then on `broken` is True and
    nothing more is to be observed.
    """

    def __init__(self) -> None:
        self.failure: str | None = None

    @property
    def broken(self) -> bool:
        """Whether something of ours has failed."""
        return self.failure is not None

    def __enter__(self) -> None:
        """Run the body; an exception in it ends observation and never reaches the script.

        Unless it is the script's own: its signal handlers may be called while our code runs.
        """

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Let the script go on, unless the exception is its own."""
        if not isinstance(error, Exception):
            return False
        if _raised_by_a_handler(error):
            return False
        self.note(error)
        return True

    def note(self, error: Exception) -> None:
        """What is done about an exception in our code."""
        if _raised_by_a_handler(error):
            raise error
        if self.failure is None:
            self.failure = sentence(error)


def sentence(error: Exception) -> str:
    """What failed, and what to do about it."""
    if isinstance(error, ReluctantError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    return f"{what}. Please report this with the record's folder."


def _raised_by_a_handler(error: Exception) -> bool:
    """Whether a signal handler raised it: it is given a number and the frame that it interrupts."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        given: list[object] = []
        for value in frame.f_locals.values():
            given += value if isinstance(value, tuple) else (value,)
        if any(
            isinstance(number, int) and interrupted is frame.f_back
            for number, interrupted in pairwise(given)
        ):
            return True
    return False
