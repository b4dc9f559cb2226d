"""`reluctant lr`: a sweep of learning rates over a script that nobody changed."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from reluctant.cli import options
from reluctant.errors import NothingSwept
from reluctant.observe import launch
from reluctant.observe.launcher import launches
from reluctant.record import folder

if TYPE_CHECKING:
    from reluctant.record.sweep import Sweep

UNFIT = 1
INTERRUPTED = 130

# How many rates a sweep takes when the script's own is not far off.
USUAL = 9


@click.command(context_settings={"allow_interspersed_args": False})
@options.as_module
@click.option(
    "--steps",
    type=click.IntRange(10),
    default=100,
    show_default=True,
    help="How many each run takes before it is stopped.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many, from 0 on."
)
@options.seed_argument
@options.jobs
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the records in this folder; what has ended there is not run again. By default "
    "none is kept.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw loss and dead units against the rate into FILE (.svg, .png or .pdf).",
)
@options.form
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def lr(
    module: bool,
    steps: int,
    seeds: int,
    seed_arg: str | None,
    jobs: int,
    out: Path | None,
    plot: Path | None,
    form: str,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run the first steps of SCRIPT at one learning rate after another.

    Names the largest rate that learns and kills no one. Each run starts anew, in a process of its
    own, with all rates of the script multiplied by the same factor. Exits with 1 if the script's
    own rate kills or does not learn, with 0 otherwise, and with 2 if nothing can be swept.
    """
    if launches(script, module):
        raise NothingSwept(
            f"{script} starts other processes, which are not stopped after some steps.",
            "Sweep the script that it starts: `reluctant lr SCRIPT`.",
        )
    if not module:
        launch.script(script, args)  # found out now, and not in every run
    from reluctant.report import bar
    from reluctant.trials.plan import Plan
    from reluctant.trials.sweep import Sweeper
    from reluctant.trials.tried import Tried

    plan = Plan(script, args, module, seed_arg, every=1, until=steps)
    tried = Tried(script, steps, seeds)
    whole = True
    with TemporaryDirectory(prefix="reluctant-") as scratch, bar.runs(USUAL * seeds) as tell:
        home = Path(scratch) if out is None else folder.create_trial(script, out)
        try:
            Sweeper(plan, home, tried, jobs, tell, keeps=out is not None).run()
        except KeyboardInterrupt:
            whole = False
        except NothingSwept as error:
            if error.output is not None:
                click.echo(error.output.read_text("utf-8", errors="replace"), err=True, nl=False)
            raise
    if tried.begun:
        kept = "" if out is None else str(home)
        _report(tried.sweep(args, module, kept, whole), form, plot)
    if not whole:
        _interrupted(out)


def _report(found: "Sweep", form: str, plot: Path | None) -> None:
    from reluctant.report import sweep, terminal

    if form == "json":
        click.echo(sweep.dumps(found))
    else:
        terminal.show(sweep.verdict(found))
    if plot is not None:
        from reluctant.report import sweep_picture

        sweep_picture.draw(found, plot)
    if found.whole:
        sys.exit(0 if found.own.verdict in ("learns", "too slow") else UNFIT)


def _interrupted(out: Path | None) -> None:
    goes_on = "The same command goes on from there." if out else "With --out DIR it would be kept."
    click.echo(
        f"reluctant: Interrupted, with what had been run until then.\n           {goes_on}",
        err=True,
    )
    sys.exit(INTERRUPTED)
