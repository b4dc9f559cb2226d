"""In whose place other activation functions are put."""

from collections.abc import Sequence

from reluctant.activations import FAMILIES
from reluctant.errors import WrongArgument
from reluctant.record.run import Run
from reluctant.swapping import replacement

# The families of the catalogue that are made to stand between layers. What squashes, as a gate or
# an output does, is left alone.
_BETWEEN = ("rectifiers", "exponential", "gated")


def replaced(run: Run, sites: Sequence[str] = ()) -> tuple[str, ...]:
    """The functions in a run that others can stand in for: at these sites, or all between layers.

    Raises:
        WrongArgument: there is none, or no such site.
    """
    names = {at.index: at.name for at in run.functions}
    known = {at.name: names[at.function] for at in run.sites}
    if sites:
        numbered = [at for at in sites if "#" in at]
        if numbered:
            raise WrongArgument(
                f"Calls in one module, as {numbered[0]}, cannot be told apart while it runs.",
                "Name the module and the function alone, and all such calls of it are meant.",
            )
        missing = [at for at in sites if at not in known]
        if missing:
            there = ", ".join(list(known)[:12]) or "none"
            raise WrongArgument(f"There is no site {missing[0]}.", f"There are: {there}.")
        return tuple(dict.fromkeys(known[at] for at in sites))
    met = between(run)
    if not met:
        others = ", ".join(dict.fromkeys(names.values())) or "no activation function at all"
        raise WrongArgument(
            f"No rectifier between layers was met in the script; there is {others}.",
            "Name where candidates are to stand with --at SITE, as `reluctant diagnose` has them.",
        )
    return met


def between(run: Run) -> tuple[str, ...]:
    """The functions in a run that stand between layers."""
    usual = {at.name for family in _BETWEEN for at in FAMILIES[family]}
    names = {at.index: at.name for at in run.functions}
    found = (names[at.function] for at in run.sites if not at.last)
    return tuple(dict.fromkeys(name for name in found if name in usual))


def swaps(candidate: str, replaced: Sequence[str]) -> tuple[str, ...]:
    """Options of `reluctant run` that put a candidate in their place; none if it is all of them.

    Raises:
        UnknownActivation: there is no such function; it names the nearest.
        WrongArgument: it cannot stand in another's place.
    """
    own = str(replacement(candidate))
    found: list[str] = []
    for old in replaced:
        if own != old:
            found += ["--swap", f"{old}={candidate}"]
    return tuple(found)
