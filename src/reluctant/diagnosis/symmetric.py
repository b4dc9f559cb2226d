"""`symmetric-units`: units of a layer that began alike and stay alike, as if they were one."""

from collections.abc import Iterator

import numpy as np

from reluctant.diagnosis.progress import recent
from reluctant.diagnosis.reading import Mask, Reading, SiteReading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity, Units
from reluctant.record.run import Floats, Layer
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
    return Severity.WARNING if reading.progress.learnt else Severity.ERROR


def _twins(reading: Reading, layer: Layer, site: SiteReading | None) -> Mask | None:
    """Which units of a layer have a twin among the others to the end of the run."""
    rows = reading.layer(layer)
    if rows is None:
        return None
    late = recent(reading.run.steps[rows.samples])
    columns = [rows.gradient[late], rows.weight[late]]
    if site is not None and site.rows is not None:
        columns += [site.series.mean[site.recent], site.series.std[site.recent]]
    portrait: Floats = np.concatenate(columns, dtype=np.float32, casting="same_kind")
    # What never had a gradient or a weight is not alike but absent.
    present: Mask = np.asarray(np.isfinite(portrait).all(axis=0))
    present &= (rows.gradient[late] > 0).any(axis=0) & (rows.weight[late] > 0).any(axis=0)
    if present.sum() < 2:
        return None
    return _have_a_twin(portrait, present)


def _have_a_twin(portrait: Floats, present: Mask) -> Mask:
    """(U,) of (T, U): whether another column agrees with this one in every row.

    Columns are sorted, by a few of the rows: those that agree stand side by side.
    """
    size = np.abs(portrait[:, present]).max(axis=1, initial=1e-30)
    some = np.unique(np.linspace(0, len(portrait) - 1, KEYS).astype(int))
    order = np.lexsort(portrait[some][:, present][::-1] / size[some][::-1, None])
    near = np.ones(max(len(order) - 1, 0), dtype=bool)
    # Row by row: all of them at once are too much of a network of a million units.
    for row, scale in zip(portrait, size, strict=True):
        near &= np.abs(np.diff(row[present][order])) < ALIKE * scale
    alike = np.append(near, False) | np.append(False, near)
    twins = np.zeros(portrait.shape[1], dtype=bool)
    twins[np.flatnonzero(present)[order]] = alike
    return twins


RULE = Rule("symmetric-units", examine, samples=3)
