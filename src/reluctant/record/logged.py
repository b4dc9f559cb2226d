"""What a script says of itself by `reluctant.log`: lines beside what is observed.

Needs neither torch nor numpy; outside an observed run it does nothing.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path

from reluctant.errors import WrongArgument
from reluctant.record import schema

# The folders of the runs that are being recorded in this process, each with the process's id: what
# a forked worker says is not the run's.
_open: dict[Path, int] = {}


def log(step: int | None = None, /, **values: float) -> None:
    """Write numbers of your own into the record of the run, if the script runs in one.

        reluctant.log(accuracy=0.97)
        reluctant.log(step, accuracy=accuracy, error=1 - accuracy)

    Under plain `python` it does nothing. `reluctant compare --metric accuracy` compares runs by the
    last value; in Python, `reluctant.logged(path)` has all.

    Args:
        step: of what training, if you count.
        values: numbers, or what `float` makes one of, as a tensor of one element.

    Raises:
        WrongArgument: one is no number.
    """
    folders = [folder for folder, pid in _open.items() if pid == os.getpid()]
    if not folders:
        return
    line = json.dumps(
        {"step": step, "values": {name: _number(name, values[name]) for name in values}}
    )
    for folder in folders:
        # As with all that is observed: a disk that is full is no reason to end a training.
        with suppress(OSError), (folder / schema.LOGGED).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _number(name: str, value: object) -> float | str:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        raise WrongArgument(
            f"reluctant.log takes numbers, and {name} is {value!r:.60}.",
            "Give its mean, or another.",
        ) from None
    # JSON knows no infinity.
    return number if isfinite(number) else str(number)


def begin(folder: Path) -> None:
    """From now on what this process says goes there too."""
    _open[folder] = os.getpid()


def end(folder: Path) -> None:
    """And from now on no more."""
    _open.pop(folder, None)


def logged(folder: str | Path) -> dict[str, list[tuple[int | None, float]]]:
    """What the run in this folder said of itself: by name, each step and value, in their order."""
    found: dict[str, list[tuple[int | None, float]]] = {}
    for step, values in _lines(Path(folder) / schema.LOGGED):
        for name, value in values.items():
            found.setdefault(name, []).append((step, float(value)))
    return found


def _lines(file: Path) -> Iterator[tuple[int | None, dict[str, float | str]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        # The last one may have been cut off by a kill.
        with suppress(ValueError, KeyError, TypeError):
            content = json.loads(line)
            yield content["step"], content["values"]
