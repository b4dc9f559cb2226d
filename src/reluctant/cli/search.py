"""`reluctant search`: new activation functions for a script, judged on fresh seeds."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reluctant.cli import options, page
from reluctant.errors import NotInstalled, WrongArgument
from reluctant.observe import launch
from reluctant.observe.launcher import launches
from reluctant.record import folder

if TYPE_CHECKING:
    from reluctant.record.comparison import Direction
    from reluctant.record.discovery import Discovery
    from reluctant.search.training import Engine

INTERRUPTED = 130


@click.command(context_settings={"allow_interspersed_args": False})
@options.as_module
@click.option(
    "--budget",
    type=options.Duration(),
    default="2h",
    show_default=True,
    help="Time for all of it, the judging of the best included.",
)
@click.option(
    "--max-trials", type=click.IntRange(1), metavar="N", help="End the search after N runs."
)
@click.option(
    "--jobs",
    type=click.IntRange(0),
    help="Runs at a time; 0 leaves all of them to workers.  [default: 1; on a Ray cluster, as many "
    "as it has room for]",
)
@click.option(
    "--seeds",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="How many fresh seeds the best are judged on.",
)
@click.option(
    "--tune-lr/--no-tune-lr",
    "tune",
    default=True,
    show_default=True,
    help="Give each that is judged its own learning rate before.",
)
@options.seed_argument
@options.metric
@click.option(
    "--replace",
    "replaced",
    multiple=True,
    metavar="NAME",
    help="Put functions in this one's place; by default in that of the rectifiers that are met.",
)
@click.option(
    "--timeout",
    type=options.Duration(),
    help="End a run after this time; by default after ten times what the script takes as it is.",
)
@click.option(
    "--storage",
    metavar="URL",
    help="Keep the search in this database, for any number of `reluctant worker`s.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Run on this machine, or on a Ray cluster.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="That of the Ray cluster; by default the one that Ray finds, or else one on this machine.",
)
@click.option(
    "--gpus",
    type=click.FloatRange(0),
    metavar="N",
    help="GPUs of the Ray cluster for each run, as 0.25; by default 1 where it has any.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the search in this folder; one that was interrupted there goes on.",
)
@options.html
@options.opened
@options.form
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def search(
    module: bool,
    budget: float,
    max_trials: int | None,
    jobs: int | None,
    seeds: int,
    tune: bool,
    seed_arg: str | None,
    metric: str | None,
    way: "Direction | None",
    replaced: tuple[str, ...],
    timeout: float | None,
    storage: str | None,
    engine: str,
    address: str | None,
    gpus: float | None,
    out: Path | None,
    html: Path | None,
    opened: bool,
    form: str,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Search for activation functions that serve SCRIPT better than its own.

    Functions are made by a grammar, refused where they could not train, and raced against one
    another. The best few, the script as it stands, ReLU and SiLU are then given their own learning
    rates, and judged on seeds that were used for nothing before, which alone are reported.
    """
    if launches(script, module):
        raise WrongArgument(
            f"{script} starts other processes.", "Give the script that it starts in the end."
        )
    if jobs == 0 and storage is None:
        raise click.UsageError("With --jobs 0 there must be a --storage that workers share.")
    if engine != "ray" and not (address is None and gpus is None):
        raise click.UsageError("--address and --gpus are for --engine ray.")
    if not module:
        launch.script(script, args)  # found out now, and not in every run
    from reluctant.report import search as report
    from reluctant.report import terminal
    from reluctant.search import training
    from reluctant.search.ledger import Ledger, reached
    from reluctant.search.progress import bar
    from reluctant.search.quest import Limits, Quest
    from reluctant.swapping import elementwise
    from reluctant.trials.metric import Asked
    from reluctant.trials.plan import Plan

    asked = Asked(metric, way)
    asked.check()
    names = tuple(elementwise(name).name for name in replaced)
    if html is not None or opened:
        page.ready(html)
    home = folder.create_trial(script, out, "searches")
    plan = Plan(script, args, module, seed_arg)
    planned = training.planned(plan, names, timeout, asked)
    # Other seeds, or other rates, once these are known would be a second chance to be wrong.
    plan.claim(home, **planned, seeds=seeds, tune=tune)
    limits = Limits(budget, max_trials, seeds, tune)
    with _hands(engine, address, gpus, jobs) as (runs, most), bar() as (show, tell):
        # In a database there may be others; a folder may be renamed.
        name = home.name if storage is not None else "search"
        ledger = Ledger.open(storage or home / "journal.log", name, planned)
        if storage is not None:
            click.echo(
                f"reluctant  workers: reluctant worker --study {home.name} --storage URL", err=True
            )
        evaluate = training.evaluator(ledger, runs)
        quest = Quest(ledger, evaluate, home, limits, most, show, tell)
        try:
            with reached(storage) if storage is not None else nullcontext():
                found = quest.run()
        except KeyboardInterrupt:
            click.echo(
                f"reluctant: Interrupted. What has ended is kept in {home}.\n"
                "           The same command with --out and this folder goes on from there.",
                err=True,
            )
            sys.exit(INTERRUPTED)
    (home / "search.json").write_text(report.dumps(found) + "\n", "utf-8")
    _draw(found, home / "functions.svg")
    target = html or (home / "search.html" if opened else None)
    if form == "json":
        click.echo(report.dumps(found))
    else:
        terminal.show(report.verdict(found, target))
    if target is not None:
        from reluctant.report.page.discovery import render

        named = (*found.replaced, *(at.name for at in found.comparison.candidates))
        page.write(render(found, page.curves(named)), target, opened)


@contextmanager
def _hands(
    engine: str, address: str | None, gpus: float | None, jobs: int | None
) -> Iterator[tuple["Engine", int]]:
    """What runs trainings, and how many at a time."""
    from reluctant.search import cluster
    from reluctant.search.training import Training

    with cluster.reached(address, gpus) if engine == "ray" else nullcontext() as found:
        # Whoever ends us ends the runs too, and what has ended is kept. Ray takes this signal.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if found is None:
            yield Training.__call__, 1 if jobs is None else jobs
        else:
            yield found, found.room if jobs is None else jobs


def _draw(found: "Discovery", path: Path) -> None:
    """The functions and their slopes, where matplotlib is there."""
    from reluctant.report import curves

    with suppress(NotInstalled):
        curves.draw(list(page.curves(at.function for at in found.found).values()), path)
