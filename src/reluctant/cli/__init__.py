"""The command line: one thin file a subcommand, imported when it is asked for."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from reluctant import __version__
from reluctant.errors import ReluctantError

WRONG_USE = 2

# Each is a function of its own name in a module of its own name.
_COMMANDS = (
    "run",
    "live",
    "check",
    "diagnose",
    "report",
    "trial",
    "lr",
    "compare",
    "search",
    "worker",
    "lecture",
    "runs",
    "functions",
)


class Commands(click.Group):
    """Turns our errors into one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ReluctantError as error:
            click.echo(f"reluctant: {error.sentence}\n           {error.way_out}", err=True)
            sys.exit(WRONG_USE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the subcommand's module; the others' cost a script's start nothing."""
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"reluctant.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reluctant")
def commands() -> None:
    """Watch a PyTorch training run: which units stopped learning, when, and why."""


def main() -> None:
    """Carry out the command line, and then what a subcommand leaves in the context's object.

    A script runs there, where click's frames do not lie below its own: they would take from the
    depth to which it may recurse.
    """
    left: list[Callable[[], int]] = []
    try:
        commands(obj=left)
    except SystemExit:
        if not left:
            raise
    sys.exit(left[0]())
