"""One line a layer: how things stood at the end of the run."""

import numpy as np

from reluctant.diagnosis.dead import counted
from reluctant.diagnosis.median import median
from reluctant.diagnosis.progress import recent
from reluctant.diagnosis.reading import Ints, Reading, SiteReading
from reluctant.record.finding import LayerSummary
from reluctant.record.run import Layer, LayerSeries


def layers(reading: Reading) -> tuple[LayerSummary, ...]:
    """Each weight layer, in the model's order, with the activation that it feeds."""
    fed = {
        site.layer.index: counted(reading, site) for site in reading.sites if site.layer is not None
    }
    lines = []
    for layer in sorted(reading.run.layers, key=lambda layer: layer.order):
        rows = reading.layer(layer)
        if layer.index in fed or rows is not None:
            lines.append(_line(layer, fed.get(layer.index), rows, reading.run.steps))
    return tuple(lines)


def _line(
    layer: Layer, site: SiteReading | None, rows: LayerSeries | None, steps: Ints
) -> LayerSummary:
    return LayerSummary(
        name=layer.name,
        kind=layer.kind,
        units=layer.units,
        function=site.function.label if site is not None else None,
        firing=float(site.firing.mean()) if site is not None else None,
        dead=_dead(site),
        gradient=_gradient(site),
        update_ratio=_update(rows, steps),
    )


def _dead(site: SiteReading | None) -> int | None:
    if site is None or not (site.function.switches_off and site.function.flat):
        return None
    return round(site.stuck.share * site.sites[0].units)


def _gradient(site: SiteReading | None) -> float | None:
    if site is None:
        return None
    values = site.series.gradient_out[site.recent].astype(np.float64, order="C")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        values = values[finite]
    return float(np.sqrt(np.mean(np.square(values, out=values)))) if values.size else None


def _update(rows: LayerSeries | None, steps: Ints) -> float | None:
    if rows is None:
        return None
    last = rows.update[recent(steps[rows.samples])]
    finite = last[np.isfinite(last)]
    return median(finite) if finite.size else None
