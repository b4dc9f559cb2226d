"""How far the experiments are: a bar a claim, on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def bars(names: list[str], seeds: int) -> Iterator[Callable[[str], None]]:
    """Gives what is to be called with a name each time one of its seeds is there.

    Where stderr is no terminal, a line says when all seeds of a claim are there.
    """
    left = dict.fromkeys(names, seeds)
    console = Console(stderr=True)
    if not console.is_terminal:

        def line(name: str) -> None:
            left[name] -= 1
            if not left[name]:
                done = sum(not at for at in left.values())
                print(f"reluctant  {done} of {len(left)}  {name}", file=sys.stderr, flush=True)

        yield line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("seeds"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(name, total=seeds) for name in names}
        total = progress.add_task("all", total=seeds * len(names))

        def advance(name: str) -> None:
            progress.advance(tasks[name])
            progress.advance(total)

        yield advance
