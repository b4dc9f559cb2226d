"""Watches a PyTorch training run, finds the units that stopped learning, and says why."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reluctant.activations.expression import expression as expression
    from reluctant.activations.register import register as register
    from reluctant.diagnosis import diagnose as diagnose
    from reluctant.initialization.initialize import initialize as initialize
    from reluctant.initialization.tailor import tailor as tailor
    from reluctant.monitor import heal as heal
    from reluctant.monitor import watch as watch
    from reluctant.pruning import prune as prune
    from reluctant.record.logged import log as log
    from reluctant.record.logged import logged as logged
    from reluctant.record.reader import load as load
    from reluctant.record.run import Run as Run
    from reluctant.swapping import swap as swap
    from reluctant.sweeping import lr_range as lr_range

# Public names by the module that holds them. Nothing is imported before it is asked for: a
# script started by `reluctant run` must be the first to import torch and numpy.
_HOME = {
    "diagnose": "reluctant.diagnosis",
    "expression": "reluctant.activations.expression",
    "heal": "reluctant.monitor",
    "initialize": "reluctant.initialization.initialize",
    "lr_range": "reluctant.sweeping",
    "tailor": "reluctant.initialization.tailor",
    "prune": "reluctant.pruning",
    "register": "reluctant.activations.register",
    "swap": "reluctant.swapping",
    "watch": "reluctant.monitor",
    "log": "reluctant.record.logged",
    "logged": "reluctant.record.logged",
    "load": "reluctant.record.reader",
    "Run": "reluctant.record.run",
}

# Modules that people reach by attribute, as in `reluctant.nn.SiLU`.
_MODULES = ("functional", "nn", "plot")

__all__ = [
    "Run",
    "__version__",
    "diagnose",
    "expression",
    "heal",
    "initialize",
    "load",
    "log",
    "logged",
    "lr_range",
    "prune",
    "register",
    "swap",
    "tailor",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"reluctant.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'reluctant' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
