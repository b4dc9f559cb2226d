"""How far a command has come that runs a script again and again: on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from reluctant.record import progress
from reluctant.words import duration, plural

Tell = Callable[[str], None]
Show = Callable[[progress.Progress], None]


@contextmanager
def runs(usual: int, quiet: bool = False) -> Iterator[Tell]:
    """What is to be told of each run that has ended, of about so many.

    A line each, and on a terminal a bar below them; nothing at all if `quiet`.
    """
    console, ended = _console(quiet), count(1)
    columns = (
        TextColumn("reluctant "),
        BarColumn(),
        TextColumn("{task.completed:.0f} of about {task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task("", total=usual)

        def tell(text: str) -> None:
            number = next(ended)
            _line(console, f"run {number}  {text}")
            # How many there will be depends on what they come to.
            shown.update(task, completed=number, total=max(usual, number + 1))

        yield tell


@contextmanager
def trials(
    numbered: Callable[[int], str], console: Console | None = None
) -> Iterator[tuple[Tell, Show]]:
    """Two functions: one is told of each run that has ended, the other how far all is.

    A line each for the first, which `numbered` begins; for the other, and on a terminal alone, a
    bar below them.
    """
    console, ended = console or _console(), count(1)
    # A line that is too long for the terminal would leave a part of itself behind.
    said = _Said(table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
    with Progress(
        TextColumn("reluctant "),
        BarColumn(bar_width=12),
        said,
        console=console,
        transient=True,
        expand=True,
        refresh_per_second=2,
        disable=not console.is_terminal,
    ) as shown:
        task = shown.add_task("", total=None)

        def tell(text: str) -> None:
            _line(console, f"{numbered(next(ended))}  {text}")

        def show(at: progress.Progress) -> None:
            since = shown.get_time()
            shown.update(task, completed=at.ended, total=at.most, at=at, since=since, refresh=True)

        yield tell, show


class _Said(ProgressColumn):
    """What there is to say of it; the time that is left passes."""

    def render(self, task: Task) -> Text:
        at = task.fields.get("at")
        if not isinstance(at, progress.Progress):
            return Text("")
        said = f"{at.ended:,} of up to {plural(at.most, 'run')}"
        if at.left is not None:
            left = max(0.0, at.left - (task.get_time() - task.fields["since"]))
            said += f", up to {duration(left)} left"
        return Text(": ".join([said, "; ".join(at.running)] if at.running else [said]))


def _console(quiet: bool = False) -> Console:
    return Console(file=sys.stderr, highlight=False, quiet=quiet)


def _line(console: Console, text: str) -> None:
    console.print(Text(f"reluctant  {text}"), soft_wrap=True)
