"""`reluctant lecture`: what is taught about rectifiers, shown by experiment."""

import os
import sys
from pathlib import Path

import click

from reluctant.cli import options

INTERRUPTED = 130


@click.command()
@click.argument("names", metavar="[CLAIM]...", nargs=-1)
@click.option("--quick", is_flag=True, help="Small sizes, on scikit-learn's digits alone.")
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="How many, from 0 on."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Experiments at a time, a thread each; by default as many as there are cores.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep numbers, page and figures in this folder; what has ended there is not run again.",
)
@options.form
def lecture(
    names: tuple[str, ...], quick: bool, seeds: int, jobs: int | None, out: Path | None, form: str
) -> None:
    """Put what is taught about rectifiers to small experiments on real data.

    Runs each CLAIM, or all, with several seeds, and says what was measured with its interval and
    whether the statement holds. Numbers, a page and a figure a claim are kept in
    .reluctant/lecture, or with --quick in .reluctant/lecture-quick; what is there is not run again.

    The claims are derivative, generalization, cost, gradient, centred, depth, pretraining,
    silenced, dying, leaky, alpha and modern.
    """
    from reluctant.lecture import pages
    from reluctant.lecture.claims import CLAIMS, claim
    from reluctant.lecture.outcome import Shown, dumps
    from reluctant.lecture.progress import bars
    from reluctant.lecture.runner import Kept, run
    from reluctant.report import terminal

    claims = [claim(name) for name in dict.fromkeys(names)] or list(CLAIMS.values())
    folder = out or Path(".reluctant", "lecture-quick" if quick else "lecture")
    kept = Kept(folder)
    jobs = jobs or os.cpu_count() or 1
    try:
        with bars([of.name for of in claims], seeds) as told:
            found = run(claims, seeds, quick=quick, jobs=jobs, kept=kept, told=told)
    except KeyboardInterrupt:
        click.echo(
            f"reluctant: Interrupted. What has ended is kept in {folder}.\n"
            "           The same command goes on from there.",
            err=True,
        )
        sys.exit(INTERRUPTED)
    shown = [Shown(of, quick, found[of.name]) for of in claims]
    pages.write(shown, folder)
    if form == "json":
        click.echo(dumps(shown), nl=False)
        return
    terminal.show(pages.table(shown))
    click.echo(f"page     {folder / 'lecture.md'}")
