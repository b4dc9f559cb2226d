"""What a rule of diagnosis is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reluctant.diagnosis.reading import Reading
from reluctant.record.finding import Finding


@dataclass(frozen=True)
class Rule:
    """One kind of finding and how it is found: a pure function of what was read off the record.

    `samples` is how many samples it needs at least; with fewer it is not asked. One that is
    `unexplained` is asked only if no other has found anything above a note.
    """

    slug: str
    examine: Callable[[Reading], Iterable[Finding]]
    samples: int = 1
    unexplained: bool = False
