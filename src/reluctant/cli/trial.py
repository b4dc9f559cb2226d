"""`reluctant trial`: the proof, or not, that treatment helps a script."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reluctant.cli import options
from reluctant.errors import NothingCompared
from reluctant.observe import launch
from reluctant.observe.launcher import launches
from reluctant.record import folder

if TYPE_CHECKING:
    from reluctant.record.comparison import Direction

HARMED = 1
INTERRUPTED = 130


@click.command(context_settings={"allow_interspersed_args": False})
@options.as_module
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="How many, from 0 on."
)
@options.seed_argument
@click.option(
    "--metric",
    metavar="REGEX",
    help="The script's own metric: what the group of the last match in its output says.",
)
@click.option(
    "--better",
    type=click.Choice(["high", "low"]),
    default="high",
    show_default=True,
    help="Which values of that metric are the better.",
)
@options.jobs
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="N",
    help="Observe every N-th step of all runs, whatever it costs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the records in this folder; what has ended there is not run again.",
)
@options.form
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def trial(
    module: bool,
    seeds: int,
    seed_arg: str | None,
    metric: str | None,
    better: "Direction",
    jobs: int,
    every: int | None,
    out: Path | None,
    form: str,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run SCRIPT with the same seeds untreated, treated and with a placebo, and compare the runs.

    Says with an interval what `run --heal` does to the training loss, to the script's own metric
    and to dead units. Exits with 1 if harm to the loss or the metric was shown, with 0 otherwise,
    and with 2 if nothing can be compared.
    """
    pattern = None if metric is None else _pattern(metric)
    if launches(script, module):
        raise NothingCompared(
            f"{script} starts other processes, which have no placebo yet.",
            "Try the script that it starts in one process: `reluctant trial SCRIPT`.",
        )
    if not module:
        launch.script(script, args)  # found out now, and not in every run
    from reluctant.report import bar, terminal, trials
    from reluctant.trials.metric import called
    from reluctant.trials.plan import Plan
    from reluctant.trials.reading import Reading
    from reluctant.trials.runner import Runner

    plan = Plan(script, args, module, seed_arg, every)
    home, most = folder.create_trial(script, out), 3 * seeds
    try:
        with bar.trials(lambda number: f"{number} of {most} at most") as (tell, show):
            runner = Runner(plan, home, seeds, jobs, tell, show)
            runner.run()
    except KeyboardInterrupt:
        _interrupted(home)
    own = None if pattern is None else (called(pattern), pattern, better)
    found = Reading(runner, own).trial()
    if form == "json":
        click.echo(trials.dumps(found))
    else:
        terminal.show(trials.verdict(found))
    sys.exit(HARMED if found.harmed else 0)


def _pattern(text: str) -> "re.Pattern[str]":
    try:
        pattern = re.compile(text, re.MULTILINE)
    except re.error as error:
        raise click.BadParameter(
            f"{text!r} is no regular expression: {error}.", param_hint="--metric"
        ) from None
    if pattern.groups != 1:
        raise click.BadParameter(f"{text!r} needs one group: the number.", param_hint="--metric")
    return pattern


def _interrupted(home: Path) -> None:
    from reluctant.trials.jobs import kept

    count = kept(home)
    many = "1 run has ended and is" if count == 1 else f"{count} runs have ended and are"
    click.echo(
        f"reluctant: Interrupted. {many} kept in {home}.\n"
        "           The same command with --out and this folder goes on from there.",
        err=True,
    )
    sys.exit(INTERRUPTED)
