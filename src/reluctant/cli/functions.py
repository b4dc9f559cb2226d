"""`reluctant functions`: the catalogue of activation functions."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from reluctant.cli import options

if TYPE_CHECKING:
    from reluctant.activations import Activation


@click.command()
@click.argument("name", required=False)
@options.form
def functions(name: str | None, form: str) -> None:
    """List the activation functions that are known, or show the one called NAME."""
    from reluctant.activations import CATALOGUE, lookup
    from reluctant.report import functions as pages
    from reluctant.report import terminal

    entries = [_entry(at) for at in ([lookup(name)] if name else CATALOGUE.values())]
    if form == "json":
        content = entries[0] if name else entries
        click.echo(json.dumps(_finite(content), indent=2, ensure_ascii=False))
    elif name:
        terminal.show(pages.page(entries[0]))
    else:
        terminal.show(pages.table(entries))


def _entry(activation: "Activation") -> dict[str, Any]:
    from reluctant.activations import gains

    values = activation.values()
    return {
        "name": activation.name,
        "aliases": activation.aliases,
        "formula": activation.formula,
        "latex": activation.latex,
        "parameters": values,
        "trainable": sorted(activation.trainable),
        "flat": activation.flat_regions(),
        "kinks": activation.kinks(**values),
        "range": activation.range(**values),
        "monotone": activation.monotone,
        "zero_centred": activation.zero_centred,
        "forward_gain": gains.forward_gain(activation),
        "backward_gain": gains.backward_gain(activation),
        "torch": activation.calls,
        "reference": activation.reference,
        "curve": activation.curve(),
        "slope": activation.slope_curve(),
    }


def _finite(content: Any) -> Any:
    """JSON has no infinity: it becomes null."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content
