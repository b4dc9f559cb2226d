"""Fills in a page: its template, style sheet and script lie beside this file."""

import base64
import json
import zlib
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reluctant import __version__
from reluctant.extras import needed
from reluctant.report.page.figure import Figure, Numbers
from reluctant.report.page.library import javascript
from reluctant.words import number, percent, plural

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent


def filled(
    name: str, figures: Iterable[Figure], numbers: Numbers, state: str | None = None, **content: Any
) -> str:
    """A page with all that its script needs: it asks no network for anything.

    Args:
        name: the template's.
        figures: where they are on the page is said by their keys.
        numbers: those of the figures.
        state: what a server calls the state of what is shown; None if nobody serves it.
        content: what the template takes besides.

    Raises:
        NotInstalled: a library that the page needs is not there.
    """
    library = javascript()
    return _template(name).render(
        library=_packed(library.encode()),
        figures=_packed(_dumps({at.key: at.content() for at in figures}).encode()),
        numbers=_packed(numbers.bytes()),
        state=state,
        version=__version__,
        **content,
    )


def ready() -> None:
    """Find out whether a page can be made, before there is anything to put into it.

    Raises:
        NotInstalled: a library that it needs is not there.
    """
    javascript()
    _template("base.html")


def _template(name: str) -> "Template":
    """What is put into it is text, and escaped."""
    with needed("jinja2", "A report is filled in by jinja2", "report"):
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "plural": plural}
    environment.globals |= {
        name: Markup((HERE / f"page.{name}").read_text(encoding="utf-8")) for name in ("css", "js")
    }
    return environment.get_template(name)


def _dumps(content: Any) -> str:
    """JSON without what it has no word for."""
    return json.dumps(_finite(content), allow_nan=False, separators=(",", ":"), sort_keys=True)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    return None if isinstance(content, float) and not isfinite(content) else content


def _packed(content: bytes) -> str:
    """Deflated, and in letters: what the page's script unpacks."""
    return base64.b64encode(zlib.compress(content, 6)).decode()
