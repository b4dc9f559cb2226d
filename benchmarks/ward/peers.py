"""Other tools measured on the runs that the diagnosis is measured on.

    pip install torchmortem torch-audit neural-observatory traintools torchdiag

They name no causes and know fewer illnesses, so an alarm of theirs counts as a right finding if any
slug that it may well be about would be right; one of *reluctant* has to bear the slug itself. Who
always gives an alarm of a common kind is right often, so read it beside the alarms on healthy runs.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.ward.attached import watch
from benchmarks.ward.judge import Share, sort
from benchmarks.ward.runs import LIMIT, Run, Ward, once
from benchmarks.ward.tools import TOOLS, Alarm
from benchmarks.ward.truth import ScriptFailed, apart

# Of each kind of alarm, the slugs of which it would be a right answer.
KINDS: Mapping[str, frozenset[str]] = {
    kind: frozenset(slugs.split())
    for kind, slugs in {
        "dead": "dead-units saturated-units output-activation",
        "saturated": "saturated-units dead-units vanishing-gradient output-activation",
        "vanishing": (
            "vanishing-gradient dead-units saturated-units no-gradient output-activation"
        ),
        "no gradient": "no-gradient vanishing-gradient dead-units",
        "exploding": "exploding-gradient learning-rate-too-high non-finite input-scale",
        "not finite": "non-finite exploding-gradient learning-rate-too-high",
        "large update": "learning-rate-too-high exploding-gradient non-finite",
        "small update": (
            "learning-rate-too-low vanishing-gradient no-gradient dead-units saturated-units"
        ),
        "divergence": "learning-rate-too-high exploding-gradient non-finite",
        "plateau": "plateau learning-rate-too-low vanishing-gradient output-activation",
        "rank": "symmetric-units dead-units saturated-units vanishing-gradient",
        "input": "input-scale",
        "other": "",
    }.items()
}


@dataclass(frozen=True)
class Heard:
    """What a tool said of a run; of how many models; why there is nothing, if it failed."""

    run: Run
    models: int
    alarms: tuple[Alarm, ...]
    failed: str | None

    def __str__(self) -> str:
        kinds = ", ".join(dict.fromkeys(alarm.kind for alarm in self.alarms))
        return f"{self.run}: {self.failed or kinds or 'nothing'}"

    @property
    def verdict(self) -> str:
        """The worst grade, as of a diagnosis."""
        grades = {alarm.severity for alarm in self.alarms}
        return next((grade for grade in ("error", "warning") if grade in grades), "healthy")

    @property
    def right(self) -> bool:
        """Whether an alarm is of a kind that would be right."""
        return any(KINDS[alarm.kind] & self.run.case.findings.keys() for alarm in self.alarms)


def peers(ward: Ward, runs: Sequence[Run], jobs: int) -> dict[str, tuple[Share, ...]]:
    """The shares of each tool that is installed; what is missing or fails is said on stderr."""
    measured = {}
    with ThreadPoolExecutor(jobs) as pool:
        for name, tool in TOOLS.items():
            try:
                title = f"{name} {version(tool.distribution)}"
            except PackageNotFoundError:
                _say(f"{name} is left out: pip install {tool.distribution}")
                continue
            heard = []
            for one in pool.map(partial(listen, ward, name, title), runs):
                _say(f"{title}  {one}")
                heard.append(one)
            measured[title] = rate(heard)
    return measured


def listen(ward: Ward, name: str, title: str, run: Run) -> Heard:
    """What a tool says of the script of a run; kept beside the rest of the ward."""

    def do(path: Path) -> None:
        try:
            apart(watch, run.case.script, ["--seed", str(run.seed)], path, LIMIT, name)
        except ScriptFailed as failed:
            last = str(failed).strip().rpartition("\n")[2]
            path.write_text(json.dumps({"models": 0, "alarms": [], "failed": last}), "utf-8")

    place = ward.record(run.case, run.seed).with_name(f"{title}.json")
    kept = once(place, run.case, do)
    alarms = tuple(Alarm(**alarm) for alarm in kept["alarms"])
    return Heard(run, kept["models"], alarms, kept.get("failed"))


def rate(heard: Sequence[Heard]) -> tuple[Share, ...]:
    """The shares of a tool, named as those of the judgement are."""
    sick, spared, healthy = sort(one.run for one in heard)
    of = {id(one.run): one for one in heard}
    ill, quiet = [of[id(run)] for run in sick], [of[id(run)] for run in (*spared, *healthy)]

    def share(name: str, those: Iterable[bool], among: Sequence[Heard]) -> Share:
        return Share(name, sum(those), len(among))

    alarmed = [one for one in heard if one.alarms]
    return (
        share("recall: sick runs with a right finding", (one.right for one in ill), ill),
        share("sick runs with any alarm", (bool(one.alarms) for one in ill), ill),
        share("sick, of all runs with an alarm", (one in ill for one in alarmed), alarmed),
        share("error, of healthy runs", (one.verdict == "error" for one in quiet), quiet),
        share("warning, of healthy runs", (one.verdict == "warning" for one in quiet), quiet),
        share("could not watch", (not one.models for one in heard), heard),
    )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
