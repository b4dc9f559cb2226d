"""Hand-built records: a plain network of a few layers, healthy unless told otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from reluctant.record.histogram import BINS, EDGES, count
from reluctant.record.info import RunInfo
from reluctant.record.run import (
    Floats,
    Function,
    Head,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    Layer,
    LayerSeries,
    Parameter,
    Run,
    Sample,
    Site,
    SiteSeries,
    Weights,
)

INF = float("inf")
FUNCTIONS = {
    "relu": Function(0, "relu", flat=((-INF, 0.0),), switches_off=True),
    "sigmoid": Function(0, "sigmoid", flat=((-INF, -6.9), (6.9, INF))),
    "tanh": Function(0, "tanh", flat=((-INF, -4.1), (4.1, INF)), zero_centred=True),
}
INPUTS = 200

# Evenly spread through a normal distribution.
NORMAL = np.array([NormalDist().inv_cdf((at + 0.5) / 99) for at in range(99)])


@dataclass
class Memory:
    """Series kept in memory."""

    sites: dict[int, SiteSeries] = field(default_factory=dict)
    layers: dict[int, LayerSeries] = field(default_factory=dict)
    inputs: dict[int, InputSeries] = field(default_factory=dict)
    heads: dict[int, HeadSeries] = field(default_factory=dict)
    ends: dict[int, Weights] = field(default_factory=dict)
    fed_limits: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)
    counted: bool = True  # whether there are histograms

    def site(self, index: int) -> SiteSeries:
        return self.sites[index]

    def histogram(self, index: int) -> HistogramSeries:
        return histogram_series(self.sites[index]) if self.counted else NO_HISTOGRAM

    def layer(self, index: int) -> LayerSeries:
        return self.layers[index]

    def fed(self, index: int) -> InputSeries:
        return self.inputs.get(index) or input_series(0)

    def head(self, index: int) -> HeadSeries:
        return self.heads[index]

    def weights(self, index: int) -> Weights | None:
        return self.ends.get(index)

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        return self.fed_limits.get(index)


def plain_histogram(values: np.ndarray) -> np.ndarray:
    """(B,) in the bins of the record, as one would count it."""
    values = np.clip(values[~np.isnan(values)].astype(np.float64), EDGES[0], EDGES[-1])
    side = EDGES[EDGES >= 0]
    below, _ = np.histogram(-values[values <= 0], side)
    above, _ = np.histogram(values[values > 0], side)
    return np.concatenate([below[::-1], above])


NO_HISTOGRAM = HistogramSeries(np.empty(0, np.int64), np.empty((0, BINS), np.int64))


def histogram_series(series: SiteSeries) -> HistogramSeries:
    """The inputs of some twenty units as normal as their means and spreads say, 99 of each."""
    some = slice(None, None, -(-series.mean.shape[1] // 20))
    mean, std = (np.asarray(column)[:, some, None] for column in (series.mean, series.std))
    counts = [count([row.ravel()]) for row in mean + std * NORMAL]
    return HistogramSeries(series.samples, np.reshape(counts, (-1, BINS)))


def input_series(samples: int, **columns: Any) -> InputSeries:
    """Standard normal numbers."""
    healthy: dict[str, Any] = {
        "mean": 0.0, "std": 1.0, "low": -3.0, "high": 3.0, "constant": 0.0, "least": 1.0,
        "most": 1.0, "offset": 0.1,
    }  # fmt: skip
    content = {
        name: np.array(np.broadcast_to(value, (samples,)), dtype=np.float64)
        for name, value in {**healthy, **columns}.items()
    }
    return InputSeries(np.arange(samples), **content)


def head_series(samples: int, losses: Any, **columns: Any) -> HeadSeries:
    """Ten classes: a constant answer costs log 10."""
    healthy: dict[str, Any] = {
        "output_mean": 0.0, "output_std": 1.0, "output_low": -3.0, "output_high": 3.0,
        "target_mean": np.nan, "target_std": np.nan, "target_low": np.nan, "target_high": np.nan,
        "loss": losses, "constant": np.log(10.0), "correct": np.nan, "commonest": np.nan,
    }  # fmt: skip
    content = {
        name: np.array(np.broadcast_to(value, (samples,)), dtype=np.float64)
        for name, value in {**healthy, **columns}.items()
    }
    return HeadSeries(np.arange(samples), **content)


def site_series(samples: int, units: int, **columns: Any) -> SiteSeries:
    """Half of the values fire, the pre-activation is standard normal, the gradient 1e-3.

    `columns` replace what they name; each is broadcast to (samples, units).
    """
    healthy: dict[str, Any] = {
        "fired": INPUTS // 2,
        "mean": 0.0,
        "std": 1.0,
        "low": -3.0,
        "high": 3.0,
        "gradient_in": 0.7e-3,
        "gradient_out": 1e-3,
    }
    shape = (samples, units)
    content = {
        name: np.array(np.broadcast_to(value, shape))
        for name, value in {**healthy, **columns}.items()
    }
    content["fired"] = content["fired"].astype(np.int64)
    counts = np.full(samples, INPUTS, dtype=np.int64)
    return SiteSeries(np.arange(samples), counts, counts, **content)


def layer_series(samples: int, units: int, **columns: Any) -> LayerSeries:
    """Rows of norm about one that change by a thousandth in each step, and zero biases."""
    size = np.linspace(0.9, 1.1, units)
    healthy: dict[str, Any] = {"gradient": 1e-2, "weight": size, "update": 1e-3, "bias": 0.0}
    content = {
        name: np.array(np.broadcast_to(value, (samples, units)), dtype=np.float64)
        for name, value in {**healthy, **columns}.items()
    }
    return LayerSeries(np.arange(samples), **content)


def a_run(
    *,
    depth: int = 4,
    units: int = 20,
    function: str = "relu",
    steps: Sequence[int] = range(0, 200, 10),
    losses: Sequence[float | None] | None = None,
    sites: Mapping[int, Mapping[str, Any]] | None = None,
    rows: Mapping[int, Mapping[str, Any]] | None = None,
    fed: Mapping[str, Any] | None = None,
    head: Mapping[str, Any] | None = None,
    loss: str = "cross_entropy",
    behind: str = "",
    parameters: Sequence[Parameter] = (),
) -> Run:
    """A plain network: `depth` hidden layers named `layer0` on, then `out`, which feeds no site.

    `sites` and `rows` say, by layer number, what departs from health. `fed` and `head` say what
    the first layer and the function `loss` were given; where they are None, nothing is known.
    """
    count = len(steps)
    if losses is None:
        losses = np.linspace(2.3, 0.3, count).tolist()
    memory = Memory()
    for index in range(depth):
        memory.sites[index] = site_series(count, units, **(sites or {}).get(index, {}))
    for index in range(depth + 1):
        memory.layers[index] = layer_series(count, units, **(rows or {}).get(index, {}))
    if fed is not None:
        memory.inputs[0] = input_series(count, **fed)
    if head is not None:
        known = [np.nan if value is None else value for value in losses]
        memory.heads[0] = head_series(count, known, **head)
    layers = [
        Layer(index, f"layer{index}", "Linear", (units, units), units, index,
              inputs=(index - 1,) if 0 < index < depth else ())
        for index in range(depth)
    ]  # fmt: skip
    out = Layer(depth, "out", "Linear", (units, units), units, depth)
    return Run(
        RunInfo("train.py", exit_code=0, torch="2.13.0", steps=steps[-1] + 1, seconds=9.0),
        (*layers, out),
        tuple(
            Site(index, f"layer{index}:{function}", 0, index, units, index, "Net")
            for index in range(depth)
        ),
        (FUNCTIONS[function],),
        tuple(
            Sample(index, step, 0, loss, 0.1, 0.1 * index)
            for index, (step, loss) in enumerate(zip(steps, losses, strict=True))
        ),
        memory,
        parameters=tuple(parameters),
        heads=() if head is None else (Head(0, loss, behind=behind),),
    )


def permuted(run: Run, order: Sequence[int]) -> Run:
    """The same run with the units of every layer in another order."""
    series = run.series
    assert isinstance(series, Memory)
    return replace(
        run,
        series=Memory(
            {index: _permuted(at, order) for index, at in series.sites.items()},
            {index: _permuted(at, order) for index, at in series.layers.items()},
            series.inputs,
            series.heads,
        ),
    )


def _permuted(series: Any, order: Sequence[int]) -> Any:
    return replace(
        series,
        **{
            name: values[:, list(order)]
            for name, values in vars(series).items()
            if values.ndim == 2
        },
    )
