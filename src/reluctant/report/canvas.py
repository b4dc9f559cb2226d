"""An empty picture that goes into a file once it is drawn; needs matplotlib."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reluctant.errors import FolderNotWritable, WrongArgument


@contextmanager
def saved(path: Path, width: float, height: float) -> Iterator[Any]:
    """A figure of matplotlib's, in inches, for a file whose ending tells its kind.

    Raises:
        NotInstalled: matplotlib is not there.
        WrongArgument: the ending is unknown.
        FolderNotWritable: the file cannot be written.
    """
    # Not at the top: what is drawn is shown without matplotlib, too.
    from reluctant.report import pictures

    # The same file each time: neither a date nor random names in it.
    with pictures.rc_context({"svg.hashsalt": "reluctant", "svg.fonttype": "none"}):
        figure = pictures.figure(width, height)
        yield figure
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
