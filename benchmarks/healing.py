"""Healing measured on the ward: what becomes of sick runs that are treated, and of healthy ones.

    python -m benchmarks.healing [--seeds N] [--jobs N] [--only NAME ...] [--healthy] [--arms]

Every case runs with every seed plainly, with its fault taken away, and under `reluctant run
--heal`; with --arms also with what stands for the same remedies to no purpose (`reluctant trial`'s
placebo), and under what others do: every rectifier leaky from the start, steps at half their rate,
and ReDo (benchmarks/arms.py). A run is sick if its fault held it back in that very run;
healable if one of the answers that the ward accepts for it has a remedy in the run; healed if it
comes within a point of accuracy, or five per cent of the loss, of the run without the fault; harmed
if it ends worse than untreated by as much, and by two standard deviations of the untreated runs of
the other seeds. What healing costs in time is told by the whole process, against the script's own
right after it, under the same load. What is kept in --folder is not done again unless the script
changed, or --again is said.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, quantiles, stdev
from time import perf_counter
from typing import Any

from benchmarks.ward.case import Case
from benchmarks.ward.healthy import HEALTHY
from benchmarks.ward.runs import ROOT, Ward, once, python, reluctant
from benchmarks.ward.sick import SICK
from benchmarks.ward.truth import ScriptFailed, result_of
from reluctant.remedy.propose import has_remedy

POINT = 0.01
SHARE = 0.05
DEVIATIONS = 2.0
ARMS = ("placebo", "leaky", "halved", "redo")


@dataclass(frozen=True)
class Outcome:
    """One case and seed: its results plain, without the fault (or None), healed, and by arm.

    `noise` is the standard deviation of the case's plain results over the seeds, and `slower` the
    time of the healed process by that of the plain one, if both were taken.
    """

    case: Case
    seed: int
    plain: float
    twin: float | None
    healed: float
    interventions: tuple[dict[str, Any], ...]
    arms: dict[str, float]
    slower: float | None = None
    noise: float = 0.0

    @property
    def sick(self) -> bool:
        """Whether the fault held it back."""
        return self.twin is not None and not self.near(self.plain, self.twin)

    @property
    def treated(self) -> bool:
        """Whether anything was done, and not only refused."""
        return any(not refused(at) for at in self.interventions)

    def is_healed(self, result: float) -> bool:
        """Whether it came to what it would have come to without the fault."""
        return self.twin is not None and self.near(result, self.twin)

    def is_harmed(self, result: float) -> bool:
        """Whether it ended worse than untreated, beyond noise."""
        worse = self.plain - result if self.case.better == "high" else result - self.plain
        return not self.near(result, self.plain) and not worse <= DEVIATIONS * self.noise

    def near(self, value: float, goal: float) -> bool:
        """Whether a result is as good as another, or better."""
        if value != value:
            return goal != goal
        if goal != goal:
            return True
        if self.case.better == "high":
            return value >= goal - POINT
        return value <= goal + SHARE * abs(goal)

    def __str__(self) -> str:
        word = "same" if self.near(self.plain, self.healed) else "better"
        word = "healed" if self.is_healed(self.healed) else word
        word = "HARMED" if self.is_harmed(self.healed) else word
        word = word if self.twin is not None else "healthy"
        signs = {True: "", False: "-", None: "?"}
        did = ", ".join(
            f"{at['remedy']}@{at['step']}{'!' if refused(at) else signs[at['kept']]}"
            for at in self.interventions
        )
        twin = "" if self.twin is None else f"{self.twin:9.4g}"
        arms = " ".join(f"{value:9.4g}" for value in self.arms.values())
        return (
            f"{self.case.name:26} {self.seed}  {self.plain:9.4g} {self.healed:9.4g} {twin:9} "
            f"{arms} {word:8} {did}"
        )


def refused(intervention: dict[str, Any]) -> bool:
    """Whether nothing was done."""
    return intervention["kept"] is False and intervention["after"] is None


def main() -> None:
    """Run what was asked for and print the tables."""
    args = arguments()
    cases = HEALTHY if args.healthy else SICK
    if args.only:
        cases = tuple(case for case in (*SICK, *HEALTHY) if case.name in args.only)
    ward = Ward(args.folder)
    arms = ARMS if args.arms else ()

    def one(pair: tuple[Case, int]) -> Outcome | str:
        try:
            return outcome(ward, *pair, args.again, arms)
        except ScriptFailed as failed:
            return f"{pair[0].name} {pair[1]}: {failed}"

    outcomes, failed = [], 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for found in pool.map(one, [(case, at) for case in cases for at in range(args.seeds)]):
            print(found, flush=True)
            if isinstance(found, Outcome):
                outcomes.append(found)
            else:
                failed += 1
    outcomes = [with_noise(at, outcomes) for at in outcomes]
    summary(outcomes, arms)
    sys.exit(1 if failed else 0)


def arguments() -> argparse.Namespace:
    """The command line."""
    head, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.healing", description=head, epilog=rest
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at the same time")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these cases")
    parser.add_argument("--healthy", action="store_true", help="the healthy, and not the sick")
    parser.add_argument("--arms", action="store_true", help="what others do, too")
    parser.add_argument("--again", action="store_true", help="heal anew what is kept")
    parser.add_argument("--folder", type=Path, default=ROOT / ".reluctant" / "ward")
    return parser.parse_args()


def with_noise(one: Outcome, outcomes: Iterable[Outcome]) -> Outcome:
    """The same, knowing how the untreated differ."""
    results = [at.plain for at in outcomes if at.case == one.case and at.plain == at.plain]
    return Outcome(**{**vars(one), "noise": stdev(results) if len(results) > 1 else 0.0})


def summary(outcomes: Iterable[Outcome], arms: Iterable[str]) -> None:
    """Shares over all runs, and over those that can be healed."""
    outcomes = list(outcomes)
    sick = [at for at in outcomes if at.sick]
    healable = [at for at in sick if is_healable(at.case)]
    healthy = [at for at in outcomes if not at.sick]

    def row(name: str, result: Callable[[Outcome], float]) -> str:
        healed = [at.is_healed(result(at)) for at in healable]
        harmed = [at for at in outcomes if at.is_harmed(result(at))]
        rest = ", ".join(f"{at.case.name} {at.seed}" for at in harmed)
        share = fmean(healed) if healed else 0.0
        words = f"healed {sum(healed)} of {len(healed)} ({share:.3f}), harmed {len(harmed)}"
        return f"{name:9} {words}  {rest}"

    print(f"\n{len(outcomes)} runs: {len(sick)} sick, {len(healable)} of them healable")
    print(row("untreated", lambda at: at.plain))
    print(row("healing", lambda at: at.healed))
    for arm in arms:
        print(row(arm, partial(of_arm, arm)))
    timed = [at.slower for at in outcomes if at.slower is not None]
    if len(timed) > 1:
        low, middle, high = quantiles(timed)
        print(f"time      {middle:.2f} of the script's ({low:.2f} to {high:.2f}), n = {len(timed)}")
    treated = [at for at in healthy if at.treated]
    rest = ", ".join(f"{at.case.name} {at.seed}" for at in treated)
    print(f"treated of {len(healthy)} that are not sick: {len(treated)}  {rest}")


def of_arm(arm: str, outcome: Outcome) -> float:
    """What a run came to under one of the other arms."""
    return outcome.arms[arm]


def is_healable(case: Case) -> bool:
    """Whether one of the right answers has a remedy in the run."""
    return any(has_remedy(slug, causes) for slug, causes in case.findings.items())


def outcome(ward: Ward, case: Case, seed: int, again: bool, arms: Iterable[str]) -> Outcome:
    """One case with one seed."""
    truth, twin = ward.truths(case, seed)
    place = ward.place(case, seed)
    if again:
        for name in ("healed", "placebo"):
            (place / f"{name}.json").unlink(missing_ok=True)
    healed = once(place / "healed.json", case, lambda path: _heal(case, seed, path))
    others = {}
    for arm in arms:
        kept = once(place / f"{arm}.json", case, partial(_arm, case, seed, arm))
        others[arm] = float(kept["result"])
    return Outcome(
        case,
        seed,
        truth.result,
        None if twin is None else twin.result,
        healed["result"],
        tuple(healed["interventions"]),
        others,
        healed["seconds"] / healed["plain"] if "plain" in healed else None,
    )


def _heal(case: Case, seed: int, path: Path) -> None:
    record = path.parent / "healed"
    shutil.rmtree(record, ignore_errors=True)
    script = [str(case.script), "--seed", str(seed)]
    began = perf_counter()
    said = reluctant(["run", "--heal", "--quiet", "--out", str(record), *script], may_fail=False)
    healed = perf_counter()
    python(script)
    plain = perf_counter()
    found = json.loads(reluctant(["diagnose", str(record), "--format", "json"], may_fail=True))
    kept = {
        "result": result_of(said)[1],
        "seconds": healed - began,
        "plain": plain - healed,
        "interventions": found["interventions"],
    }
    path.write_text(json.dumps(kept), "utf-8")


def _arm(case: Case, seed: int, arm: str, path: Path) -> None:
    script = [str(case.script), "--seed", str(seed)]
    watched = {
        "placebo": ["--heal-placebo", str(path.parent / "healed")],
        "leaky": ["--observe", "parameters", "--swap", "relu=leaky_relu"],
    }
    if arm in watched:
        out = path.parent / arm
        shutil.rmtree(out, ignore_errors=True)
        run = ["run", "--quiet", *watched[arm], "--out", str(out), *script]
        said = reluctant(run, may_fail=False)
    else:
        said = python(["-m", "benchmarks.arms", arm, *script])
    path.write_text(json.dumps({"result": result_of(said)[1]}), "utf-8")


if __name__ == "__main__":
    main()
