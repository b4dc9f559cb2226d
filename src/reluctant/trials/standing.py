"""How the entrants of a contest stand: their runs, and the pairs that these make."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from zlib import crc32

from reluctant.record.comparison import Direction
from reluctant.record.contest import BASELINE
from reluctant.trials.attempt import Attempt
from reluctant.trials.compare import Told, paired
from reluctant.trials.metric import Figure, Metric
from reluctant.trials.racing import Race


@dataclass(eq=False)
class Entry:
    """One that takes part: its options of `reluctant run`, and its runs by seed."""

    name: str
    options: tuple[str, ...] = ()
    attempts: dict[int, Attempt] = field(default_factory=dict)
    stopped: str | None = None
    factor: float = 1.0

    @property
    def arm(self) -> str:
        """A name for its folders."""
        plain = re.sub(r"[^\w.-]+", "-", self.name)[:40]
        arm = plain if plain == self.name else f"{plain}-{crc32(self.name.encode()):08x}"
        return arm if self.factor == 1 else f"{arm}-tuned"

    @property
    def failures(self) -> int:
        """How many of its runs did not come to their end."""
        return sum(at.failure is not None for at in self.attempts.values())


@dataclass
class Standing:
    """The baseline and the candidates, by one metric, with these seeds.

    `metric` and `candidates` are known once the script has run as it stands.
    """

    seeds: range
    baseline: Entry = field(default_factory=lambda: Entry(BASELINE))
    candidates: list[Entry] = field(default_factory=list)
    metric: Metric | None = None
    _figures: dict[Path, Figure | None] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All, the baseline first."""
        return (self.baseline, *self.candidates)

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.direction == "high" else -1

    @property
    def direction(self) -> Direction:
        """Which values are the better."""
        return self.metric.direction if self.metric is not None else "low"

    @property
    def race(self) -> Race:
        """The rules."""
        digits = [
            figure.resolution
            for entry in self.entries
            for at in entry.attempts.values()
            if (figure := self._figure(at)) is not None
        ]
        return Race(
            max(1, len(self.candidates)), len(self.seeds), self.direction, max(digits, default=0.0)
        )

    def value(self, entry: Entry, seed: int) -> float | None:
        """With this seed; None if there is none."""
        attempt = entry.attempts.get(seed)
        figure = None if attempt is None else self._figure(attempt)
        return None if figure is None else figure.value

    def _figure(self, attempt: Attempt) -> Figure | None:
        """Read once: it may be in a long output."""
        if attempt.path not in self._figures:
            known = None if self.metric is None or attempt.failure else self.metric.read(attempt)
            self._figures[attempt.path] = known
        return self._figures[attempt.path]

    def values(self, entry: Entry) -> list[float | None]:
        """With each seed of the race; None where there is none."""
        return [self.value(entry, seed) for seed in self.seeds]

    def told(self, values: Sequence[float | None]) -> Told:
        """What takes the place of numbers that are not finite: the worst of these."""
        is_loss = self.metric is not None and self.metric.source == "loss"
        firsts = self.baseline.attempts.values() if is_loss else ()
        began = [at.outcome.first for at in firsts if at.outcome is not None]
        return Told.of(self.direction, values, began)

    def differences(self, entry: Entry) -> tuple[float | None, ...]:
        """To the baseline with each seed; None where one of both has no number."""
        told = self._told
        return paired(told(self.values(entry)), told(self.values(self.baseline)))

    def pairs(self, entry: Entry) -> tuple[list[float], list[float]]:
        """Differences to the baseline with each seed that both have, and the values they are of."""
        both = zip(self.differences(entry), self._told(self.values(entry)), strict=True)
        known = [(at, own) for at, own in both if at is not None and own is not None]
        return [at for at, _ in known], [own for _, own in known]

    @property
    def _told(self) -> Told:
        return self.told([at for one in self.entries for at in self.values(one)])

    def failed(self) -> Iterator[tuple[Entry, Attempt, str]]:
        """Runs that came to no number, and why."""
        for entry in self.entries:
            for _, at in sorted(entry.attempts.items()):
                if at.failure is not None:
                    yield entry, at, at.failure
                elif self.metric is not None and self._figure(at) is None:
                    yield entry, at, f"shows no {self.metric.name}"

    def mean(self, entry: Entry, seeds: Sequence[int], told: Told) -> float | None:
        """Of its values with these seeds."""
        known = [at for at in told([self.value(entry, seed) for seed in seeds]) if at is not None]
        return fmean(known) if known else None
