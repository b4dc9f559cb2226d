"""Samples that follow one another closely share a transaction."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from time import perf_counter

import pytest
import torch
from torch import nn

from reluctant import load
from reluctant.observe import observer as observing
from reluctant.observe.observer import ALONE, TOGETHER, Observer
from reluctant.observe.schedule import Schedule
from reluctant.record.folder import write_info
from reluctant.record.info import RunInfo
from reluctant.record.observation import Observation
from reluctant.record.writer import Writer

STEPS = ALONE + 2 * TOGETHER + 5


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The samples of each transaction."""
    found: list[list[int]] = []
    write = Writer.write

    def noting(self: Writer, *seen: Observation) -> None:
        found.append([at.sample.step for at in seen])
        write(self, *seen)

    monkeypatch.setattr(Writer, "write", noting)
    return found


def train(
    folder: Path, every: int = 1, tell: Callable[[Observation], None] | None = None
) -> list[int]:
    """The steps that are in the record."""
    write_info(folder, RunInfo(script="test"))
    observer = Observer(folder, Schedule(every=every), 0, perf_counter(), tell=tell)
    observer.start()
    try:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        for _ in range(STEPS * every):
            optimizer.zero_grad()
            net(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
    finally:
        observer.finish()
    assert observer.guard.failure is None
    run = load(folder)
    for series in (run.series.site(0), run.series.layer(0)):
        assert len(series.samples) == STEPS
    return run.steps.tolist()


def test_all_but_the_first_share(
    tmp_path: Path, written: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "SECONDS_APART", inf)
    assert train(tmp_path) == list(range(STEPS))
    assert written[:ALONE] == [[step] for step in range(ALONE)]
    assert [len(steps) for steps in written[ALONE:]] == [TOGETHER, TOGETHER, 5]


def test_what_is_apart_is_written_apart(
    tmp_path: Path, written: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "SECONDS_APART", 0.0)
    assert train(tmp_path) == list(range(STEPS))
    assert written == [[step] for step in range(STEPS)]


def test_before_a_step_that_is_not_observed_nothing_is_left(
    tmp_path: Path, written: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "SECONDS_APART", inf)
    assert train(tmp_path, every=3) == list(range(0, 3 * STEPS, 3))
    assert written == [[step] for step in range(0, 3 * STEPS, 3)]


def test_whoever_is_told_is_told_at_once(tmp_path: Path, written: list[list[int]]) -> None:
    told: list[int] = []
    train(tmp_path, tell=lambda seen: told.append(seen.sample.step))
    assert told == list(range(STEPS))
    assert written == [[step] for step in told]
