"""`reluctant report`: a page that shows runs from the inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reluctant.cli import page
from reluctant.record import folder

if TYPE_CHECKING:
    from reluctant.record.run import Run
    from reluctant.report.page.subject import Subject

DEFAULT_PORT = 8765


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page to FILE; otherwise to report.html in the run's folder.",
)
@click.option("--open", "opened", is_flag=True, help="Show it in the browser.")
@click.option("--live", is_flag=True, help="Serve it on this machine, and keep it up to date.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    metavar="N",
    help=f"With --live: at which port; 0 takes a free one.  [default: {DEFAULT_PORT}]",
)
def report(
    runs: tuple[str, ...], out: Path | None, opened: bool, live: bool, port: int | None
) -> None:
    """Write one page of HTML about RUN, or several side by side; by default about the newest.

    The page is a single file and needs no network. A run is meant by its folder, its name or the
    beginning of it.
    """
    if port is not None and not live:
        raise click.UsageError("--port goes with --live.")
    if live and out is not None:
        raise click.UsageError("--live serves the page and writes none: leave --out away.")
    paths = [folder.find(name) for name in (runs or (None,))]
    if live:
        from reluctant.report.page.server import serve

        serve(paths, _page, DEFAULT_PORT if port is None else port, opened, click.echo)
        return
    target = out or paths[0] / "report.html"
    page.write(_page(paths), target, opened)
    click.echo(target)


def _page(paths: Sequence[Path], state: str | None = None) -> str:
    """The page of the runs in these folders; `state` is what a server calls theirs."""
    from reluctant.record.kept import kept
    from reluctant.record.reader import load
    from reluctant.report.page.compose import render

    return render([subject(kept(load(path))) for path in paths], state)


def subject(run: "Run") -> "Subject":
    """A run, and what is found between its remedies."""
    from reluctant.diagnosis import diagnose
    from reluctant.diagnosis.reading import RARE
    from reluctant.diagnosis.treated import stretches
    from reluctant.record.window import window
    from reluctant.report.page.subject import Stretch, Subject

    *before, last = stretches(run)
    earlier = (Stretch(*at, diagnose(window(run, *at))) for at in before)
    return Subject(run, (*earlier, Stretch(*last, diagnose(run))), RARE)
