"""`reluctant check`: a script's first steps, or a model alone, and a verdict for whoever waits."""

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from reluctant.cli import options
from reluctant.errors import NothingChecked
from reluctant.observe import launch
from reluctant.observe.launcher import launches
from reluctant.observe.session import Session

if TYPE_CHECKING:
    from reluctant.record.run import Run


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--steps", type=click.IntRange(2), default=30, show_default=True, help="Stop after so many."
)
@options.as_module
@click.option(
    "--model", "factory", metavar="MODULE:NAME", help="Check what this returns, without a script."
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SHAPE",
    help="An input of the model, as 64,3,32,32; of integers below 1000, as 64,128:1000.",
)
@options.seed
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Keep the record in this folder."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, or as annotations of a pull request.",
)
@options.fail_on
@click.argument("script", required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def check(
    steps: int,
    module: bool,
    factory: str | None,
    inputs: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    form: str,
    fail_on: str,
    script: str | None,
    args: tuple[str, ...],
) -> None:
    """Run the first steps of SCRIPT, watch all of them, stop it, and say what is wrong.

    What the script prints goes to stderr, the verdict to stdout. Exits with 0 if nothing was found
    at or above --fail-on and the script did not fail, with 1 otherwise, and with 2 if no step could
    be observed.
    """
    if (script is None) == (factory is None):
        raise click.UsageError("Give a SCRIPT, or a model with --model MODULE:NAME.")
    if bool(inputs) != (factory is not None):
        raise click.UsageError("--model and --input go together.")
    stdout = _aside()
    with tempfile.TemporaryDirectory(prefix="reluctant-") as scratch:
        place = out or Path(scratch) / "run"
        if factory is not None:
            run = _model(factory, inputs, steps, seed, place)
        else:
            assert script is not None
            run = _script(script, args, module, steps, seed, place)
        run = run if out is not None else replace(run, path=None)
        code = _report(run, stdout, form, fail_on)
    sys.exit(code)


def _aside() -> TextIO:
    """From now on what anybody writes to stdout goes to stderr; the true stdout is ours alone."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(2, 1)
    return kept


def _script(
    script: str, args: tuple[str, ...], module: bool, steps: int, seed: int | None, place: Path
) -> "Run":
    if launches(script, module):
        raise NothingChecked(
            f"{script} starts other processes, which are not stopped after some steps.",
            "Check the script that it starts: `reluctant check SCRIPT`.",
        )
    program = launch.module(script, args) if module else launch.script(script, args)
    session = Session(
        program.name, program.argv[1:], module, out=place, seed=seed, every=1, until=steps
    )
    outcome = program.run()
    if not session.here:
        # A fork of the script's that has come to its end: all that follows is its parent's.
        sys.stdout.flush()
        os._exit(outcome.exit_code)
    return _seen(session, outcome.exit_code)


def _model(
    factory: str, inputs: tuple[str, ...], steps: int, seed: int | None, place: Path
) -> "Run":
    from reluctant.observe import trial

    sys.path.insert(0, os.getcwd())
    session = Session(factory, inputs, out=place, seed=seed or 0, every=1)
    trial.run(factory, inputs, steps)
    return _seen(session, 0)


def _seen(session: Session, exit_code: int) -> "Run":
    """The record of what ran.

    Raises:
        NothingChecked: no step was seen.
    """
    from reluctant.record.reader import load

    session.finish(exit_code)
    if session.complaint is not None or session.path is None:
        raise session.complaint or NothingChecked(
            "Nothing could be recorded.", "Look whether there is room in the temporary folder."
        )
    run = load(session.path)
    if run.info.failure is not None:
        raise NothingChecked("Observation failed.", run.info.failure)
    if not run.samples:
        ended = f"It ended with exit code {exit_code}. " if exit_code else ""
        raise NothingChecked(
            f"{run.info.script} took no step that could be observed.",
            f"{ended}A step is an optimizer's, or, where there is none, a backward pass.",
        )
    return run


def _report(run: "Run", stdout: TextIO, form: str, fail_on: str) -> int:
    from reluctant.diagnosis import diagnose
    from reluctant.report import annotations, document, terminal

    diagnosis = diagnose(run)
    if form == "json":
        click.echo(document.dumps(run, diagnosis), file=stdout)
    elif form == "github":
        for line in annotations.lines(run, diagnosis):
            click.echo(line, file=stdout)
    else:
        terminal.show(terminal.verdict(run, diagnosis, whole=True), stdout)
    stdout.flush()
    # A script that fails before it is stopped is not healthy, whatever its units do.
    return options.exit_code(diagnosis, fail_on) or int(bool(run.info.exit_code))
