"""From a finding to what can be done about it in the run, the best first. Needs no torch."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median

from reluctant.record.finding import Diagnosis, Finding, LayerSummary, Severity

# A rate is lowered to no less than this share of itself at once, and to this share at least; where
# that was not enough, by so much again.
MOST_SLOWED, LEAST_SLOWED = 1e-3, 0.3
AGAIN = 0.1

# One at which numbers were lost altogether is farther off.
LEAST_SLOWED_LOST = 0.1

# A rate is raised by so much at least.
LEAST_RAISED = 3.0


@dataclass(frozen=True)
class Proposal:
    """One remedy for one finding.

    `measure` names the number by which its effect is told, `before` is what that is now and
    `predicted` what it is to be, or to pass where a length of steps is still to be found.
    """

    remedy: str
    finding: Finding
    measure: str
    before: float
    predicted: float

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells it from other proposals: the remedy, and what it is for."""
        return self.remedy, self.finding.slug, self.finding.layer

    def measured(self, diagnosis: Diagnosis) -> float:
        """What the measure has become; infinity where numbers were lost."""
        if self.measure in _MEASURES:
            now = _MEASURES[self.measure](diagnosis.layers, self.finding.layer)
            return inf if now is None else now
        place = self.finding.slug, self.finding.layer
        alike = [at for at in diagnosis.findings if (at.slug, at.layer) == place]
        if self.finding.units is None:
            return float(bool(alike))
        return float(sum(at.units.count for at in alike if at.units is not None))

    @property
    def least_slowed(self) -> float:
        """The share of itself that a rate is lowered to at least."""
        return LEAST_SLOWED_LOST if self.finding.slug == "non-finite" else LEAST_SLOWED


# Remedies by finding and cause, the first to be tried first. `rescale` starts the network anew, and
# is for one that has learnt nothing yet.
_LADDER: dict[tuple[str, str], tuple[str, ...]] = {
    ("dead-units", "born-dead"): ("rescale", "revive", "leak"),
    ("dead-units", "killed-by-step"): ("roll-back", "revive", "leak"),
    ("dead-units", "drifted"): ("revive", "leak"),
    ("saturated-units", "born-dead"): ("rescale",),
    ("saturated-units", "killed-by-step"): ("roll-back",),
    ("vanishing-gradient", "saturating-activation"): ("rescale",),
    ("vanishing-gradient", "weight-scale"): ("rescale",),
    ("vanishing-gradient", "depth"): ("rescale",),
    ("vanishing-gradient", "dead-layer"): ("rescale",),
    ("exploding-gradient", "weight-scale"): ("rescale",),
    ("exploding-gradient", "depth"): ("rescale",),
    ("exploding-gradient", "learning-rate"): ("roll-back",),
    ("exploding-gradient", "outlier-batch"): ("roll-back", "slow-down"),
    ("learning-rate-too-high", "outsized-update"): ("roll-back", "slow-down"),
    ("symmetric-units", "constant-init"): ("rescale",),
    ("non-finite", "learning-rate"): ("roll-back",),
    ("non-finite", "overflow"): ("rescale", "roll-back"),
    ("learning-rate-too-low", "small-updates"): ("speed-up",),
}

# Findings that are about how a network was made, and are as true at its first step as later.
_OF_MAKING = frozenset("vanishing-gradient exploding-gradient symmetric-units".split())

# Findings that are about steps that went too far.
_OF_STEPS = frozenset(
    [("learning-rate-too-high", "outsized-update"), ("exploding-gradient", "outlier-batch")]
)

# Warnings that are treated too: what is done about them changes little, and can be undone.
_WORTH_A_TRY = frozenset([("dead-units", "drifted"), ("learning-rate-too-low", "small-updates")])

# Faults of the script that no remedy in the run mends; beside them others help no more.
_OF_THE_SCRIPT = frozenset("output-activation no-gradient".split())


def is_of_making(finding: Finding) -> bool:
    """Whether it is about how the network was made."""
    made = finding.slug in _OF_MAKING or finding.cause.slug == "born-dead"
    return made and not is_of_steps(finding)


def is_grave(finding: Finding, untaught: bool) -> bool:
    """Whether something is to be done about it; `untaught` if nothing has been learnt for long.

    What has not kept a network from learning is a warning, and may be left alone.
    """
    if finding.severity < Severity.WARNING:
        return False
    pair = finding.slug, finding.cause.slug
    if finding.severity >= Severity.ERROR or pair in _WORTH_A_TRY:
        return True
    return is_thrown(finding) or (untaught and is_of_steps(finding))


def is_of_steps(finding: Finding) -> bool:
    """Whether it is that steps went too far, for the rate's sake or a batch's."""
    return (finding.slug, finding.cause.slug) in _OF_STEPS


def is_of_one(finding: Finding) -> bool:
    """Whether a layer is as good as one unit: what that has learnt is soon learnt again."""
    return finding.slug == "symmetric-units" and finding.severity >= Severity.ERROR


def is_of_deaths(finding: Finding) -> bool:
    """Whether steps have killed many units of a layer."""
    return finding.severity > Severity.NOTE and finding.cause.slug == "killed-by-step"


def is_thrown(finding: Finding) -> bool:
    """Whether the loss was thrown to many times what it was at first."""
    return any(at.name == "loss-highest" for at in finding.evidence)


def opposes(finding: Finding, remedy: str) -> bool:
    """Whether the finding speaks against the remedy.

    Data that are not normalised drive fresh weights where they drove the old ones; shorter steps
    may yet be learnt by.
    """
    if finding.slug == "input-scale" and finding.severity >= Severity.ERROR:
        return remedy not in ("roll-back", "slow-down")
    too_high = finding.slug == "learning-rate-too-high" and finding.severity > Severity.NOTE
    return remedy == "speed-up" and too_high


def is_of_the_script(finding: Finding) -> bool:
    """Whether it has to be mended in the script, before anything else is."""
    return finding.severity >= Severity.ERROR and finding.slug in _OF_THE_SCRIPT


# `leak` with a slope that is learnt, which is not done unasked: checkpoints hold more then.
LEARNT = "leak-learnt"

REMEDIES = tuple(dict.fromkeys(remedy for ladder in _LADDER.values() for remedy in ladder))


def propose(finding: Finding, layers: Sequence[LayerSummary] = ()) -> tuple[Proposal, ...]:
    """What can be done about a finding; empty where nothing in the run can be.

    `layers` are those of the same diagnosis: what remedies are to do to them is told by numbers.
    """
    ladder = _LADDER.get((finding.slug, finding.cause.slug), ())
    if finding.cause.slug == "drifted" and _kills_on(finding):
        # What is revived would go the same way.
        ladder = ("slow-down", *ladder)
    return tuple(_proposal(remedy, finding, layers) for remedy in ladder)


def _kills_on(finding: Finding) -> bool:
    """Whether steps are so long that more units will go."""
    return any(at.name == "living-update-ratio" for at in finding.evidence)


def has_remedy(slug: str, causes: Collection[str]) -> bool:
    """Whether there is anything to be done in the run about a finding for one of these causes.

    Without causes, for any that it may have.
    """
    return any(at == slug and (not causes or cause in causes) for at, cause in _LADDER)


def _proposal(remedy: str, finding: Finding, layers: Sequence[LayerSummary]) -> Proposal:
    if finding.units is not None:
        return Proposal(remedy, finding, finding.slug, finding.units.count, 0.0)
    plain = Proposal(remedy, finding, finding.slug, 1.0, 0.0)
    measure = _TOLD_BY.get(remedy)
    before = None if measure is None else _MEASURES[measure](layers, finding.layer)
    if measure is None or before is None:
        return plain
    if measure == "gradient-ratio":
        return Proposal(remedy, finding, measure, before, 1.0)
    share = LEAST_RAISED if remedy == "speed-up" else plain.least_slowed
    return Proposal(remedy, finding, measure, before, share * before)


def _update_ratio(layers: Sequence[LayerSummary], name: str | None) -> float | None:
    """By how much of its weights a step changes a layer, or, without a name, half of all."""
    ratios = [
        at.update_ratio
        for at in layers
        if at.update_ratio is not None and (name is None or at.name == name)
    ]
    middle = median(ratios) if ratios else None
    return middle if middle is not None and isfinite(middle) else None


def _gradient_ratio(layers: Sequence[LayerSummary], name: str | None) -> float | None:
    """The gradient behind the first layer by that behind the last one."""
    known = [at.gradient for at in layers if at.gradient is not None]
    if len(known) < 2 or not known[-1] or not all(map(isfinite, known)):
        return None
    return known[0] / known[-1]


_MEASURES: dict[str, Callable[[Sequence[LayerSummary], str | None], float | None]] = {
    "update-ratio": _update_ratio,
    "gradient-ratio": _gradient_ratio,
}

# What a remedy's effect is told by, where it is not the units that were found.
_TOLD_BY = {
    "roll-back": "update-ratio",
    "slow-down": "update-ratio",
    "speed-up": "update-ratio",
    "rescale": "gradient-ratio",
}
