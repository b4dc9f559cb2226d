"""From a finding to what can be done about it in the run, the best first. Needs no torch."""

from dataclasses import dataclass

from reluctant.record.finding import Finding
from reluctant.record.run import Run

# What a remedy promises of a layer's median update ratio: a thousandth is usual, a hundredth brisk.
SOUND_UPDATE = 3e-3

# A rate is lowered to no less than this share of itself at once, and by this share at least.
MOST_SLOWED, LEAST_SLOWED = 1e-3, 0.3


@dataclass(frozen=True)
class Proposal:
    """One remedy for one finding.

    `measure` names the number by which its effect is told, `before` is what that is now and
    `predicted` what it is to be. `strength` is the remedy's own number, as the factor on a rate.
    """

    remedy: str
    finding: Finding
    measure: str
    before: float
    predicted: float
    strength: float = 1.0

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells it from other proposals: the remedy, and what it is for."""
        return self.remedy, self.finding.slug, self.finding.layer


# Remedies by finding and cause, the first to be tried first. `rescale` starts the network anew, and
# is for one that has learnt nothing yet.
_LADDER: dict[tuple[str, str], tuple[str, ...]] = {
    ("dead-units", "born-dead"): ("rescale", "revive"),
    ("dead-units", "input-scale"): ("rescale", "revive"),
    ("dead-units", "killed-by-step"): ("roll-back", "revive"),
    ("dead-units", "drifted"): ("revive", "slow-down"),
    ("saturated-units", "born-dead"): ("rescale",),
    ("saturated-units", "input-scale"): ("rescale",),
    ("saturated-units", "killed-by-step"): ("roll-back",),
    ("saturated-units", "drifted"): ("slow-down",),
    ("vanishing-gradient", "saturating-activation"): ("rescale",),
    ("vanishing-gradient", "weight-scale"): ("rescale",),
    ("vanishing-gradient", "depth"): ("rescale",),
    ("vanishing-gradient", "dead-layer"): ("rescale",),
    ("exploding-gradient", "weight-scale"): ("rescale",),
    ("exploding-gradient", "depth"): ("rescale",),
    ("exploding-gradient", "learning-rate"): ("roll-back",),
    ("learning-rate-too-high", "outsized-update"): ("roll-back", "slow-down"),
    ("symmetric-units", "constant-init"): ("rescale",),
    ("non-finite", "learning-rate"): ("roll-back",),
    ("non-finite", "overflow"): ("rescale", "roll-back"),
}

REMEDIES = tuple(dict.fromkeys(remedy for ladder in _LADDER.values() for remedy in ladder))


def propose(finding: Finding, run: Run) -> tuple[Proposal, ...]:
    """What can be done about a finding of this run; empty where nothing in the run can be."""
    ladder = _LADDER.get((finding.slug, finding.cause.slug), ())
    return tuple(_proposal(remedy, finding, run) for remedy in ladder)


def _proposal(remedy: str, finding: Finding, run: Run) -> Proposal:
    if remedy in ("slow-down", "roll-back"):
        ratio = update_ratio(run)
        factor = min(max(SOUND_UPDATE / ratio, MOST_SLOWED), LEAST_SLOWED) if ratio else 0.1
        return Proposal(remedy, finding, "update-ratio", ratio, ratio * factor, factor)
    units = finding.units
    if units is not None:
        return Proposal(remedy, finding, finding.slug, units.count, 0.0)
    return Proposal(remedy, finding, finding.slug, 1.0, 0.0)


def update_ratio(run: Run) -> float:
    """The median update ratio of the layer in which it is largest, over the first samples."""
    import numpy as np

    largest = 0.0
    for layer in run.layers:
        rows = run.series.layer(layer.index)
        early = np.asarray(rows.update[: min(len(rows.samples), 8)])
        known = early[np.isfinite(early)]
        if known.size:
            largest = max(largest, float(np.median(known)))
    return largest
