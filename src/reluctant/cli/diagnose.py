"""`reluctant diagnose`: findings from a record."""

import sys

import click

from reluctant.cli import options
from reluctant.record import folder

UNHEALTHY = 1
_RANK = {"never": 4, "error": 3, "warning": 2, "note": 1}


@click.command()
@click.argument("run", required=False)
@options.form
@click.option(
    "--fail-on",
    type=click.Choice(list(_RANK)),
    default="error",
    show_default=True,
    help="Exit with 1 on a finding at least as severe.",
)
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
    severity = diagnosis.severity
    sys.exit(UNHEALTHY if severity is not None and severity >= _RANK[fail_on] else 0)
