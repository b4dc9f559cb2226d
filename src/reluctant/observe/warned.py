"""Has warnings of torch's functions say where the script is, and not where we hand its calls on.

A warning names the caller of what warns, and each caller is told once. While a mode of ours is on,
all callers would be one line of ours, and the script's own be told again later.
"""

import sys
import warnings
from collections.abc import Callable
from types import FrameType

from torch.overrides import handle_torch_function

# The files that hand calls on.
_HANDS: set[str] = set()

# What all that is to be shown comes by, whatever the script has put in `showwarning`'s place.
_THEIRS: Callable[[warnings.WarningMessage], None] = warnings._showwarnmsg  # type: ignore[attr-defined]


def by_way_of(mode: object) -> None:
    """Calls go through this mode from now on."""
    _HANDS.add(str(sys.modules[type(mode).__module__].__file__))
    warnings._showwarnmsg = _show  # type: ignore[attr-defined]


def directly() -> None:
    """Calls go through no mode of ours any more."""
    warnings._showwarnmsg = _THEIRS  # type: ignore[attr-defined]


def _show(shown: warnings.WarningMessage) -> None:
    ours = _frame(shown.filename, shown.lineno) if shown.filename in _HANDS else None
    frame = None if ours is None else _without_us(ours)
    if ours is None or frame is None:
        _THEIRS(shown)
        return
    # That it was told from here is forgotten: from the script's place it has not been.
    ours.f_globals.pop("__warningregistry__", None)
    warnings.onceregistry.pop((str(shown.message), shown.category), None)  # type: ignore[attr-defined]
    place = frame.f_globals
    warnings.warn_explicit(
        shown.message,
        shown.category,
        frame.f_code.co_filename,
        frame.f_lineno,
        place.get("__name__"),
        place.setdefault("__warningregistry__", {}),
    )


def _frame(filename: str, lineno: int) -> FrameType | None:
    """Where the warning is said to come from."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not _is_at(frame, filename, lineno):
        frame = frame.f_back
    return frame


def _is_at(frame: FrameType, filename: str, lineno: int) -> bool:
    return frame.f_lineno == lineno and frame.f_code.co_filename == filename


def _without_us(ours: FrameType) -> FrameType | None:
    """Where it would come from if we were not there: as far above the last of us as `ours` is."""
    above = 0
    found: FrameType | None = sys._getframe(2)
    while found is not None and found.f_code.co_filename not in _HANDS:
        found = found.f_back
    while found is not None and found is not ours:
        above, found = above + 1, found.f_back
    while found is not None and found.f_code.co_filename in _HANDS:
        found = found.f_back
    # What torch wrote in Python is entered twice: it asks whether there is a mode, and hands over.
    if found is not None and found.f_code is handle_torch_function.__code__:
        found = found.f_back and found.f_back.f_back
    for _ in range(above):
        found = found and found.f_back
    return found
