"""Small observations to write: one hidden layer with a relu behind it, and a last layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.record import folder, histogram
from reluctant.record.info import RunInfo
from reluctant.record.observation import LayerRow, NewLayer, NewSite, Observation, SiteRow
from reluctant.record.run import Function, Sample
from reluctant.record.writer import Writer

UNITS = 4
INF = float("inf")

RELU = Function(
    0, "relu", {"slope": 0.25}, ((-INF, 0.0),), True, False, ((-1.0, 0.0, 1.0), (0.0, 0.0, 1.0))
)
HIDDEN = NewLayer(0, "hidden", "Net", "Linear", (UNITS, 3), UNITS, 0)
LAST = NewLayer(1, "last", "Net", "Linear", (UNITS, UNITS), UNITS, 2)
SITE = NewSite(0, "hidden:relu", "Net", 0, 0, UNITS, True, True)


def observation(
    index: int, loss: float | None = 1.0, rows: int = 1, units: int = UNITS
) -> Observation:
    """Sample `index`, of step ten times that; the first brings the layers and the site.

    Every number in it says which sample it belongs to.
    """
    numbers = np.full(units, float(index), dtype=np.float32)
    seen = np.full(units, index), numbers, numbers, numbers, numbers, numbers, None
    site_row = SiteRow(0, 32, 64, *seen, histogram.count([numbers]))
    layer_rows = tuple(LayerRow(layer, numbers, numbers, numbers, None) for layer in range(rows))
    sample = Sample(index, 10 * index, 0, loss, 0.1, 0.5 * index)
    if index:
        return Observation(sample, site_rows=(site_row,), layer_rows=layer_rows)
    return Observation(sample, (HIDDEN, LAST), (RELU,), (SITE,), ((0, 1),), (site_row,), layer_rows)


@contextmanager
def writing(path: Path, **facts: Any) -> Iterator[Writer]:
    """A writer of a new run in the folder `path`."""
    path.mkdir(parents=True, exist_ok=True)
    folder.write_info(path, RunInfo("train.py", **facts))
    writer = Writer(path)
    try:
        yield writer
    finally:
        writer.close()


def written(path: Path, samples: int = 3, **facts: Any) -> Path:
    """The folder `path` with a run of so many samples in it."""
    with writing(path, **facts) as writer:
        for index in range(samples):
            writer.write(observation(index))
    return path
