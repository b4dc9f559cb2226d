"""How lines differ from one another, and areas: without matplotlib, which draws them."""

from itertools import cycle, islice
from typing import NamedTuple

# Apart for colour-blind readers (Okabe and Ito 2008).
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#BBBBBB"
_COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX*"
_DASHES = ("-", "--", ":", "-.")


class Stroke(NamedTuple):
    """How one line differs from the others: never by colour alone."""

    color: str
    linestyle: str
    marker: str


def strokes(count: int) -> list[Stroke]:
    """So many, the first seven of them of different colours."""
    looks = zip(cycle(_COLOURS), cycle(_DASHES), cycle(_MARKERS), strict=False)
    return [Stroke(*look) for look in islice(looks, count)]
