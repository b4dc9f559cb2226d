"""Functions and their derivatives as a picture; needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reluctant.errors import WrongArgument
from reluctant.report.canvas import saved

# Apart for colour-blind readers (Okabe and Ito 2008), and told apart by the stroke as well.
_FUNCTION, _SLOPE, _FLAT = "#0072B2", "#D55E00", "#BBBBBB"


def draw(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One small diagram a function, side by side, into a file whose ending tells its kind.

    Raises:
        WrongArgument: matplotlib is not there, no function has a curve, or the ending is unknown.
        FolderNotWritable: the file cannot be written.
    """
    entries = [entry for entry in entries if "curve" in entry]
    if not entries:
        raise WrongArgument("There is no curve to draw.", "Name a function of one input.")
    columns = min(4, len(entries))
    rows = -(-len(entries) // columns)
    with saved(path, 4.2 * columns, 3.2 * rows) as figure:
        for at, entry in enumerate(entries, start=1):
            _diagram(figure.add_subplot(rows, columns, at), entry)


def _diagram(axes: Any, entry: Mapping[str, Any]) -> None:
    for (xs, ys), colour, style, label in (
        (entry["curve"], _FUNCTION, "-", "f(z)"),
        (entry["slope"], _SLOPE, "--", "f\u2032(z)"),
    ):
        axes.plot(xs, ys, style, color=colour, label=label, linewidth=1.6)
    left, right = entry["curve"][0][0], entry["curve"][0][-1]
    for low, high in entry["flat"]:
        axes.axvspan(max(low, left), min(high, right), color=_FLAT, alpha=0.35, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_xlim(left, right)
    axes.set_ylim(-2.2, 4.2)
    axes.set_title(entry["name"])
    axes.set_xlabel("z")
    axes.legend(loc="upper left", frameon=False)
