"""`no-gradient`: parameters that never get one, though they could be trained."""

from collections.abc import Callable, Iterator, Sequence
from math import prod

from reluctant.diagnosis.reading import Reading
from reluctant.diagnosis.rule import Rule
from reluctant.record.finding import Cause, Evidence, Finding, Remedy, Severity
from reluctant.record.run import Parameter
from reluctant.words import plural

# A network of which an optimizer trains less than half of what it was given is not the one that was
# meant.
MOST = 0.5


def examine(reading: Reading) -> Iterator[Finding]:
    """One finding for each cause: how many parameters, and which."""
    for slug, holds in _KINDS.items():
        found = [at for at in reading.run.parameters if holds(at)]
        if found:
            yield _finding(reading, slug, found)


def _severity(reading: Reading, slug: str, found: Sequence[Parameter], share: float) -> Severity:
    if slug == "detached":
        # An optimizer was given what it cannot train: few mean that, and theirs learn without.
        if reading.progress.learnt:
            return Severity.NOTE
        return Severity.ERROR if reading.stalled else Severity.WARNING
    if slug == "unused" and share >= MOST and not reading.progress.learnt:
        # Most of what an optimizer was given does not take part.
        return Severity.WARNING
    if slug == "frozen" and reading.stalled and any(len(at.shape) > 1 for at in found):
        # Frozen on purpose, as a rule; in a run that does not learn, a layer that stays as it was
        # is the first thing to ask about.
        return Severity.WARNING
    return Severity.WARNING if reading.stalled and share >= MOST else Severity.NOTE


def _finding(reading: Reading, slug: str, found: Sequence[Parameter]) -> Finding:
    total = sum(prod(at.shape) for at in reading.run.parameters)
    share = sum(prod(at.shape) for at in found) / max(total, 1)
    names = ", ".join(at.name for at in found[:3]) + (", ..." if len(found) > 3 else "")
    return Finding(
        slug=RULE.slug,
        severity=_severity(reading, slug, found, share),
        layer=_layer(reading, found[0]),
        units=None,
        first_step=reading.run.samples[0].step,
        cause=Cause(slug, f"{plural(len(found), 'parameter')} ({names}) {_SAYS[slug]}"),
        evidence=(
            Evidence("parameters", len(found), "tensors"),
            Evidence("share", share, "share"),
        ),
        remedies=_REMEDIES[slug],
    )


def _layer(reading: Reading, parameter: Parameter) -> str:
    """The name of the layer it belongs to, or its own."""
    owner = parameter.name.rpartition(".")[0]
    names = {layer.name for layer in reading.run.layers}
    return owner if owner in names else parameter.name


_KINDS: dict[str, Callable[[Parameter], bool]] = {
    "detached": lambda at: at.optimized and at.wanted and at.used and at.first_gradient is None,
    "unused": lambda at: at.optimized and at.wanted and not at.used and at.first_gradient is None,
    "frozen": lambda at: at.used and not (at.optimized and at.wanted),
}
_SAYS = {
    "detached": "are used in the forward pass and belong to an optimizer, but no gradient comes "
    "back to them: the graph is cut between them and the loss.",
    "unused": "belong to an optimizer, but take no part: the forward pass does not use them, or "
    "drops what it makes of them.",
    "frozen": "are used, but not trained: they ask for no gradient, or no optimizer has them.",
}
_REMEDIES = {
    "detached": (
        Remedy("attach", "look for detach(), no_grad(), item(), argmax or numpy on the way"),
    ),
    "unused": (
        Remedy("remove", "let what they compute reach the loss, or leave them out of the model"),
    ),
    "frozen": (
        Remedy("unfreeze", "if it should train: requires_grad_(True), and tell the optimizer"),
    ),
}

RULE = Rule("no-gradient", examine, samples=2)
