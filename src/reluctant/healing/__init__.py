"""`run --heal`: what is found while a script runs is treated there and then, and watched."""

from reluctant.healing.consent import Asking
from reluctant.healing.healer import Healer

__all__ = ["Asking", "Healer"]
