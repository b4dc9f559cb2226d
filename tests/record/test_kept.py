"""A run that remembers what was read of it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.records import Memory, a_run

from reluctant.record import kept as module
from reluctant.record.kept import kept


class Counting(Memory):
    """Counts how often each series is read."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(**vars(memory))
        self.read: list[tuple[str, int]] = []

    def site(self, index: int) -> Any:
        self.read.append(("site", index))
        return super().site(index)

    def layer(self, index: int) -> Any:
        self.read.append(("layer", index))
        return super().layer(index)


def test_each_series_is_read_once() -> None:
    run = a_run(depth=2)
    series = Counting(run.series)  # type: ignore[arg-type]
    again = kept(replace(run, series=series))
    for _ in range(3):
        assert again.series.site(1) is series.sites[1]
        assert again.series.layer(0) is series.layers[0]
    assert series.read == [("site", 1), ("layer", 0)]
    assert again.series.fed(0) is not None
    assert again.series.weights(0) is None


def test_what_is_too_much_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 0)
    run = a_run(depth=1)
    series = Counting(run.series)  # type: ignore[arg-type]
    again = kept(replace(run, series=series))
    assert again.series.site(0) is again.series.site(0)
    assert series.read == [("site", 0)] * 2
