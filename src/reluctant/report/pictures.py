"""What all pictures have in common. They are drawn by matplotlib, without pyplot and its state."""

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from reluctant.extras import needed

with needed("matplotlib", "Pictures are drawn by matplotlib", "plot"):
    # Others have them from here, where it is said what is missing.
    from matplotlib import rc_context as rc_context
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
    from matplotlib.patches import Patch as Patch

# Even in brightness, so that it stays in order for colour-blind readers and in grey (Nuñez,
# Anderton and Renslow 2018).
GRADED = "cividis"


class Picture(Axes):
    """Axes in a figure of their own, which a notebook shows. `alt` tells in words what is there."""

    alt = ""

    def _repr_html_(self) -> str:
        content = BytesIO()
        figure = self.figure
        assert isinstance(figure, Figure)
        figure.savefig(content, format="png", dpi=110)
        source = b64encode(content.getvalue()).decode()
        style = "max-width: 100%; background: white"
        return (
            f'<img alt="{escape(self.alt)}" style="{style}" src="data:image/png;base64,{source}">'
        )


def picture(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or where that is None new ones, of a size in inches."""
    if ax is not None:
        return ax
    return figure(width, height).add_subplot(axes_class=Picture)


def figure(width: float, height: float) -> Figure:
    """A figure of a size in inches, which pyplot does not know."""
    return Figure(figsize=(width, height), layout="constrained")


def legend(axes: Axes, title: str | None = None) -> None:
    """Beside the axes where the figure is ours, and otherwise where it hides least."""
    where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    ours = isinstance(axes, Picture)
    axes.legend(title=title, frameon=False, alignment="left", **where if ours else {"loc": "best"})


def log_scale(axes: Axes) -> None:
    """A logarithmic scale for the lines that are there; a cross at the bottom stands for a zero."""
    lines = [(line, np.asarray(line.get_ydata(), dtype=float)) for line in axes.get_lines()]
    positive = np.concatenate([ys[np.isfinite(ys) & (ys > 0)] for _, ys in lines])
    floor = float(positive.min()) / 3 if positive.size else 1.0
    sign: dict[str, Any] = {"linestyle": "", "marker": "x", "markersize": 7}
    for line, ys in lines:
        line.set_ydata(np.where(ys == 0, np.nan, ys))
        xs = np.asarray(line.get_xdata(), dtype=float)[ys == 0]
        axes.plot(xs, np.full(len(xs), floor), color=line.get_color(), **sign)
    if any((ys == 0).any() for _, ys in lines):
        axes.plot([], [], color="black", label="zero", **sign)
    axes.set_yscale("log")


def told(axes: Axes, alt: str) -> Axes:
    """The axes, with what is on them in words."""
    if isinstance(axes, Picture):
        axes.alt = alt
    return axes
