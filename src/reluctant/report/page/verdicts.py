"""How a verdict on one of several functions is shown: by a sign, a colour and a shape alike."""

from typing import NamedTuple

from reluctant.record.comparison import Verdict


class Look(NamedTuple):
    """A sign for text, a class of the style sheet, a colour, and a marker of plotly.js."""

    sign: str
    tone: str
    colour: str
    marker: str


LOOKS: dict[Verdict, Look] = {
    "better": Look("✔", "healthy", "var(--healthy)", "diamond"),
    "no difference shown": Look("○", "note", "var(--note)", "circle-open"),
    "worse": Look("✖", "error", "var(--error)", "x"),
}
