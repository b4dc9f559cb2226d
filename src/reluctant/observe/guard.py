"""Keeps our failures out of the script: what fails here is noted, and observation ends."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class Guard:
    """Stands between our code and the script's training.

    `failure` is a sentence once something of ours has failed; from then on `broken` is True and
    nothing more is to be observed.
    """

    def __init__(self) -> None:
        self.failure: str | None = None

    @property
    def broken(self) -> bool:
        """Whether something of ours has failed."""
        return self.failure is not None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run the body; an exception in it ends observation and never reaches the script."""
        try:
            yield
        except Exception as error:
            if self.failure is None:
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.failure = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
