"""A part of a run, as if the run had begun and ended there."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import Read, Stored
from reluctant.record.run import (
    Floats,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    LayerSeries,
    Run,
    SiteSeries,
    Weights,
)

AnySeries = TypeVar("AnySeries", SiteSeries, HistogramSeries, LayerSeries, InputSeries, HeadSeries)


def window(run: Run, first: int, last: int | None = None) -> Run:
    """The samples of a run from number `first` up to `last`; steps are counted from the first.

    What the run met and how it ended stays as it is; of what was done to it, what was done there.
    """
    samples = run.samples[first:last]
    origin, end = (samples[0].step, samples[-1].step) if samples else (0, -1)
    return replace(
        run,
        samples=tuple(
            replace(at, index=place, step=at.step - origin) for place, at in enumerate(samples)
        ),
        series=_Window(run, first, first + len(samples)),
        interventions=tuple(
            replace(at, step=at.step - origin)
            for at in run.interventions
            if origin <= at.step and (last is None or at.step <= end)
        ),
    )


class _Window:
    """The series of some of a run's samples."""

    def __init__(self, run: Run, first: int, last: int) -> None:
        self._series = run.series
        self._first = first
        self._last = last

    def site(self, index: int) -> SiteSeries:
        return self._cut(self._series.site(index))

    def histogram(self, index: int) -> HistogramSeries:
        return self._cut(self._series.histogram(index))

    def layer(self, index: int) -> LayerSeries:
        return self._cut(self._series.layer(index))

    def fed(self, index: int) -> InputSeries:
        return self._cut(self._series.fed(index))

    def head(self, index: int) -> HeadSeries:
        return self._cut(self._series.head(index))

    def weights(self, index: int) -> Weights | None:
        return self._series.weights(index)

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        return self._series.limits(index)

    def _cut(self, series: AnySeries) -> AnySeries:
        begin, end = np.searchsorted(series.samples, (self._first, self._last)).tolist()
        moved: dict[Read, Read] = {}

        def part(column: Any) -> Any:
            if not isinstance(column, Stored):
                return column[begin:end]
            read = moved.setdefault(column.read, _moved(column.read, begin))
            return Stored((end - begin, column.shape[1]), column.name, read)

        cut = {at.name: part(getattr(series, at.name)) for at in fields(series)}
        cut["samples"] = np.asarray(cut["samples"]) - self._first
        return replace(series, **cut)


def _moved(read: Read, by: int) -> Read:
    """Reads samples whose numbers are counted from another one on."""

    def moved(names: Sequence[str], first: int, last: int) -> Sequence[NDArray[Any]]:
        return read(names, first + by, last + by)

    return moved
