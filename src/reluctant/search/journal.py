"""The file that a search on one machine is kept in, whole whenever its writer is killed."""

from pathlib import Path
from typing import IO, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class _Lock(JournalFileOpenLock):
    """Let go of by the system when its holder dies; Optuna's own is waited for half a minute."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._held: IO[Any] | None = None

    def acquire(self) -> bool:
        """Wait until nobody else has it."""
        file = self._path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        self._held = file
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._held is not None:
            self._held.close()
            self._held = None


def journal(path: Path) -> JournalStorage:
    """The storage in this file, made if it is not there; a last line that was cut off is lost."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
    lock = None if fcntl is None else _Lock(path.with_name(f"{path.name}.lock"))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
