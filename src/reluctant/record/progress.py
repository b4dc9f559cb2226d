"""How far a command is that runs a script again and again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What runs now, by name, and how many runs have ended, of how many at most.

    `left` is how many seconds are left at most; None while nobody can tell.
    """

    running: tuple[str, ...]
    ended: int
    most: int
    left: float | None = None
