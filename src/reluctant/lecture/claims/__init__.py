"""The statements, in the order in which they are made: one small file each."""

from reluctant.errors import WrongArgument
from reluctant.lecture.claim import Claim
from reluctant.lecture.claims.centred import CENTRED
from reluctant.lecture.claims.cost import COST
from reluctant.lecture.claims.derivative import DERIVATIVE
from reluctant.lecture.claims.gradient import GRADIENT

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in (DERIVATIVE, COST, GRADIENT, CENTRED)}


def claim(name: str) -> Claim:
    """The claim of this name.

    Raises:
        WrongArgument: there is none.
    """
    if name not in CLAIMS:
        raise WrongArgument(f"There is no claim {name!r}.", f"There are {', '.join(CLAIMS)}.")
    return CLAIMS[name]
