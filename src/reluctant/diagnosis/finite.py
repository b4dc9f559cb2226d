"""`non-finite`: the first layer and step with NaN or infinity, and where it came from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.diagnosis.median import median
from reluctant.diagnosis.reading import Mask, Reading, SiteReading, all_finite
from reluctant.diagnosis.rule import Rule
from reluctant.record.columns import stretches, together
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import LayerSeries
from reluctant.words import number, percent

# Weights that change by more than their own size in one step are thrown, not trained.
THROWN = 1.0

# No sound activation comes near: a product of two such numbers overflows float16.
HUGE = 1e4


@dataclass(frozen=True)
class Place:
    """The first number that is not finite: its sample, and where in that sample it stood.

    `what` is `input to the function`, `loss` or `gradient`.
    """

    sample: int
    what: str
    site: SiteReading | None
    layer: str | None


def examine(reading: Reading) -> Iterator[Finding]:
    """At most one finding: what came first explains the rest."""
    place = _first(reading)
    if place is None:
        return
    run = reading.run
    step = run.samples[place.sample].step
    cause, evidence = _why(reading, place)
    yield Finding(
        slug=RULE.slug,
        severity=Severity.NOTE if _recovered(reading, place) else Severity.ERROR,
        layer=place.layer,
        units=None,
        first_step=step,
        cause=cause,
        evidence=evidence,
        remedies=_REMEDIES[cause.slug],
    )


def _first(reading: Reading) -> Place | None:
    """In order of time, and within a sample in order of computation."""
    losses = reading.run.losses
    seen = np.array([sample.loss is not None for sample in reading.run.samples], dtype=bool)
    places: list[tuple[int, int, Place]] = []
    for order, site in enumerate(reading.sites):
        _, finite = site.finite
        if not finite.all():
            sample = int(site.series.samples[np.argmin(finite)])
            place = Place(sample, "input to the function", site, site.label)
            places.append((sample, order, place))
    bad = seen & ~np.isfinite(losses)
    if bad.any():
        sample = int(np.argmax(bad))
        places.append((sample, len(reading.sites), Place(sample, "loss", None, None)))
    for layer in reading.run.layers:
        rows = reading.layer(layer)
        if rows is None:
            continue
        bad = _bad_gradients(rows)
        if bad.any():
            sample = int(rows.samples[np.argmax(bad)])
            # Backward, what is last was computed first.
            order = 2 * len(reading.sites) + len(reading.run.layers) - layer.order
            places.append((sample, order, Place(sample, "gradient", None, layer.name)))
    return min(places, key=lambda at: at[:2])[2] if places else None


def _bad_gradients(rows: LayerSeries) -> Mask:
    """(T,): in which samples a row's gradient was not finite."""
    bad: Mask = ~all_finite(rows.gradient)[0]
    for at in np.flatnonzero(bad):
        # Rows that a layer of the same name no longer has, or not yet, have no weight either.
        lost = ~np.isfinite(rows.gradient[int(at)]) & np.isfinite(rows.weight[int(at)])
        bad[at] = lost.any()
    return bad


def _recovered(reading: Reading, place: Place) -> bool:
    """A `GradScaler` skips steps with infinite gradients: nothing is wrong with those."""
    last = reading.progress.last
    if place.what != "gradient" or last is None or not np.isfinite(last):
        return False
    rows = [reading.layer(layer) for layer in reading.run.layers]
    return all(at is None or bool(np.isfinite(at.weight[-1]).all()) for at in rows)


def _why(reading: Reading, place: Place) -> tuple[Cause, tuple[Evidence, ...]]:
    run = reading.run
    step = run.samples[place.sample].step
    where = f"The {place.what}" + (f" in {place.layer}" if place.layer else "")
    largest = _largest_input(reading, 0)
    if largest is not None and largest[0].value >= HUGE:
        text = (
            f"{where} stopped being finite at step {step}; before any step was taken the largest "
            f"input to a function was already {number(largest[0].value)}, in {largest[1]}."
        )
        return Cause("overflow", text), (largest[0],)
    thrown = _largest_update(reading, place.sample)
    if thrown is not None and thrown[0].value >= THROWN:
        update, layer = thrown
        text = (
            f"{where} stopped being finite by step {step}, after step {update.step} had changed "
            f"the weights of {layer} by {percent(update.value)}."
        )
        return Cause("learning-rate", text), (update,)
    largest = _largest_input(reading, place.sample)
    if largest is not None and largest[0].value >= HUGE:
        text = (
            f"{where} stopped being finite at step {step}; the largest finite input to a "
            f"function was {number(largest[0].value)}, in {largest[1]}."
        )
        return Cause("overflow", text), (largest[0],)
    fed = _fed_badly(reading, place.sample)
    if fed is not None:
        text = f"{where} was not finite at step {step}, nor were the data that {fed} was fed."
        return Cause("division", text), ()
    if _answers_badly(reading, place.sample):
        text = (
            f"{where} stopped being finite at step {step}, and so did the network's output, "
            "although the data and the weights were finite: numbers grew too large on the way."
        )
        return Cause("overflow", text), ()
    if place.what == "input to the function" and place.sample == 0:
        text = f"{where} was not finite at the very first step: look at the weights."
        return Cause("overflow", text), ()
    text = (
        f"{where} stopped being finite at step {step}, while what went into it was of ordinary "
        f"size: a division by zero, the logarithm or the root of zero, or such data."
    )
    return Cause("division", text), ()


def _fed_badly(reading: Reading, sample: int) -> str | None:
    """The name of a layer that was fed data which were not finite in a sample."""
    for layer in reading.run.layers:
        fed = reading.run.series.fed(layer.index)
        ends = np.stack([fed.low, fed.high, fed.mean])[:, fed.samples == sample]
        if not np.isfinite(ends).all():
            return layer.name
    return None


def _answers_badly(reading: Reading, sample: int) -> bool:
    """Whether what a loss function was given in a sample was not finite."""
    for head in reading.run.heads:
        series = reading.run.series.head(head.index)
        if not np.isfinite(series.output_mean[series.samples == sample]).all():
            return True
    return False


def _largest_update(reading: Reading, until: int) -> tuple[Evidence, str] | None:
    """The largest median update ratio of a layer in the samples before `until`, and the layer."""
    found: tuple[Evidence, str] | None = None
    for layer in reading.run.layers:
        rows = reading.layer(layer)
        if rows is None:
            continue
        for place, sample in enumerate(rows.samples[rows.samples < until]):
            update = rows.update[place]
            finite = update[np.isfinite(update)]
            if not finite.size:
                continue
            value = median(finite)
            if found is None or value > found[0].value:
                step = reading.run.samples[sample].step
                found = Evidence("update-ratio", value, "share", step), layer.name
    return found


def _largest_input(reading: Reading, until: int) -> tuple[Evidence, str] | None:
    """The largest finite pre-activation up to the sample `until`, and whose it was."""
    found: tuple[Evidence, str] | None = None
    for site in reading.sites:
        series = site.series
        early = int(np.count_nonzero(series.samples <= until))
        for at in stretches(series.high, slice(early)):
            low, high = together(at, series.low, series.high)
            sizes = np.maximum(np.abs(high), np.abs(low))
            finite = sizes[np.isfinite(sizes)]
            if finite.size and (found is None or finite.max() > found[0].value):
                found = Evidence("largest-input", float(finite.max())), site.label
    return found


_REMEDIES = {
    "learning-rate": (
        Remedy("slow-down", "lower the learning rate, or warm it up over the first steps"),
        Remedy("clip", "clip the gradient norm (torch.nn.utils.clip_grad_norm_)"),
    ),
    "overflow": (
        Remedy("normalise-input", "bring inputs and targets to zero mean and unit variance"),
        Remedy("rescale", "initialise each layer for its activation"),
    ),
    "division": (
        Remedy("guard", "add a small constant where the loss divides or takes a logarithm"),
        Remedy("data", "look for NaN in the data of that step"),
    ),
}

RULE = Rule("non-finite", examine)
