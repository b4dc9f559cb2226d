"""`symmetric-units`: units of a layer that began alike and stay alike, as if they were one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reluctant.diagnosis.progress import recent
from reluctant.diagnosis.reading import Mask, Reading, SiteReading
from reluctant.diagnosis.rule import Rule
from reluctant.record.columns import Column, stretches
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity, Units
from reluctant.record.run import Floats, Ints, Layer
from reluctant.words import plural

# Alike are numbers that differ by less than sums of float32 in another order do.
ALIKE = 1e-4

# So many rows sort the columns: two that agree in these by chance are seldom.
KEYS = 8

# Fewer than half of a layer alike leave it a network of another width.
HALF = 0.5


def examine(reading: Reading) -> Iterator[Finding]:
    """One finding: the first layer in which units are alike, with the number of others."""
    alike = {site.layer: site for site in reading.sites if site.layer is not None}
    found = [
        (layer, twins)
        for layer in sorted(reading.run.layers, key=lambda layer: layer.order)
        if (twins := _twins(reading, layer, alike.get(layer))) is not None and twins.any()
    ]
    if not found:
        return
    layer, twins = max(found, key=lambda at: at[1].mean())
    share = float(twins.mean())
    held = reading.stalled is not False or share >= HALF
    yield Finding(
        slug=RULE.slug,
        severity=_severity(reading, share) if held else Severity.NOTE,
        layer=layer.name,
        units=Units(tuple((np.flatnonzero(twins) * layer.stride).tolist()), len(twins)),
        first_step=int(reading.run.samples[0].step),
        cause=Cause(
            "constant-init",
            f"{plural(int(twins.sum()), 'unit')} of {layer.name} have one and the same input and "
            "gradient throughout: they began with the same weights, and nothing tells them apart.",
        ),
        evidence=(
            Evidence("alike", int(twins.sum()), "units"),
            Evidence("layers", len(found), "layers"),
        ),
        remedies=(Remedy("rescale", "draw the initial weights at random (He or Xavier)"),),
    )


def _severity(reading: Reading, share: float) -> Severity:
    if share < HALF:
        return Severity.NOTE
    return Severity.WARNING if reading.stalled is False else Severity.ERROR


def _twins(reading: Reading, layer: Layer, site: SiteReading | None) -> Mask | None:
    """Which units of a layer have a twin among the others to the end of the run."""
    rows = reading.layer(layer)
    if rows is None:
        return None
    late = recent(reading.run.steps[rows.samples])
    parts = [(rows.gradient, late), (rows.weight, late)]
    if site is not None and site.rows is not None:
        parts += [(site.series.mean, site.recent), (site.series.std, site.recent)]
    seen = [_seen(*part) for part in parts]
    # What never had a gradient or a weight is not alike but absent.
    present = seen[0].positive & seen[1].positive
    for part in seen:
        present &= part.finite
    return _have_a_twin(_Portrait(parts), present) if present.sum() >= 2 else None


class _Seen(NamedTuple):
    """(U,) each: the units of which all numbers are finite as float32, and any is above zero."""

    finite: Mask
    positive: Mask


def _seen(column: Column, when: slice) -> _Seen:
    finite = np.ones(column.shape[1], dtype=bool)
    positive = np.zeros(column.shape[1], dtype=bool)
    for at in stretches(column, when):
        numbers = column[at]
        finite &= np.isfinite(numbers.astype(np.float32, copy=False)).all(axis=0)
        positive |= (numbers > 0).any(axis=0)
    return _Seen(finite, positive)


class _Portrait:
    """Columns one below the other, (R, U), of which one row at a time is read, as float32."""

    def __init__(self, parts: Sequence[tuple[Column, slice]]) -> None:
        self._places = [
            (column, at) for column, when in parts for at in range(column.shape[0])[when]
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> Floats:
        column, at = self._places[row]
        return column[at].astype(np.float32, copy=False)


def _have_a_twin(portrait: _Portrait, present: Mask) -> Mask:
    """(U,) of (R, U): whether another column agrees with this one in every row.

    Columns are sorted, by a few of the rows: those that agree stand side by side.
    """
    keys = []
    for at in np.unique(np.linspace(0, len(portrait) - 1, KEYS).astype(int)):
        row = portrait[at][present]
        keys.append(row / np.abs(row).max(initial=1e-30))
    order = _sorted(np.stack(keys))
    left = np.arange(len(order) - 1)
    for at in range(len(portrait)):
        # Of those side by side few agree in some rows that differ in the next.
        row = portrait[at][present]
        scale = np.abs(row).max(initial=1e-30)
        left = left[np.abs(row[order[left + 1]] - row[order[left]]) < ALIKE * scale]
        if not left.size:
            break
    alike = np.zeros(len(order), dtype=bool)
    alike[left] = alike[left + 1] = True
    twins = np.zeros(len(present), dtype=bool)
    twins[np.flatnonzero(present)[order]] = alike
    return twins


def _sorted(keys: Floats) -> Ints:
    """(U,) of (K, U): the columns in the order of their first row, then of the next, and so on."""
    order = np.argsort(keys[0], kind="stable")
    first = keys[0][order]
    same = first[1:] == first[:-1]
    # Only where the first row does not tell are the others asked: mostly nowhere.
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    some = np.sort(order[tied])
    order[tied] = some[np.lexsort(keys[::-1, some])]
    return order


RULE = Rule("symmetric-units", examine, samples=3)
