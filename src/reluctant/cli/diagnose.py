"""`reluctant diagnose`: findings from a record."""

import sys

import click

from reluctant.cli import options
from reluctant.record import folder


@click.command()
@click.argument("run", required=False)
@options.form
@options.fail_on
def diagnose(run: str | None, form: str, fail_on: str) -> None:
    """Say what was wrong in RUN: a folder, a run's name or its beginning; by default the newest.

    Exits with 0 if nothing was found at or above --fail-on, with 1 otherwise, and with 2 when
    there is no such run.
    """
    from reluctant.diagnosis import diagnose as examine
    from reluctant.record.reader import load
    from reluctant.report import document, terminal

    found = load(folder.find(run))
    diagnosis = examine(found)
    if form == "json":
        click.echo(document.dumps(found, diagnosis))
    else:
        terminal.show(terminal.verdict(found, diagnosis, whole=True))
    sys.exit(options.exit_code(diagnosis, fail_on))
