"""The statements, in the order in which they are made: one small file each."""

from difflib import get_close_matches

from reluctant.errors import WrongArgument
from reluctant.lecture.claim import Claim
from reluctant.lecture.claims.alpha import ALPHA
from reluctant.lecture.claims.centred import CENTRED
from reluctant.lecture.claims.cost import COST
from reluctant.lecture.claims.depth import DEPTH
from reluctant.lecture.claims.derivative import DERIVATIVE
from reluctant.lecture.claims.dying import DYING
from reluctant.lecture.claims.generalization import GENERALIZATION
from reluctant.lecture.claims.gradient import GRADIENT
from reluctant.lecture.claims.modern import MODERN
from reluctant.lecture.claims.pretraining import PRETRAINING
from reluctant.lecture.claims.silenced import LEAKY, SILENCED

_ALL = (
    DERIVATIVE,
    GENERALIZATION,
    COST,
    GRADIENT,
    CENTRED,
    DEPTH,
    PRETRAINING,
    SILENCED,
    DYING,
    LEAKY,
    ALPHA,
    MODERN,
)

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in _ALL}


def claim(name: str) -> Claim:
    """The claim of this name.

    Raises:
        WrongArgument: there is none; it names the nearest, and all.
    """
    if name not in CLAIMS:
        near = "".join(f"Did you mean {at}? " for at in get_close_matches(name, CLAIMS, n=1))
        raise WrongArgument(f"There is no claim {name!r}.", f"{near}There are {', '.join(CLAIMS)}.")
    return CLAIMS[name]
