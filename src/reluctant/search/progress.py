"""How far a search is, on stderr: a line for each run that ends, on a terminal a bar below them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from reluctant.search.job import Stage
from reluctant.search.quest import Progress
from reluctant.words import duration, plural

_STAGES: Mapping[Stage, str] = {
    "baseline": "the script as it stands",
    "search": "searching",
    "tune": "learning rates",
    "confirm": "judging",
}


@contextmanager
def bar(
    console: Console | None = None,
) -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    """Two functions: one shows how far a search is, the other says that a run has ended."""
    console = console or Console(stderr=True, highlight=False)
    columns = (
        TextColumn("reluctant "),
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Bars(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)

        def show(at: Progress) -> None:
            total = at.spent + at.left
            progress.update(task, completed=at.spent, total=total, description=sentence(at))

        def tell(text: str) -> None:
            console.print(f"reluctant  {text}", soft_wrap=True, markup=False)

        yield show, tell


def sentence(at: Progress) -> str:
    """As `searching: 12 runs, 1 failed, about 3 min left, best so far elu(z)`."""
    parts = [f"{_STAGES[at.stage]}: {plural(at.ended, 'run')}"]
    parts += [f"{at.failed} failed"] if at.failed else []
    parts += [f"about {duration(at.left)} left"] if at.left else []
    parts += [f"best so far {at.best}"] if at.best else []
    return ", ".join(parts)
