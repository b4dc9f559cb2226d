"""Whether what was said of the runs is right: shares with their intervals, and each mistake.

The seeds of one script are alike, so the intervals, which take runs for independent, are somewhat
too narrow.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import stdev

from benchmarks.ward.case import Case
from benchmarks.ward.runs import Found, Run
from benchmarks.ward.truth import Truth

# A fault holds a run back when its result is worse than the twin's by so many standard deviations
# of the twin over its seeds, and by so much at least: two points of accuracy, a tenth of a loss.
DEVIATIONS = 3
POINTS = 0.02
PART = 0.1

NORMAL = 1.96  # the two-sided 95 % quantile


@dataclass(frozen=True)
class Share:
    """So many of so many, with Wilson's 95 % interval, and the bar it has to clear, if any."""

    name: str
    count: int
    of: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, JASA 22 (1927)."""
        if not self.of:
            return 0.0, 1.0
        spread = NORMAL**2 / self.of
        middle = (self.value + spread / 2) / (1 + spread)
        half = NORMAL / (1 + spread) * sqrt((self.value * (1 - self.value) + spread / 4) / self.of)
        return max(middle - half, 0.0), min(middle + half, 1.0)

    @property
    def holds(self) -> bool:
        """Whether the bar is cleared; nothing clears every bar."""
        above = self.at_least is None or self.value >= self.at_least
        below = self.at_most is None or self.value <= self.at_most
        return not self.of or (above and below)


@dataclass(frozen=True)
class Judgement:
    """The shares, the confusion of slugs (expected, said), and the mistakes by kind."""

    shares: tuple[Share, ...]
    confusion: Counter[tuple[str, str]]
    mistakes: dict[str, tuple[str, ...]]

    @property
    def holds(self) -> bool:
        """Whether every bar is cleared."""
        return all(share.holds for share in self.shares)


def harmed(case: Case, run: Truth, twin: Truth, twins: Sequence[Truth]) -> bool:
    """Whether the fault holds this run back, against the twin of its seed."""
    if not isfinite(twin.result):
        return False
    if not isfinite(run.result):
        return True
    worse = (twin.result - run.result) * (1 if case.better == "high" else -1)
    results = [other.result for other in twins if isfinite(other.result)]
    noise = DEVIATIONS * stdev(results) if len(results) > 1 else 0.0
    return worse > max(noise, POINTS if case.better == "high" else PART * abs(twin.result))


def sort(runs: Iterable[Run]) -> tuple[list[Run], list[Run], list[Run]]:
    """The sick, those whose fault does not hold them back, and the healthy."""
    twins: dict[str, list[Truth]] = defaultdict(list)
    runs = list(runs)
    for run in runs:
        if run.twin is not None:
            twins[run.case.name].append(run.twin)
    sick, spared, healthy = [], [], []
    for run in runs:
        if run.twin is None:
            healthy.append(run)
        elif harmed(run.case, run.truth, run.twin, twins[run.case.name]):
            sick.append(run)
        else:
            spared.append(run)
    return sick, spared, healthy


def accepted(run: Run) -> Found | None:
    """The worst alarm whose slug would be right."""
    return next((found for found in run.alarms if found.slug in run.case.findings), None)


def judge(runs: Iterable[Run]) -> Judgement:
    """Measure what was said of the runs against what is true of them."""
    sick, spared, healthy = sort(runs)
    quiet = [*spared, *healthy]
    found = [(run, right) for run in sick if (right := accepted(run)) is not None]
    caused = [(run, right) for run, right in found if run.case.findings[right.slug]]
    wrong = [run for run, right in caused if right.cause not in run.case.findings[right.slug]]
    alarmed = [run for run in sick if run.alarms]
    beside = [run for run in alarmed if run.alarms[0].slug not in run.case.findings]
    missed = [run for run in sick if accepted(run) is None]

    def count(name: str, verdict: str, of: Sequence[Run], bar: float | None = None) -> Share:
        return Share(name, sum(run.verdict == verdict for run in of), len(of), at_most=bar)

    false = sum(bool(run.alarms) for run in quiet)
    shares = (
        Share("recall: sick runs with a right finding", len(found), len(sick), at_least=0.97),
        Share("cause right, of these", len(caused) - len(wrong), len(caused), at_least=0.92),
        Share(
            "finding on top right, of sick with an alarm", len(alarmed) - len(beside), len(alarmed)
        ),
        Share("sick runs with any alarm", len(alarmed), len(sick)),
        Share("sick, of all runs with an alarm", len(alarmed), len(alarmed) + false),
        count("error, of healthy runs", "error", quiet, 0.0),
        count("warning, of healthy runs", "warning", quiet, 0.1),
        count("error, of healthy scripts alone", "error", healthy),
        count("warning, of healthy scripts alone", "warning", healthy),
    )
    mistakes = {
        "missed": missed,
        "another finding on top": [run for run in beside if run not in missed],
        "wrong cause": wrong,
        "false alarm, healthy script": [run for run in healthy if run.alarms],
        "false alarm, the fault does no harm": [run for run in spared if run.alarms],
        "watched and plain run end differently": [run for run in [*sick, *quiet] if _moved(run)],
    }
    confusion = Counter((_expected(run), _said(run)) for run in sick)
    confusion.update(("no harm", _said(run)) for run in spared)
    confusion.update(("healthy", _said(run)) for run in healthy)
    return Judgement(
        shares, confusion, {kind: tuple(map(_describe, these)) for kind, these in mistakes.items()}
    )


def _moved(run: Run) -> bool:
    plain, watched = run.truth.result, run.watched
    return plain != watched and (isfinite(plain) or isfinite(watched))


def _expected(run: Run) -> str:
    return next(iter(run.case.findings))


def _said(run: Run) -> str:
    return run.alarms[0].slug if run.alarms else "nothing"


def _describe(run: Run) -> str:
    expected = ", ".join(
        f"{slug} ({' or '.join(sorted(causes)) or 'any'})"
        for slug, causes in run.case.findings.items()
    )
    said = ", ".join(
        f"{found.severity} {found.slug} ({found.cause}) at {found.layer}" for found in run.alarms
    )
    results = f"{run.truth.metric} {run.truth.result:.4g}"
    if run.twin is not None:
        results += f", twin {run.twin.result:.4g}"
    return f"{run}: {results}; expected {expected or 'nothing'}; said {said or 'nothing'}"
