"""Every function that is known, by name."""

from difflib import get_close_matches

from reluctant.activations import bounded, exponential, gated, rectifiers, shaped
from reluctant.activations.definition import Activation, Shaped
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

SHAPED: dict[str, Shaped] = {at.name: at for at in shaped.FAMILY}

_ALIASES = {alias: at.name for at in CATALOGUE.values() for alias in at.aliases}


def lookup(name: str) -> Activation | Shaped:
    """The function called `name`; aliases, capitals and hyphens are understood.

    Raises:
        UnknownActivation: there is none; it names the nearest.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    plain = name.strip().lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    if plain in SHAPED:
        return SHAPED[plain]
    if plain not in CATALOGUE:
        near = get_close_matches(plain, [*CATALOGUE, *SHAPED, *_ALIASES], n=3)
        raise UnknownActivation.near(name, near)
    return CATALOGUE[plain]
