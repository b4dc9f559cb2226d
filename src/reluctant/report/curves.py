"""Functions and their derivatives as a picture; needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reluctant.errors import WrongArgument
from reluctant.report.canvas import saved


def draw(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One small diagram a function, side by side, into a file whose ending tells its kind.

    Raises:
        NotInstalled: matplotlib is not there.
        WrongArgument: no function has a curve, or the ending is unknown.
        FolderNotWritable: the file cannot be written.
    """
    entries = [entry for entry in entries if "curve" in entry]
    if not entries:
        raise WrongArgument("There is no curve to draw.", "Name a function of one input.")
    columns = min(4, len(entries))
    rows = -(-len(entries) // columns)
    with saved(path, 4.2 * columns, 3.2 * rows) as figure:
        for at, entry in enumerate(entries, start=1):
            diagram(figure.add_subplot(rows, columns, at), entry)


def diagram(axes: Any, entry: Mapping[str, Any]) -> None:
    """One function and its derivative, told apart by the stroke as well; where it is flat in grey.

    Args:
        axes: matplotlib's, to draw on.
        entry: of the function's facts the `name`, `curve`, `slope` and `flat`.
    """
    from reluctant.report.strokes import BLUE, GREY, VERMILION

    for (xs, ys), colour, style, label in (
        (entry["curve"], BLUE, "-", "f(z)"),
        (entry["slope"], VERMILION, "--", "f\u2032(z)"),
    ):
        axes.plot(xs, ys, style, color=colour, label=label, linewidth=1.6)
    left, right = entry["curve"][0][0], entry["curve"][0][-1]
    for low, high in entry["flat"]:
        axes.axvspan(max(low, left), min(high, right), color=GREY, alpha=0.35, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_xlim(left, right)
    axes.set_ylim(-2.2, 4.2)
    axes.set_title(entry["name"])
    axes.set_xlabel("z")
    axes.legend(loc="upper left", frameon=False)
