"""What ran, as a list of names and values, and the numbers at the head of the page."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.record.finding import Severity
from reluctant.record.run import Run
from reluctant.report.page.subject import Subject
from reluctant.report.page.units import UnitMap
from reluctant.words import number, percent, plural


@dataclass(frozen=True)
class Tile:
    """One number at the head of the page, what it is, and a word about it."""

    value: str
    name: str
    note: str = ""


def command(run: Run) -> str:
    """What was run, as one types it."""
    info = run.info
    return shlex.join(["-m"] * info.module + [info.script, *info.arguments])


def sentence(subject: Subject) -> str:
    """The run in a sentence, for those who read no further."""
    diagnosis = subject.diagnosis
    if not subject.run.samples:
        return "No step of this run was observed, so there is nothing to see yet."
    if not diagnosis.findings:
        return "Nothing was found that holds this network back."
    if diagnosis.verdict == "healthy":
        return "Nothing was found that holds this network back; there are notes for the curious."
    return diagnosis.findings[0].cause.text


def advice(subject: Subject) -> str | None:
    """The first thing to do about the worst finding, if it is worse than a note."""
    findings = subject.diagnosis.findings
    if not findings or findings[0].severity is Severity.NOTE or not findings[0].remedies:
        return None
    return findings[0].remedies[0].text


def tiles(subject: Subject, maps: list[UnitMap]) -> list[Tile]:
    """The loss, the dead, the steps, and what was done."""
    run, found = subject.run, []
    ends = subject.diagnosis.loss
    if ends is not None:
        first = next(at.loss for at in run.samples if at.loss is not None)
        found.append(Tile(f"{number(first)} → {number(ends[1].value)}", "loss, first to last"))
    for word in ("dead", "saturated"):
        these = [at for at in maps if at.word == word]
        read, count = sum(at.profile.read for at in these), sum(at.dead for at in these)
        if read and (count or word == "dead"):
            share = percent(count / read)
            note = f"of {plural(read, 'hidden unit')}, {share}"
            found.append(Tile(f"{count:,}", f"{word} at the end", note))
    steps = run.info.steps or (run.samples[-1].step + 1 if run.samples else 0)
    observed = f"{len(run.samples):,} observed"
    found.append(Tile(f"{steps:,}", "step" if steps == 1 else "steps", observed))
    done = [at for at in run.interventions if not at.refused]
    if done:
        kept = sum(at.kept is True for at in done)
        found.append(Tile(f"{len(done):,}", "remedies applied", f"{kept:,} kept"))
    return found


def facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """What is known of what ran, where, and what watching it cost."""
    info, run = subject.run.info, subject.run
    yield "script", f"{'module ' if info.module else ''}{info.script}"
    yield "arguments", shlex.join(info.arguments) or "none"
    if info.model:
        yield "model", info.model
    for swap in info.swaps:
        yield "swapped", swap
    yield "started", info.started
    if info.exit_code is None:
        yield "ended", "not yet, or killed"
    else:
        took = "" if info.seconds is None else f" after {info.seconds:.1f} s"
        yield "ended", f"with exit code {info.exit_code}{took}"
    if info.seconds and info.observing_seconds is not None:
        share = percent(info.observing_seconds / info.seconds)
        yield "overhead paid", f"{info.observing_seconds:.2f} s, {share} of the time"
    yield "observed", f"{plural(len(run.samples), 'step')}, {info.observed}"
    if info.skipped:
        yield "skipped steps", f"{info.skipped:,}, by a gradient scaler"
    if info.seed is not None:
        yield "seed", str(info.seed)
    if info.git_commit:
        yield "git commit", info.git_commit
    if info.failure:
        yield "observation failed", info.failure
    yield "folder", info.cwd
    yield "record", str(run.path or "")
    versions = {"Python": info.python, "torch": info.torch, "reluctant": info.reluctant}
    yield "versions", ", ".join(f"{name} {at}" for name, at in versions.items() if at)
    yield "host", info.host
