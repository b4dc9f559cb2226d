"""Puts series together: calls of one function on one layer, and the parts that ranks wrote.

Counts add, moments join (Chan, Golub and LeVeque 1979), extremes are the extremes of all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from reluctant.record.run import (
    Floats,
    Function,
    HeadSeries,
    HistogramSeries,
    InputSeries,
    Ints,
    Layer,
    LayerSeries,
    Link,
    Parameter,
    Run,
    Sample,
    Site,
    SiteSeries,
    Way,
    Weights,
)

Named = TypeVar("Named", Site, Layer)


def merge(parts: Sequence[SiteSeries]) -> SiteSeries:
    """The series of several calls on one layer's output as if they were one."""
    if len(parts) == 1:
        return parts[0]
    samples = np.unique(np.concatenate([part.samples for part in parts]))
    shape = (len(samples), parts[0].fired.shape[1])
    inputs, values = np.zeros((2, len(samples)), dtype=np.int64)
    fired = np.zeros(shape, dtype=np.int64)
    mean, square = np.zeros((2, *shape))
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for part in parts:
        at = np.searchsorted(samples, part.samples)
        count = part.values[:, None]
        part_mean, part_std = np.asarray(part.mean), np.asarray(part.std)
        inputs[at] += part.inputs
        values[at] += part.values
        fired[at] += np.asarray(part.fired)
        mean[at] += part_mean * count
        square[at] += (part_std**2 + part_mean**2) * count
        low[at] = np.minimum(low[at], np.asarray(part.low))
        high[at] = np.maximum(high[at], np.asarray(part.high))
    total = values[:, None]
    mean, square = mean / total, square / total
    return SiteSeries(
        samples,
        inputs,
        values,
        fired,
        mean,
        np.sqrt(np.maximum(square - mean**2, 0)),
        low,
        high,
        _joint_rms(samples, [(part, np.asarray(part.gradient_in)) for part in parts]),
        _joint_rms(samples, [(part, np.asarray(part.gradient_out)) for part in parts]),
    )


def _joint_rms(samples: Ints, parts: Sequence[tuple[SiteSeries, Floats]]) -> Floats:
    """The root mean square over the calls that a gradient came back to; NaN where to none."""
    square, count = np.zeros((2, len(samples), parts[0][1].shape[1]))
    for part, rms in parts:
        at = np.searchsorted(samples, part.samples)
        known = ~np.isnan(rms)
        square[at] += np.where(known, rms**2 * part.values[:, None], 0)
        count[at] += known * part.values[:, None]
    return np.asarray(np.sqrt(square / np.where(count > 0, count, np.nan)))


def pool(parts: Sequence[HistogramSeries]) -> HistogramSeries:
    """The histograms of several calls, or ranks, as if all had been counted together."""
    if len(parts) == 1:
        return parts[0]
    samples = np.unique(np.concatenate([part.samples for part in parts]))
    counts = np.zeros((len(samples), parts[0].counts.shape[1]), dtype=np.int64)
    for part in parts:
        counts[np.searchsorted(samples, part.samples)] += part.counts
    return HistogramSeries(samples, counts)


def assemble(parts: Sequence[LayerSeries]) -> LayerSeries:
    """The rows of one layer, of which each part may hold some: NaN where none does.

    Where several hold the same rows, as copies of a model do, the first is believed.
    """
    if len(parts) == 1:
        return parts[0]
    samples = np.unique(np.concatenate([part.samples for part in parts]))
    shape = (len(samples), parts[0].weight.shape[1])
    columns = {name: np.full(shape, np.nan, dtype=np.float32) for name in _ROWS}
    for part in reversed(parts):
        at = np.searchsorted(samples, part.samples)
        held = ~np.isnan(np.asarray(part.weight))
        for name, column in columns.items():
            column[at] = np.where(held, np.asarray(getattr(part, name)), column[at])
    return LayerSeries(samples, **columns)


_ROWS = ("gradient", "weight", "update", "bias")


def join(ranks: Sequence[Run]) -> Run:
    """One run from what its ranks recorded, each the same steps of a model of the same names.

    A rank may know layers and sites that others do not, and may have died before the others. Of
    what layers and losses are given, and of parameters, the first rank's word is taken.
    """
    if len(ranks) == 1:
        return ranks[0]
    steps = sorted({sample.step for run in ranks for sample in run.samples})
    layers = _union([[layer.name for layer in run.layers] for run in ranks])
    functions = _union([[at.label for at in run.functions] for run in ranks])
    sites = _union([[at.name for at in run.sites] for run in ranks])
    series = _Joined(ranks, steps, layers, sites)
    return replace(
        ranks[0],
        layers=tuple(series.first_layer(name) for name in layers),
        sites=tuple(series.first_site(name, functions) for name in sites),
        functions=tuple(_function(ranks, label, at) for label, at in functions.items()),
        samples=tuple(_sample(ranks, step, at) for at, step in enumerate(steps)),
        series=series,
        parameters=tuple(series.parameters()),
        ways=tuple(series.ways()),
    )


def _union(names: Sequence[Sequence[str]]) -> dict[str, int]:
    """Each name's number, by first appearance."""
    found: dict[str, int] = {}
    for some in names:
        for name in some:
            found.setdefault(name, len(found))
    return found


def _function(ranks: Sequence[Run], label: str, index: int) -> Function:
    known = next(at for run in ranks for at in run.functions if at.label == label)
    return replace(known, index=index)


def _sample(ranks: Sequence[Run], step: int, index: int) -> Sample:
    found = [sample for run in ranks for sample in run.samples if sample.step == step]
    losses = [sample.loss for sample in found if sample.loss is not None]
    loss = sum(losses) / len(losses) if losses else None
    seconds = max(sample.seconds for sample in found)
    return replace(found[0], index=index, loss=loss, seconds=seconds)


class _Joined:
    """The series of all ranks as one."""

    def __init__(
        self,
        ranks: Sequence[Run],
        steps: Sequence[int],
        layers: dict[str, int],
        sites: dict[str, int],
    ) -> None:
        self._ranks = ranks
        self._layers = layers
        self._sites = sites
        self._places = [
            np.searchsorted(steps, [sample.step for sample in run.samples]) for run in ranks
        ]
        self._layer_of = [{layer.name: layer for layer in run.layers} for run in ranks]
        self._site_of = [{site.name: site for site in run.sites} for run in ranks]
        # What comes first in a model comes first on the first ranks, if they share it out.
        knowing = {name: self._knower(name) for name in layers}
        self._order = {
            name: order
            for order, name in enumerate(
                sorted(layers, key=lambda name: (knowing[name][0], knowing[name][1].order))
            )
        }

    def _knower(self, name: str) -> tuple[int, Layer]:
        """The first rank that knows a layer, and the layer as it describes it."""
        found = ((rank, known.get(name)) for rank, known in enumerate(self._layer_of))
        return next((rank, layer) for rank, layer in found if layer is not None)

    def site(self, index: int) -> SiteSeries:
        name = list(self._sites)[index]
        return merge(
            [
                replace(part, samples=places[part.samples])
                for run, places, site in self._alike(name, self._site_of)
                for part in (run.series.site(site.index),)
            ]
        )

    def histogram(self, index: int) -> HistogramSeries:
        name = list(self._sites)[index]
        return pool(
            [
                replace(part, samples=places[part.samples])
                for run, places, site in self._alike(name, self._site_of)
                for part in (run.series.histogram(site.index),)
            ]
        )

    def layer(self, index: int) -> LayerSeries:
        name = list(self._layers)[index]
        return assemble(
            [
                replace(part, samples=places[part.samples])
                for run, places, layer in self._alike(name, self._layer_of)
                for part in (run.series.layer(layer.index),)
            ]
        )

    def _alike(
        self, name: str, known: Sequence[Mapping[str, Named]]
    ) -> Iterator[tuple[Run, Ints, Named]]:
        """The ranks that know what bears this name, and know it with the same units as the first.

        Where each computes other units of it, theirs cannot be told from these.
        """
        found = [
            (run, places, at[name])
            for run, places, at in zip(self._ranks, self._places, known, strict=True)
            if name in at
        ]
        first = found[0][2]
        for run, places, at in found:
            if (at.units, at.stride) == (first.units, first.stride):
                yield run, places, at

    def fed(self, index: int) -> InputSeries:
        """What the first rank that knows the layer saw it fed."""
        rank, layer = self._knower(list(self._layers)[index])
        part = self._ranks[rank].series.fed(layer.index)
        return replace(part, samples=self._places[rank][part.samples])

    def parameters(self) -> Iterator[Parameter]:
        """The first rank's, with their samples in the numbers of all."""
        for at in self._ranks[0].parameters:
            first = at.first_gradient
            when = None if first is None else int(self._places[0][first])
            yield replace(at, first_gradient=when)

    def head(self, index: int) -> HeadSeries:
        """What the first rank's head was given."""
        part = self._ranks[0].series.head(index)
        return replace(part, samples=self._places[0][part.samples])

    def weights(self, index: int) -> Weights | None:
        """The last weights that the first rank that knows the layer kept."""
        rank, layer = self._knower(list(self._layers)[index])
        return self._ranks[rank].series.weights(layer.index)

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        """The limits of what any rank fed the layer."""
        name = list(self._layers)[index]
        found = [
            limits
            for run, _, layer in self._alike(name, self._layer_of)
            if (limits := run.series.limits(layer.index)) is not None
        ]
        if not found or len({low.shape for low, _ in found}) > 1:
            return None
        lows, highs = zip(*found, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def ways(self) -> Iterator[Way]:
        """The first rank's, in the numbers of all."""
        first = self._ranks[0]

        def site(index: int) -> int:
            return self._sites[first.sites[index].name]

        def link(at: Link) -> Link:
            if at.kind != "product":
                return at
            return at._replace(number=self._layers[first.layers[at.number].name])

        for way in first.ways:
            source = None if way.source is None else site(way.source)
            yield Way(site(way.site), source, tuple(map(link, way.links)), way.obstacle)

    def first_layer(self, name: str) -> Layer:
        """The layer as the first rank that knows it describes it, in the numbers of all."""
        rank, layer = self._knower(name)
        sites = self._ranks[rank].sites
        inputs = tuple(self._sites[sites[at].name] for at in layer.inputs)
        return replace(layer, index=self._layers[name], order=self._order[name], inputs=inputs)

    def first_site(self, name: str, functions: dict[str, int]) -> Site:
        """The site as the first rank that knows it describes it, in the numbers of all."""
        rank, site = next(
            (rank, known[name]) for rank, known in enumerate(self._site_of) if name in known
        )
        run, index = self._ranks[rank], self._sites[name]
        layer = None if site.layer is None else self._layers[run.layers[site.layer].name]
        function = functions[run.functions[site.function].label]
        return replace(site, index=index, order=index, function=function, layer=layer)
