"""Samples as a few numbers by name, for whoever plots them as the run goes on."""

import re

import numpy as np

from reluctant.record.blobs import Array
from reluctant.record.observation import LayerRow, Observation, SiteRow
from reluctant.record.run import Sample

# What MLflow refuses in a name; the others take it all.
_REFUSED = re.compile(r"[^\w.\-: /]")


class Scalars:
    """Turns samples, as they come, into numbers by name.

    `loss` and `rate`; of each site `firing` (the mean share of inputs its units fire on), `silent`
    (the share of units that fired on none) and `gradient` (root mean square at its output); of
    each layer `update` (the median update ratio of its rows). Sites and layers are named as in
    the record, with a dash for what not every plotter takes: `block:relu#1` is `block:relu-1`.
    """

    def __init__(self) -> None:
        self._sites: dict[int, str] = {}
        self._layers: dict[int, str] = {}

    def of(self, seen: Observation) -> dict[str, float]:
        """The numbers of one sample."""
        self._sites |= {site.index: _name(site.root, site.name) for site in seen.sites}
        self._layers |= {layer.index: _name(layer.root, layer.name) for layer in seen.layers}
        found = _of_sample(seen.sample)
        for row in seen.site_rows:
            name = self._sites[row.site]
            found |= {f"{name}/{key}": value for key, value in _of_site(row).items()}
        for rows in seen.layer_rows:
            found |= {f"{self._layers[rows.layer]}/update": value for value in _of_layer(rows)}
        return found


def _name(root: str, name: str) -> str:
    """What stands for a site or layer: the model's name too where it has none of its own."""
    whole = f"{root or 'script'}{name}" if not name or name.startswith(":") else name
    return _REFUSED.sub("-", whole)


def _of_sample(sample: Sample) -> dict[str, float]:
    values = {"loss": sample.loss, "rate": sample.rate}
    return {name: value for name, value in values.items() if value is not None}


def _of_site(row: SiteRow) -> dict[str, float]:
    found = {
        "firing": float(row.fired.mean()) / max(row.values, 1),
        "silent": float((row.fired == 0).mean()),
    }
    if row.gradient_out is not None:
        found["gradient"] = float(np.sqrt(np.mean(np.square(row.gradient_out, dtype=np.float64))))
    return found


def _of_layer(row: LayerRow) -> list[float]:
    known: Array = row.update[np.isfinite(row.update)]
    return [float(np.median(known))] if known.size else []
