"""Functions and their derivatives as a picture; needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reluctant.errors import FolderNotWritable, WrongArgument


def draw(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One small diagram a function, side by side, into a file whose ending tells its kind.

    Raises:
        WrongArgument: matplotlib is not there, no function has a curve, or the ending is unknown.
        FolderNotWritable: the file cannot be written.
    """
    # Not at the top: the catalogue is shown without matplotlib, too.
    from reluctant.report import pictures

    entries = [entry for entry in entries if "curve" in entry]
    if not entries:
        raise WrongArgument("There is no curve to draw.", "Name a function of one input.")
    columns = min(4, len(entries))
    rows = -(-len(entries) // columns)
    from matplotlib import rc_context

    # The same file each time: neither a date nor random names in it.
    with rc_context({"svg.hashsalt": "reluctant", "svg.fonttype": "none"}):
        figure = pictures.figure(4.2 * columns, 3.2 * rows)
        for at, entry in enumerate(entries, start=1):
            diagram(figure.add_subplot(rows, columns, at), entry)
        dated = {"Date": None} if path.suffix.lower() in (".svg", "") else None
        try:
            figure.savefig(path, metadata=dated, dpi=150)
        except ValueError as error:
            raise WrongArgument(str(error) + ".", "Name a file as curve.svg or .png.") from None
        except OSError as error:
            raise FolderNotWritable(
                f"No picture can be written to {path} ({error.strerror or error}).",
                "Choose another place.",
            ) from None


def diagram(axes: Any, entry: Mapping[str, Any]) -> None:
    """One function and its derivative, told apart by the stroke as well; where it is flat in grey.

    Args:
        axes: matplotlib's, to draw on.
        entry: of the function's facts the `name`, `curve`, `slope` and `flat`.
    """
    from reluctant.report.pictures import BLUE, GREY, VERMILION

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
