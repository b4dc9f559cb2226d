"""The nouns: a statement, the experiment that shows it or not, and what the seeds answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from reluctant.lecture.interval import Interval, interval, ratio

if TYPE_CHECKING:
    from reluctant.report.pictures import Axes

# What one seed came to, by name: `relu/10` for ReLU at a depth of ten, say. All are finite.
Numbers = Mapping[str, float]

Verdict = Literal["holds", "holds in part", "does not hold", "not shown", "measured"]


@dataclass(frozen=True)
class Samples:
    """The numbers of some seeds."""

    seeds: tuple[Numbers, ...]

    def of(self, name: str) -> list[float]:
        """One value a seed."""
        return [numbers[name] for numbers in self.seeds]

    def mean(self, name: str) -> Interval:
        """With its interval."""
        return interval(self.of(name))

    def minus(self, name: str, other: str) -> Interval:
        """The mean difference within seeds."""
        pairs = zip(self.of(name), self.of(other), strict=True)
        return interval([own - reference for own, reference in pairs])

    def by(self, name: str, other: str | None = None) -> Interval:
        """The geometric mean of a ratio: of `name` by `other`, or of one that it already is."""
        if other is None:
            return ratio(self.of(name))
        pairs = zip(self.of(name), self.of(other), strict=True)
        return ratio([own / reference for own, reference in pairs])


@dataclass(frozen=True)
class Answer:
    """One thing that was measured, what it has to be if the statement holds, and whether it is.

    `holds` is None where the interval reaches over the limit, so that nothing is shown. Where
    `wanted` is empty, the statement says nothing of it.
    """

    what: str
    value: Interval
    wanted: str
    holds: bool | None

    @property
    def verdict(self) -> Verdict:
        """In words."""
        if not self.wanted:
            return "measured"
        if self.holds is None:
            return "not shown"
        return "holds" if self.holds else "does not hold"


def above(what: str, value: Interval, limit: float) -> Answer:
    """It has to be larger."""
    holds = _shown(value.is_above(limit), value.high is not None and value.high <= limit)
    return Answer(what, value, f"above {limit:g}", holds)


def below(what: str, value: Interval, limit: float) -> Answer:
    """It has to be smaller."""
    holds = _shown(value.is_below(limit), value.low is not None and value.low >= limit)
    return Answer(what, value, f"below {limit:g}", holds)


def exactly(what: str, values: Sequence[float], number: float) -> Answer:
    """It has to be this number with every seed, to the last bit."""
    holds = all(value == number for value in values)
    return Answer(what, interval(values), f"{number:g}, with every seed", holds)


def measured(what: str, value: Interval) -> Answer:
    """It may be what it is."""
    return Answer(what, value, "", None)


def _shown(right: bool, wrong: bool) -> bool | None:
    return True if right else False if wrong else None


def together(answers: Sequence[Answer]) -> Verdict:
    """What several answers say of the statement that they are about."""
    found = {answer.holds for answer in answers if answer.wanted}
    if found == {True}:
        return "holds"
    if True in found:
        return "holds in part"
    return "does not hold" if False in found else "not shown"


@dataclass(frozen=True)
class Claim:
    """A statement and its experiment.

    Args:
        name: what it is called on the command line.
        statement: what is claimed, in a sentence.
        setting: how it is measured; a template that a size fills in.
        quick, full: the sizes that it is run with: keyword arguments of `experiment`.
        experiment: from a seed and a size to numbers; the same each time, but for what is timed.
        answers: what the numbers of all seeds say.
        draw: a picture of them.
        alone: whether nothing else may run meanwhile, for time is measured.
    """

    name: str
    statement: str
    setting: str
    quick: Mapping[str, Any]
    full: Mapping[str, Any]
    experiment: Callable[..., Numbers] = field(repr=False)
    answers: Callable[[Samples], list[Answer]] = field(repr=False)
    draw: Callable[[Samples, "Axes"], None] = field(repr=False)
    alone: bool = False

    def size(self, quick: bool) -> Mapping[str, Any]:
        """The one or the other."""
        return self.quick if quick else self.full
