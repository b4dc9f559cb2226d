"""The stack of torch's function modes: ours go on below the script's, and off wherever they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import overrides
from torch.overrides import (  # type: ignore[attr-defined]
    TorchFunctionMode,
    _len_torch_function_stack,
    _pop_mode,
    _push_mode,
)

from reluctant.observe import warned

_HAS_TORCH_FUNCTION = overrides.has_torch_function

# Those of ours that are on: one, or several where models are watched one by one.
_OURS: set[TorchFunctionMode] = set()


def enter(ours: TorchFunctionMode) -> None:
    """Put a mode below any of the script's own, so that it can leave its own first."""
    above = [mode for mode in _all_popped() if mode is not ours]
    # torch's default-device mode must stay at the very bottom.
    if above and type(above[-1]).__name__ == "DeviceContext":
        _push_mode(above.pop())
    _push_mode(ours)
    for mode in reversed(above):
        _push_mode(mode)
    _OURS.add(ours)
    overrides.has_torch_function = _theirs  # type: ignore[assignment]
    warned.by_way_of(ours)


def leave(ours: TorchFunctionMode) -> None:
    """Take a mode off this thread's stack.

    Another thread's is out of reach: what stands there goes when that thread comes by here, and is
    to pass every call on until then.
    """
    _OURS.discard(ours)
    if not _OURS:
        overrides.has_torch_function = _HAS_TORCH_FUNCTION
        warned.directly()
    for mode in reversed(_all_popped()):
        if mode is not ours:
            _push_mode(mode)


@contextmanager
def aside() -> Iterator[None]:
    """Have none of ours on in the body."""
    modes = _all_popped()[::-1]
    for mode in modes:
        if mode not in _OURS:
            _push_mode(mode)
    try:
        yield
    finally:
        _all_popped()
        for mode in modes:
            _push_mode(mode)


def _all_popped() -> list[TorchFunctionMode]:
    """This thread's modes, the innermost first, taken off its stack."""
    return [_pop_mode() for _ in range(_len_torch_function_stack())]


def _theirs(arguments: Iterable[Any]) -> bool:
    """Whether anyone but us overrides torch's functions.

    torch's transformer layers ask before they take their fused path in evaluation. Asked
    while we look, the answer would be yes, and the last digits of their output others.
    """
    modes = _all_popped()
    try:
        theirs = any(mode not in _OURS for mode in modes)
        return theirs or bool(_HAS_TORCH_FUNCTION(arguments))
    finally:
        for mode in reversed(modes):
            _push_mode(mode)
