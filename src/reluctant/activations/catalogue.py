"""Every function that is known, by name."""

from difflib import get_close_matches

from reluctant.activations import bounded, exponential, gated, rectifiers
from reluctant.activations.definition import Activation
from reluctant.errors import UnknownActivation

FAMILIES: dict[str, tuple[Activation, ...]] = {
    "rectifiers": rectifiers.FAMILY,
    "exponential": exponential.FAMILY,
    "gated": gated.FAMILY,
    "bounded": bounded.FAMILY,
}

CATALOGUE: dict[str, Activation] = {
    activation.name: activation for family in FAMILIES.values() for activation in family
}

_ALIASES = {alias: at.name for at in CATALOGUE.values() for alias in at.aliases}


def lookup(name: str) -> Activation:
    """The activation called `name`; aliases, capitals and hyphens are understood.

    Raises:
        UnknownActivation: there is none; it names the nearest.
    """
    plain = name.strip().lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    if plain not in CATALOGUE:
        near = get_close_matches(plain, [*CATALOGUE, *_ALIASES], n=3)
        raise UnknownActivation.near(name, near)
    return CATALOGUE[plain]
