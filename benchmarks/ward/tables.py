"""What the ward prints, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.ward.judge import Share, sort
from benchmarks.ward.runs import Run
from benchmarks.ward.sensitivity import Moved


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shares(of: Mapping[str, Sequence[Share]]) -> str:
    """Each share with its interval, by tool."""
    rows = []
    for tool, measured in of.items():
        for share in measured:
            low, high = share.interval
            bars = ("at least", share.at_least), ("at most", share.at_most)
            bar = "".join(f"{word} {value:g}" for word, value in bars if value is not None)
            held = f"{bar}: {'held' if share.holds else 'MISSED'}" if bar else ""
            value = f"{share.value:.3f}" if share.of else "none"
            interval = f"{low:.3f} to {high:.3f}"
            rows.append((tool, share.name, value, interval, f"{share.count} of {share.of}", held))
    return table(("tool", "measure", "share", "95 %", "runs", "bar"), rows)


def confusion(counts: Counter[tuple[str, str]]) -> str:
    """How often a run of which a slug is expected (row) has another on top (column)."""
    expected = sorted(
        {row for row, _ in counts}, key=lambda row: (row in ("no harm", "healthy"), row)
    )
    said = sorted(
        {column for _, column in counts}, key=lambda column: (column == "nothing", column)
    )
    rows = [(row, *(counts[row, column] or "" for column in said)) for row in expected]
    return table(("expected, said", *said), rows)


def mistakes(kinds: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Every mistake, by kind."""
    for kind, lines in kinds.items():
        yield f"\n{kind}: {len(lines)}"
        yield from (f"  {line}" for line in lines)


def every_run(runs: Sequence[Run]) -> str:
    """What is true of every run, and what was said."""
    _, spared, _ = sort(runs)
    rows = []
    for run in runs:
        silent = [call.silent for call in run.truth.calls if call.silent is not None]
        pinned = [call.pinned for call in run.truth.calls if call.pinned is not None]
        state = ("no harm" if run in spared else "sick") if run.case.sick else "healthy"
        said = ", ".join(f"{found.slug} ({found.cause})" for found in run.findings[:3])
        rows.append(
            (
                run,
                state,
                f"{run.truth.metric} {run.truth.result:.4g}",
                f"{run.twin.result:.4g}" if run.twin else "",
                run.truth.steps,
                f"{run.truth.seconds:.1f}",
                f"{max(silent):.0%}" if silent else "",
                f"{max(pinned):.0%}" if pinned else "",
                run.verdict,
                said,
            )
        )
    head = (
        "run",
        "truth",
        "result",
        "twin",
        "steps",
        "s",
        "silent",
        "pinned",
        "verdict",
        "findings",
    )
    return "\n" + table(head, rows)


def by_threshold(moved: Sequence[Moved]) -> str:
    """Each threshold, and the verdicts that hang on it."""
    rows = [
        (
            one.threshold,
            f"{one.value:g}",
            f"{one.to:g}",
            f"{len(one.changed)} of {one.of}" + ("" if one.holds else " MISSED"),
            "; ".join(one.changed[:5]) + ("; ..." if len(one.changed) > 5 else ""),
        )
        for one in moved
    ]
    return "\n" + table(("threshold", "value", "moved to", "verdicts changed", "which"), rows)
