"""`output-activation`: a function between the last layer and the loss that blocks it."""

from collections.abc import Iterator

import numpy as np

from reluctant.diagnosis.progress import typical
from reluctant.diagnosis.reading import Reading, SiteReading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Function, Head, HeadSeries
from reluctant.words import number

# What these are given they squash themselves: they expect any number (a logit).
_TAKE_LOGITS = {"cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"}
_COMPARE = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}

# Outputs that end at 1 can be asked for 1: only targets this share of the range beyond an end
# are out of reach.
BEYOND = 0.05

# With so many of its units pinned, what passes the last function is nearly nothing.
MOST = 0.5


def examine(reading: Reading) -> Iterator[Finding]:
    """At most one finding a head; where the loss is written by hand, one of the last function."""
    seen = False
    for head in reading.run.heads:
        series = reading.run.series.head(head.index)
        found = _logits(reading, head) or _reach(reading, head, series)
        if found is not None:
            seen = True
            yield found
    if not seen:
        yield from _blocked(reading)


def _logits(reading: Reading, head: Head) -> Finding | None:
    """A function in front of a loss that has one of its own."""
    if head.function not in _TAKE_LOGITS:
        return None
    if head.site is None:
        # A second log_softmax changes nothing, a second softmax nearly everything.
        if head.behind not in ("softmax", "sigmoid"):
            return None
        name, layer = head.behind, None
    else:
        site = reading.run.sites[head.site]
        function = reading.run.functions[site.function]
        if not function.flat:
            return None
        name = function.name
        layer = reading.run.layers[site.layer].name if site.layer is not None else site.name
    text = (
        f"{head.function} is given the output of {name}, but takes the logits themselves: "
        f"{name} keeps it from telling the classes apart."
    )
    advice = (
        "give the loss the last layer's own output: "
        f"F.{head.function}(outputs, targets), with no {name} before it"
    )
    return _finding(reading, layer, text, advice, ())


def _reach(reading: Reading, head: Head, series: HeadSeries) -> Finding | None:
    """Targets that the last function cannot reach."""
    if head.function not in _COMPARE or head.site is None:
        return None
    site = reading.run.sites[head.site]
    function = reading.run.functions[site.function]
    low, high = _range(function)
    room = BEYOND * (high - low if np.isfinite(high - low) else 1.0)
    bottom, top = typical(series, "target_low"), typical(series, "target_high")
    if not (bottom < low - room or top > high + room):
        return None
    layer = reading.run.layers[site.layer].name if site.layer is not None else site.name
    text = (
        f"Targets go from {number(bottom)} to {number(top)}, while {function.name}, the last "
        f"function, gives from {number(low)} to {number(high)}."
    )
    evidence = (Evidence("target-low", bottom), Evidence("target-high", top))
    advice = (
        f"give the loss the last layer's own output, with no {function.name} behind it, or bring "
        f"the targets into its range: {_scaling(low, high)}"
    )
    return _finding(reading, layer, text, advice, evidence)


def _scaling(low: float, high: float) -> str:
    """A line of Python that brings targets between these, or above or below the one that is."""
    # A sigmoid's curve is not drawn to where it ends.
    low, high = (round(at, 1) if np.isfinite(at) else at for at in (low, high))
    if np.isfinite(low) and np.isfinite(high):
        start = f"{low:.3g} + " if low else ""
        factor = f"{high - low:.3g} * " if high - low != 1 else ""
        return f"y = {start}{factor}(y - y.min()) / (y.max() - y.min())"
    end, at = ("min", low) if np.isfinite(low) else ("max", high)
    return f"y = y - y.{end}()" + (f" + {at:.3g}" if at else "")


def _range(function: Function) -> tuple[float, float]:
    """Of its output, by its flat ends; infinite where it has none."""
    outputs = function.curve[1]
    if not outputs:
        return -np.inf, np.inf
    low_end = any(bottom == -np.inf for bottom, _ in function.flat)
    high_end = any(top == np.inf for _, top in function.flat)
    rises = outputs[-1] >= outputs[0]
    ends = (low_end, high_end) if rises else (high_end, low_end)
    return min(outputs) if ends[0] else -np.inf, max(outputs) if ends[1] else np.inf


def _blocked(reading: Reading) -> Iterator[Finding]:
    """A last function most of whose units pass no gradient, in a run that does not learn."""
    if not reading.stalled:
        return
    feeding = {site for layer in reading.run.layers for site in layer.inputs}
    for site in reading.sites:
        # A penalty on hidden activations makes them reach the loss too.
        hidden = any(at.index in feeding for at in site.sites)
        if hidden or not all(at.last for at in site.sites) or not site.function.flat:
            continue
        stuck = site.stuck
        if stuck.share >= MOST and not _silenced(reading, site):
            text = (
                f"{site.function.name} stands between {site.label} and the loss, and passes no "
                f"gradient for {stuck.count} of its {len(stuck.dead)} outputs."
            )
            evidence = (Evidence("blocked", stuck.count, "units"),)
            advice = (
                "give the loss the last layer's own output: what "
                f"{site.label} gives, with no {site.function.name} behind it"
            )
            yield _finding(reading, site.label, text, advice, evidence)


def _silenced(reading: Reading, site: SiteReading) -> bool:
    """Whether dead layers before it are what keeps it where it is."""
    return any(other.stuck.share == 1 for other in reading.before(site))


def _finding(
    reading: Reading, layer: str | None, text: str, advice: str, evidence: tuple[Evidence, ...]
) -> Finding:
    return Finding(
        slug=RULE.slug,
        severity=Severity.ERROR if reading.stalled else Severity.WARNING,
        layer=layer,
        units=None,
        first_step=reading.run.samples[0].step,
        cause=Cause("blocked-output", text),
        evidence=evidence,
        remedies=(Remedy("move-the-output-activation", advice),),
    )


RULE = Rule("output-activation", examine, samples=2)
