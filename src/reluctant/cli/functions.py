"""`reluctant functions`: the catalogue of activation functions."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

import click

from reluctant.cli import options


@click.command()
@click.argument("name", required=False)
@options.form
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the function and its derivative into FILE (.svg, .png or .pdf).",
)
def functions(name: str | None, form: str, plot: Path | None) -> None:
    """List the activation functions that are known, or show the one called NAME."""
    from reluctant.activations import CATALOGUE, SHAPED, lookup
    from reluctant.facts import facts
    from reluctant.report import curves, terminal
    from reluctant.report import functions as pages

    entries = [facts(of) for of in ([lookup(name)] if name else (CATALOGUE | SHAPED).values())]
    if plot is not None:
        curves.draw(entries, plot)
    elif form == "json":
        content = entries[0] if name else entries
        click.echo(json.dumps(_finite(content), indent=2, ensure_ascii=False))
    elif name:
        terminal.show(pages.page(entries[0]))
    else:
        terminal.show(pages.table(entries))


def _finite(content: Any) -> Any:
    """JSON has no infinity: it becomes null."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content
