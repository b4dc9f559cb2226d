"""The page's template, style sheet and script, which lie beside this file."""

from pathlib import Path
from typing import TYPE_CHECKING

from reluctant.extras import needed
from reluctant.words import number, percent, plural

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent


def template() -> "Template":
    """The template; what is put into it is text, and escaped.

    Raises:
        NotInstalled: jinja2 is not installed.
    """
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
    return environment.get_template("page.html")
