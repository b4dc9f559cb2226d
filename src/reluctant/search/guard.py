"""One search at a time plans in a folder; the next takes over when that process is gone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reluctant.errors import FolderNotWritable

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it however this process ends.

    Raises:
        FolderNotWritable: another search is at work there.
    """
    with (home / ".lock").open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FolderNotWritable(
                    f"Another search is at work in {home}.", "Wait for it, or choose another --out."
                ) from None
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
