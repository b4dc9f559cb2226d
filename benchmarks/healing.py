"""Healing measured on the ward: what becomes of sick runs that are treated, and of healthy ones.

    python -m benchmarks.healing [--seeds N] [--jobs N] [--only NAME ...] [--healthy]

Every case runs with every seed plainly, with its fault taken away, and under `reluctant run
--heal`. A run counts as sick if its fault held it back in that very run, and as healed if it comes
within a point of accuracy, or five per cent of the loss, of the run without the fault; as harmed if
it ends worse than untreated by as much. What is kept in --folder is not done again unless the
script changed.
"""

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ward.case import Case
from benchmarks.ward.healthy import HEALTHY
from benchmarks.ward.runs import ROOT, Ward, once, reluctant
from benchmarks.ward.sick import SICK
from benchmarks.ward.truth import ScriptFailed, result_of

POINT = 0.01
SHARE = 0.05


@dataclass(frozen=True)
class Outcome:
    """One case and seed: its result untreated, without the fault (or None), and treated."""

    case: Case
    seed: int
    plain: float
    twin: float | None
    healed: float
    interventions: tuple[dict[str, Any], ...]

    @property
    def sick(self) -> bool:
        """Whether the fault held it back."""
        return self.twin is not None and not self._near(self.plain, self.twin)

    @property
    def is_healed(self) -> bool:
        """Whether it came to what it would have come to without the fault."""
        return self.twin is not None and self._near(self.healed, self.twin)

    @property
    def is_harmed(self) -> bool:
        """Whether it ended worse than untreated."""
        return not self._near(self.healed, self.plain)

    def _near(self, value: float, goal: float) -> bool:
        """Whether a result is as good as another, or better."""
        if value != value:
            return goal != goal
        if goal != goal:
            return True
        if self.case.better == "high":
            return value >= goal - POINT
        return value <= goal + SHARE * abs(goal)

    def __str__(self) -> str:
        word = "healed" if self.is_healed else "better" if self._better else "same"
        word = "HARMED" if self.is_harmed else word if self.twin is not None else "healthy"
        signs = {True: "", False: "-", None: "?"}
        did = ", ".join(
            f"{at['remedy']}@{at['step']}{signs[at['kept']]}" for at in self.interventions
        )
        twin = "" if self.twin is None else f"{self.twin:9.4g}"
        return (
            f"{self.case.name:26} {self.seed}  {self.plain:9.4g} {self.healed:9.4g} {twin:9}  "
            f"{word:8} {did}"
        )

    @property
    def _better(self) -> bool:
        return not self._near(self.plain, self.healed)


def main() -> None:
    """Run what was asked for and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--healthy", action="store_true")
    parser.add_argument("--again", action="store_true", help="run anew what is healed")
    parser.add_argument("--folder", type=Path, default=ROOT / ".reluctant" / "ward")
    args = parser.parse_args()
    cases = HEALTHY if args.healthy else SICK
    if args.only:
        cases = tuple(case for case in (*SICK, *HEALTHY) if case.name in args.only)
    ward = Ward(args.folder)
    pairs = [(case, seed) for case in cases for seed in range(args.seeds)]

    def one(pair: tuple[Case, int]) -> Outcome | str:
        try:
            return outcome(ward, *pair, args.again)
        except ScriptFailed as failed:
            return f"{pair[0].name} {pair[1]}: {failed}"

    outcomes = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for found in pool.map(one, pairs):
            print(found, flush=True)
            if isinstance(found, Outcome):
                outcomes.append(found)
    sick = [at for at in outcomes if at.sick]
    treated = [at for at in sick if at.interventions]
    healthy = [at for at in outcomes if not at.sick]
    print(
        f"\nsick {len(sick)}, treated {len(treated)}, healed {sum(at.is_healed for at in sick)}, "
        f"harmed {sum(at.is_harmed for at in outcomes)}; "
        f"healthy {len(healthy)}, treated {sum(bool(at.interventions) for at in healthy)}"
    )
    sys.exit(0)


def outcome(ward: Ward, case: Case, seed: int, again: bool) -> Outcome:
    """One case with one seed."""
    truth, twin = ward.truths(case, seed)
    place = ward.place(case, seed)
    if again:
        (place / "healed.json").unlink(missing_ok=True)
    healed = once(place / "healed.json", case, lambda path: _heal(case, seed, path))
    return Outcome(
        case,
        seed,
        truth.result,
        None if twin is None else twin.result,
        healed["result"],
        tuple(healed["interventions"]),
    )


def _heal(case: Case, seed: int, path: Path) -> None:
    record = path.parent / "healed"
    shutil.rmtree(record, ignore_errors=True)
    script = [str(case.script), "--seed", str(seed)]
    run = ["run", "--heal", "--quiet", "--out", str(record), *script]
    _, result = result_of(reluctant(run, may_fail=False))
    said = json.loads(reluctant(["diagnose", str(record), "--format", "json"], may_fail=True))
    kept = {"result": result, "interventions": said["interventions"]}
    path.write_text(json.dumps(kept), "utf-8")


if __name__ == "__main__":
    main()
