"""A run whose series are read once, for those who ask for them again."""

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from reluctant.record.run import (
    Floats,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    LayerSeries,
    Run,
    Series,
    SiteSeries,
    Weights,
)

AnySeries = TypeVar("AnySeries", SiteSeries, LayerSeries)

# So many bytes are kept; what comes after is read again each time.
MOST_KEPT = 1 << 30


def kept(run: Run) -> Run:
    """The same run, which remembers what was read of it while there is room."""
    return replace(run, series=_Kept(run.series))


class _Kept:
    def __init__(self, series: Series) -> None:
        self._series = series
        self._sites: dict[int, SiteSeries] = {}
        self._layers: dict[int, LayerSeries] = {}
        self._size = 0

    def site(self, index: int) -> SiteSeries:
        return self._keep(self._sites, index, self._sites.get(index) or self._series.site(index))

    def layer(self, index: int) -> LayerSeries:
        return self._keep(self._layers, index, self._layers.get(index) or self._series.layer(index))

    def _keep(self, those: dict[int, AnySeries], index: int, series: AnySeries) -> AnySeries:
        if index not in those:
            columns = (getattr(series, field.name) for field in fields(series))
            size = sum(at.nbytes for at in columns if isinstance(at, np.ndarray))
            if self._size + size <= MOST_KEPT:
                self._size += size
                those[index] = series
        return series

    def histogram(self, index: int) -> HistogramSeries:
        return self._series.histogram(index)

    def fed(self, index: int) -> InputSeries:
        return self._series.fed(index)

    def head(self, index: int) -> HeadSeries:
        return self._series.head(index)

    def weights(self, index: int) -> Weights | None:
        return self._series.weights(index)

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        return self._series.limits(index)
