"""plotly.js, read from the package that brings it. The package is not imported: that is slow."""

from importlib.util import find_spec
from pathlib import Path

from reluctant.errors import NotInstalled


def javascript() -> str:
    """The library's text.

    Raises:
        NotInstalled: plotly is not installed.
    """
    found = find_spec("plotly")
    for place in (found and found.submodule_search_locations) or ():
        path = Path(place) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise NotInstalled.of("The figures of a report are drawn by plotly", "report")
