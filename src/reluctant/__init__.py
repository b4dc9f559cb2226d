"""Watches a PyTorch training run, finds the units that stopped learning, and says why."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reluctant.diagnose import diagnose as diagnose
    from reluctant.record.run import Run as Run
    from reluctant.record.store import load as load

# Public names by the module that holds them. Nothing is imported before it is asked for: a
# script started by `reluctant run` must be the first to import torch and numpy.
_HOME = {
    "diagnose": "reluctant.diagnose",
    "load": "reluctant.record.store",
    "Run": "reluctant.record.run",
}

__all__ = ["Run", "__version__", "diagnose", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reluctant' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
