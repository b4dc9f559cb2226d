"""`reluctant compare`: which activation function to use in a script, by paired runs."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reluctant.cli import options, page
from reluctant.errors import NothingCompared
from reluctant.extras import needed
from reluctant.observe import launch
from reluctant.observe.launcher import launches
from reluctant.record import folder

if TYPE_CHECKING:
    from reluctant.record.comparison import Direction

INTERRUPTED = 130


@click.command(context_settings={"allow_interspersed_args": False})
@options.as_module
@click.option(
    "--activations",
    "names",
    required=True,
    metavar="NAME,NAME,...",
    help="The functions to try in the rectifiers' place, as relu,prelu,leaky_relu:0.1.",
)
@click.option(
    "--seeds", type=click.IntRange(2), default=20, show_default=True, help="How many at most."
)
@click.option(
    "--seed",
    "first",
    type=click.IntRange(0, 2**32),
    default=0,
    show_default=True,
    help="The first of them; the others follow it.",
)
@options.seed_argument
@options.metric
@click.option(
    "--budget", type=options.Duration(), help="Start no run that would end later, as 2h or 90m."
)
@click.option(
    "--timeout",
    "limit",
    type=options.Duration(),
    help="End a run after this time.  [default: 5 times the script's own, a minute at least]",
)
@options.jobs
@click.option(
    "--at",
    multiple=True,
    metavar="SITE",
    help="Put candidates here alone, as features.3:relu; may be given several times.",
)
@click.option(
    "--tune-lr", "tune", is_flag=True, help="First give each function its own learning rate."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the records in this folder; what has ended there is not run again.",
)
@options.html
@options.opened
@options.form
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def compare(
    module: bool,
    names: str,
    seeds: int,
    first: int,
    seed_arg: str | None,
    metric: str | None,
    way: "Direction | None",
    budget: float | None,
    limit: float | None,
    jobs: int,
    at: tuple[str, ...],
    tune: bool,
    out: Path | None,
    html: Path | None,
    opened: bool,
    form: str,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run SCRIPT with several activation functions and the same seeds, and say which is better.

    The baseline is the script as it stands. Functions that have lost get no more seeds, and the
    intervals hold all the same. Exits with 0 whatever is shown, and with 2 if nothing can be
    compared.
    """
    if launches(script, module):
        raise NothingCompared(
            f"{script} starts other processes, which cannot be compared yet.",
            "Compare by the script that it starts, in one process.",
        )
    if not module:
        launch.script(script, args)  # found out now, and not in every run
    from reluctant.report import bar, terminal
    from reluctant.report import contest as report
    from reluctant.swapping import replacement
    from reluctant.trials.attempt import Attempts
    from reluctant.trials.metric import Asked
    from reluctant.trials.plan import Plan
    from reluctant.trials.processes import Processes

    with needed("scipy", "What a comparison shows is reckoned with scipy", "compare"):
        from reluctant.trials.conclusion import conclusion
        from reluctant.trials.contest import ContestRunner

    candidates = _candidates(names)
    for name in candidates:
        replacement(name)
    asked = Asked(metric, way)
    asked.check()
    plan = Plan(script, args, module, seed_arg)
    if html is not None or opened:
        page.ready(html)
    home = folder.create_trial(script, out)
    try:
        with bar.trials(lambda number: f"run {number}") as (tell, show):
            runner = ContestRunner(
                Attempts(plan, home, Processes()),
                candidates,
                asked,
                range(first, first + seeds),
                jobs,
                budget,
                limit,
                at,
                tune,
                tell,
                show,
            )
            runner.run()
    except KeyboardInterrupt:
        click.echo(
            f"reluctant: Interrupted. What has ended is kept in {home}.\n"
            "           The same command with --out and this folder goes on from there.",
            err=True,
        )
        sys.exit(INTERRUPTED)
    found = conclusion(runner)
    target = html or (home / "compare.html" if opened else None)
    if form == "json":
        click.echo(report.dumps(found))
    else:
        terminal.show(report.verdict(found, target))
    if target is not None:
        from reluctant.report.page.contest import render

        named = (*found.replaced, *(at.name for at in found.comparison.candidates))
        page.write(render(found, page.curves(named)), target, opened)


def _candidates(names: str) -> tuple[str, ...]:
    """Commas part names, but for those between numbers, as in hardtanh:-1,1."""
    parts = [at.strip() for at in re.split(r",(?!\s*[-+.\d])", names)]
    found = tuple(dict.fromkeys(at for at in parts if at))
    if not found:
        raise click.BadParameter("It names no function.", param_hint="--activations")
    return found
