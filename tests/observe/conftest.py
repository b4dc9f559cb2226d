"""Trains in this very process under an observer, and gives back what was recorded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

import pytest
import torch

from reluctant.observe.observer import Observer
from reluctant.observe.schedule import Schedule
from reluctant.record import folder
from reluctant.record.info import RunInfo
from reluctant.record.reader import load
from reluctant.record.run import Run


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Watched = Callable[[Callable[[], object]], Run]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    def watch(train: Callable[[], object]) -> Run:
        path = Path(mkdtemp(dir=tmp_path))
        folder.write_info(path, RunInfo(script="test"))
        observer = Observer(path, Schedule(every=1), rank=0, began=perf_counter())
        observer.start()
        try:
            train()
        finally:
            observer.finish()
        assert observer.guard.failure is None, observer.guard.failure
        return load(path)

    return watch
