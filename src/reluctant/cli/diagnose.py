"""`reluctant diagnose`: findings from a record."""

import sys
from math import isfinite

import click

from reluctant.cli import options
from reluctant.record import folder


@click.command()
@click.argument("run", required=False)
@options.form
@options.fail_on
@click.option(
    "--certify",
    "wanted",
    is_flag=True,
    help="Say which dead units are dead for every input in the range that was observed.",
)
@click.option(
    "--box",
    metavar="LOW,HIGH",
    help="Certify for all inputs between these, instead of those in the observed range.",
)
def diagnose(run: str | None, form: str, fail_on: str, wanted: bool, box: str | None) -> None:
    """Say what was wrong in RUN: a folder, a run's name or its beginning; by default the newest.

    Exits with 0 if nothing was found at or above --fail-on, with 1 otherwise, and with 2 when
    there is no such run.
    """
    if box is not None and not wanted:
        raise click.UsageError("--box goes with --certify.")
    limits = None if box is None else _limits(box)
    from reluctant.diagnosis import diagnose as examine
    from reluctant.diagnosis.certify import Box, certify
    from reluctant.record.reader import load
    from reluctant.report import document, terminal

    found = load(folder.find(run))
    diagnosis = examine(found)
    if wanted:
        diagnosis = certify(found, diagnosis, None if limits is None else Box(*limits))
    if form == "json":
        click.echo(document.dumps(found, diagnosis))
    else:
        terminal.show(terminal.verdict(found, diagnosis, whole=True))
    sys.exit(options.exit_code(diagnosis, fail_on))


def _limits(box: str) -> tuple[float, float]:
    """The two ends of LOW,HIGH."""
    try:
        low, high = map(float, box.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not (isfinite(low) and isfinite(high) and low <= high):
        raise click.BadParameter(
            f"{box!r} is not LOW,HIGH: two numbers, the lower first.", param_hint="--box"
        )
    return low, high
