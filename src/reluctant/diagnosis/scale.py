"""`input-scale` and `uncentred-activations`: numbers too large, or all on one side of zero."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from reluctant.diagnosis.progress import recent
from reluctant.diagnosis.reading import Mask, Reading, SiteReading
from reluctant.diagnosis.rule import Rule
from reluctant.record.columns import stretches, together
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Floats, InputSeries, Layer
from reluctant.words import number, percent

# Initialisations are made for inputs of size one. At ten times that the first pre-activations are
# ten times as wide as meant, and the gradient of the first weights too: their steps with plain
# SGD a hundred times as far.
LARGE = 10.0

# At a hundredth the first layer's gradient is a hundredth too.
SMALL = 0.01

# At so many times the size that the first steps saw, and above one, it is another input than the
# one that was learnt.
GREW = 5.0

# Features whose spreads differ by more than this cannot share a learning rate, if the largest is
# LARGE: it alone sets the rate then. Pixels that are hardly ever lit do no harm to the rest.
UNEVEN = 1e3

# With a mean of so many standard deviations, the inputs hardly differ to the first layer.
ONE_SIDED = 5.0

# A layer that is fed raw numbers has suffered if so many of its units pass no gradient.
HURT = 0.5

# Pre-activations whose mean is so many times their spread answer alike to every input.
UNCENTRED = 5.0

# Of a run that learns in the end so much may pass before it begins to.
IDLE = 0.2


@dataclass(frozen=True)
class Scale:
    """What was wrong with the input of a layer, and how it was in numbers."""

    size: float  # root mean square
    mean: float
    std: float
    largest: float  # spread of a feature
    ratio: float  # of the largest and the smallest
    before: float | None = None  # the size at first, where it has grown since

    @property
    def uneven(self) -> bool:
        """Whether one feature is all that is seen."""
        return self.ratio >= UNEVEN and self.largest >= LARGE

    @property
    def fault(self) -> str | None:
        """In words; None if there is nothing to say."""
        if not self.std > 0:
            return None
        if self.before is not None:
            return (
                f"its numbers have grown from a size of {number(self.before)} to one of "
                f"{number(self.size)}, where layers expect about one"
            )
        if self.size >= LARGE and not self.uneven:
            return f"its numbers are of size {number(self.size)}, where layers expect about one"
        if self.uneven:
            return f"the spreads of its features differ by a factor of {number(self.ratio)}"
        if abs(self.mean) >= ONE_SIDED * self.std:
            return (
                f"its mean of {number(self.mean)} is {number(abs(self.mean) / self.std)} times its "
                "standard deviation"
            )
        if self.size <= SMALL:
            return f"its numbers are of size {number(self.size)}, where layers expect about one"
        return None


def scale(reading: Reading, layer: Layer) -> Scale | None:
    """The scale of what a layer is fed; None if something is trained before it.

    Over all samples, as those of one batch may be alike; at the end, where it has grown till then.
    """
    series = reading.run.series.fed(layer.index)
    whole = _scale(series, slice(None))
    if whole is None or whole.fault is not None:
        return whole
    late = _scale(series, recent(reading.run.steps[series.samples]))
    first = _scale(series, slice(0, 3))
    if late is None or first is None or late.size < max(GREW * first.size, 1.0):
        return whole
    return replace(late, before=first.size)


def _scale(series: InputSeries, part: slice) -> Scale | None:
    def middle(values: Floats) -> float:
        finite = values[np.isfinite(values)]
        return float(np.median(finite)) if finite.size else float("nan")

    means, stds = series.mean[part], series.std[part]
    known = np.isfinite(means) & np.isfinite(stds)
    if not known.any():
        return None
    mean = float(means[known].mean())
    std = float(np.sqrt(np.square(stds[known]).mean() + means[known].var()))
    least, most = middle(series.least[part]), middle(series.most[part])
    ratio = most / least if least > 0 else 1.0
    return Scale(float(np.hypot(mean, std)), mean, std, most, ratio)


NORMALISE_INPUT = Remedy(
    "normalise-input",
    "bring each feature to zero mean and unit variance, those of the training data: "
    "x = (x - x.mean(0)) / (x.std(0) + 1e-6)",
)


def input_scale(reading: Reading) -> Iterator[Finding]:
    """One finding a layer that is fed data that were not normalised."""
    for layer in reading.run.layers:
        found = scale(reading, layer)
        if found is None or found.fault is None:
            continue
        severity = _severity(reading, layer, found)
        yield Finding(
            slug=INPUT_SCALE.slug,
            severity=severity,
            layer=layer.name,
            units=None,
            first_step=reading.run.samples[0].step,
            cause=Cause(
                "input-scale", f"What {layer.name} is fed is not normalised: {found.fault}."
            ),
            evidence=(
                Evidence("mean", found.mean),
                Evidence("std", found.std),
                Evidence("size", found.size, "root mean square"),
                Evidence("feature-spreads", found.ratio, "largest by smallest"),
            ),
            remedies=(NORMALISE_INPUT,),
        )


def _severity(reading: Reading, layer: Layer, found: Scale) -> Severity:
    """By consequence: whether the run learns, and whether the layer itself has suffered."""
    if reading.stalled:
        return Severity.ERROR
    # What was learnt of small numbers is soon of no use with large ones.
    if reading.progress.learnt and not _hurt(reading, layer) and found.before is None:
        return Severity.NOTE
    return Severity.WARNING


def _hurt(reading: Reading, layer: Layer) -> bool:
    """Whether many of the units that the layer feeds pass no gradient."""
    for site in reading.sites:
        if site.layer is layer and site.function.flat:
            return site.stuck.share >= HURT
    return False


def uncentred(reading: Reading) -> Iterator[Finding]:
    """One finding: the layers whose units answer alike to every input, the means being so large.

    As the run ends, or, where it was long in coming, until the loss began to fall.
    """
    held_up = not reading.stalled and reading.progress.idle >= IDLE
    found = [
        (site, ratio)
        for site in reading.sites
        if site.layer is not None and (ratio := _mean_by_spread(site, held_up)) >= UNCENTRED
    ]
    if len(found) < 2:
        return
    first, last = found[0], found[-1]
    until = f" For {percent(reading.progress.idle)} of the run the loss did not fall."
    yield Finding(
        slug=UNCENTRED_RULE.slug,
        severity=Severity.WARNING if reading.stalled or held_up else Severity.NOTE,
        layer=first[0].label,
        units=None,
        first_step=int(first[0].steps[0]),
        cause=Cause(
            "mean-shift",
            f"From {first[0].label} to {last[0].label} the means of the units' inputs are "
            f"{number(first[1])} to {number(last[1])} times their spread over examples: to these "
            "layers all examples look alike." + until * held_up,
        ),
        evidence=(
            Evidence("mean-by-spread", max(ratio for _, ratio in found)),
            Evidence("layers", len(found), "layers"),
        ),
        remedies=(
            Remedy("normalise", "put a normalisation layer before each activation"),
            Remedy("centre", "use a zero-centred function (ELU, SELU, tanh)"),
        ),
    )


def _mean_by_spread(site: SiteReading, early: bool) -> float:
    """The units' means by their spreads, each as a root mean square; 0 if unknown."""
    series, late = site.series, site.recent
    if early:
        late = slice(0, max(int(np.searchsorted(site.steps, IDLE * site.steps[-1])), 1))
    alive = ~site.stuck.dead
    if not _perhaps_uncentred(site, alive, late):
        return 0.0
    mean, std = series.mean[late][:, alive], series.std[late][:, alive]
    if not mean.size or not np.isfinite(mean).all() or not np.isfinite(std).all():
        return 0.0
    spread = float(np.sqrt(np.mean(np.square(std, dtype=np.float64))))
    size = float(np.sqrt(np.mean(np.square(mean, dtype=np.float64))))
    return size / spread if spread > 0 else 0.0


def _perhaps_uncentred(site: SiteReading, alive: Mask, when: slice) -> bool:
    """Whether the means may be so large, by sums that are right to much more than a hundredth.

    They are taken of a few samples at a time: all at once are much of a very wide layer.
    """
    weight = alive.astype(np.float64)
    columns = site.series.mean, site.series.std
    sums = np.zeros(2)
    for at in stretches(columns[0], when):
        for place, numbers in enumerate(together(at, *columns)):
            sums[place] += (np.square(numbers, dtype=np.float64) @ weight).sum()
    return not sums[0] < (0.99 * UNCENTRED) ** 2 * sums[1]


INPUT_SCALE = Rule("input-scale", input_scale)
UNCENTRED_RULE = Rule("uncentred-activations", uncentred, samples=3)
