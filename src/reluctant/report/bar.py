"""How far a command has come that runs a script again and again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def runs(usual: int, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """What is to be told of each run that has ended, of about so many: on stderr.

    A line each, and on a terminal a bar below them; nothing at all if `quiet`.
    """
    console, ended = Console(file=sys.stderr, highlight=False, quiet=quiet), count(1)
    columns = (
        TextColumn("reluctant "),
        BarColumn(),
        TextColumn("{task.completed:.0f} of about {task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=usual)

        def tell(text: str) -> None:
            number = next(ended)
            console.print(f"reluctant  run {number}  {text}", soft_wrap=True, markup=False)
            # How many there will be depends on what they come to.
            progress.update(task, completed=number, total=max(usual, number + 1))

        yield tell
