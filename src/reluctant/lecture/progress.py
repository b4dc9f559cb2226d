"""How far the experiments are: a bar a claim, on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.text import Text


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
        TextColumn("{task.completed}/{task.total} seeds", justify="right"),
        _Since(),
    )
    with Progress(*columns, console=console) as progress:
        # Above the others, where a low terminal does not cut it off.
        whole = progress.add_task("all", total=seeds * len(names), whole=True)
        tasks = {name: progress.add_task(name, total=seeds) for name in names}

        def advance(name: str) -> None:
            progress.advance(tasks[name])
            progress.advance(whole)

        yield advance


class _Since(TimeElapsedColumn):
    """How long it has taken, of the whole alone: when a claim begins nobody is told."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields.get("whole") else Text()
