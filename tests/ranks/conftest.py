"""Runs a script in several processes, plainly or watched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from reluctant import diagnose, load
from reluctant.record.run import Run
from tests.commands import Done
from tests.matrix.zygote import Zygote

TOGETHER = Path(__file__).with_name("together.py")
SIZE = 2


class Ran(NamedTuple):
    """A run of several processes, which have ended: what each printed, and the common folder."""

    ranks: tuple[Done, ...]
    folder: Path

    @property
    def run(self) -> Run:
        """Its record, every number of which can be read, and diagnosed."""
        run = load(self.folder / "run")
        for site in run.sites:
            run.series.site(site.index)
        for layer in run.layers:
            run.series.layer(layer.index)
        diagnose(run)
        return run


Runs = Callable[..., Ran]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def runs(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Runs a script in two processes: plainly if there are no options of ours."""

    def ran(source: str, *options: object, arguments: tuple[object, ...] = ()) -> Ran:
        folder = tmp_path_factory.mktemp("ranks")
        (folder / "script.py").write_text(source)
        ours = ("reluctant", "run", *options, "--out", "../run") if options else ("python",)
        command = (*ours, "../script.py", *arguments)
        done = zygote.run("python", TOGETHER, SIZE, *command, cwd=folder)
        assert done.code == 0, done.err
        return Ran(tuple(_done(folder / f"rank-{rank}") for rank in range(SIZE)), folder)

    return ran


def _done(folder: Path) -> Done:
    code, out, err = ((folder / name).read_text() for name in ("code", "out", "err"))
    return Done(int(code), out, err)
