"""The command line: one thin file a subcommand."""

import sys
from typing import Any

import click

from reluctant import __version__
from reluctant.cli.diagnose import diagnose
from reluctant.cli.functions import functions
from reluctant.cli.run import run
from reluctant.cli.runs import runs
from reluctant.errors import ReluctantError

WRONG_USE = 2


class Commands(click.Group):
    """Turns our errors into one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ReluctantError as error:
            click.echo(f"reluctant: {error.sentence}\n           {error.way_out}", err=True)
            sys.exit(WRONG_USE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reluctant")
def main() -> None:
    """Watch a PyTorch training run: which units stopped learning, when, and why."""


for command in (run, diagnose, runs, functions):
    main.add_command(command)
