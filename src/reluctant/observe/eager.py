"""Has what is compiled run uncompiled while anybody looks: compiled, it shows no activation."""

from typing import Any

import torch

# Several may look at once, and each leaves when it will: the stance is one for all of them.
_looking = 0
_stance: Any = None


def enter() -> None:
    """Somebody looks from now on."""
    global _looking, _stance
    _looking += 1
    if _looking == 1 and hasattr(torch.compiler, "set_stance"):
        _stance = torch.compiler.set_stance("force_eager")


def leave() -> None:
    """One who looked does not any more."""
    global _looking, _stance
    _looking -= 1
    if not _looking and _stance is not None:
        stance, _stance = _stance, None
        stance.__exit__(None, None, None)
