"""A training script of the ward, and what a right diagnosis of it may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SCRIPTS = Path(__file__).resolve().parent / "scripts"


@dataclass(frozen=True)
class Case:
    """A script under scripts/sick or scripts/healthy, unaware of being measured.

    Whether it is sick in a given run is decided by measurement, seed by seed (truth.py).
    """

    name: str
    """The script's file name without .py."""

    forward: str
    """Expression in the script's globals after it ran: the whole training set through the model."""

    better: Literal["high", "low"]
    """Whether a higher or a lower result is better."""

    findings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Sick: every slug that would be a right answer, with its right causes (none given: any)."""

    source: str = ""
    """Where the case is known from: a paper, a thread, a textbook."""

    @property
    def sick(self) -> bool:
        """Whether the script carries a fault, and takes --fixed."""
        return bool(self.findings)

    @property
    def script(self) -> Path:
        """The file that is run."""
        return SCRIPTS / ("sick" if self.sick else "healthy") / f"{self.name}.py"
