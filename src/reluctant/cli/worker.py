"""`reluctant worker`: runs what a search on another machine wants to know."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from reluctant.record import folder

INTERRUPTED = 130


@click.command()
@click.option(
    "--storage", required=True, metavar="URL", help="The database that the search is kept in."
)
@click.option("--study", metavar="NAME", help="Which search; by default the newest.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the records of the runs in this folder.",
)
@click.option(
    "--idle",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End after so long without work; by default only when it is told to.",
)
def worker(storage: str, study: str | None, out: Path | None, idle: float | None) -> None:
    """Take runs from a search that `reluctant search --storage URL` plans, one at a time.

    The script must be here too, under the same name. Any number of workers share a search; one
    that dies in the middle of a run leaves it to the others. Whoever can write to the database
    can have its workers run that script with any arguments.
    """
    from reluctant.search import training
    from reluctant.search.job import Entry, Result
    from reluctant.search.ledger import Ledger
    from reluctant.search.worker import Worker

    ledger = Ledger.open(storage, study)
    evaluate = training.evaluator(ledger)
    home = folder.create_trial(ledger.study.study_name, out, "searches")

    def tell(entry: Entry, result: Result) -> None:
        came = "no number" if result.value is None else f"{result.value:.4g}"
        click.echo(f"reluctant  {entry.job.function or 'as it stands'}: {came}", err=True)

    hand = Worker(ledger, evaluate, home, tell, idle=idle)

    def stop(number: int, frame: FrameType | None) -> None:
        hand.stop.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    hand.run()
    sys.exit(INTERRUPTED if hand.stop.is_set() else 0)
