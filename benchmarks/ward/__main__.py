"""The diagnosis measured on small real training scripts, sick and healthy.

    python -m benchmarks.ward [--quick] [--seeds N] [--jobs N] [--only NAME ...] [--peers]

Every script runs with every seed: plainly, under a probe of the ward's own; with its fault taken
away, if it has one; and under `reluctant run`. What is kept of that in --folder is not done again
unless the script changed, so that a call that was interrupted goes on; to measure all of it afresh,
delete the folder. Exits with 0 if every bar holds, with 1 otherwise.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.ward.case import Case
from benchmarks.ward.healthy import HEALTHY
from benchmarks.ward.judge import judge
from benchmarks.ward.peers import peers
from benchmarks.ward.runs import ROOT, Run, Ward
from benchmarks.ward.sick import SICK
from benchmarks.ward.tables import by_threshold, confusion, every_run, mistakes, shares

SEEDS = 3
# Of the healthy, in --quick.
EVERY = 9


def arguments() -> argparse.Namespace:
    """The command line."""
    head, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ward", description=head, epilog=rest
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="one seed, and a case of each kind")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="so many of each case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at the same time")
    parser.add_argument("--each", type=int, default=1, metavar="K", help="each K-th case alone")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these cases")
    parser.add_argument("--folder", type=Path, default=ROOT / ".reluctant" / "ward")
    parser.add_argument(
        "--rediagnose", action="store_true", help="run no script, diagnose the kept records again"
    )
    parser.add_argument(
        "--sensitivity", action="store_true", help="move every threshold by a fifth"
    )
    parser.add_argument("--peers", action="store_true", help="other tools on the same scripts")
    parser.add_argument("--list", action="store_true", help="one line on every run")
    return parser.parse_args()


def chosen(args: argparse.Namespace) -> list[Case]:
    """The cases that were asked for."""
    cases = [*SICK, *HEALTHY]
    if args.only:
        unknown = set(args.only) - {case.name for case in cases}
        if unknown:
            sys.exit(f"no such case: {', '.join(sorted(unknown))}")
        return [case for case in cases if case.name in args.only]
    if args.quick:
        first = {next(iter(case.findings)): case for case in reversed(SICK)}
        return [*first.values(), *HEALTHY[::EVERY]]
    return cases[:: args.each]


def main() -> None:
    """Run what was asked for and print the tables."""
    args = arguments()
    cases, seeds = chosen(args), range(1 if args.quick else args.seeds)
    ward = Ward(args.folder)
    outcomes = ward.examine(cases, seeds, args.jobs, args.rediagnose, not args.rediagnose)
    runs, failed = progress(outcomes, len(cases) * len(seeds))
    judgement = judge(runs)
    tools = {"reluctant": judgement.shares}
    if args.peers:
        tools |= peers(ward, runs, args.jobs)
    print(shares(tools), confusion(judgement.confusion), sep="\n\n")
    print(*mistakes(judgement.mistakes), sep="\n")
    if args.list:
        print(every_run(runs))
    print(*(f"failed: {sentence}" for sentence in failed), sep="\n")
    holds = judgement.holds and not failed
    if args.sensitivity:
        from benchmarks.ward.sensitivity import sensitivity

        records = [(str(run), ward.record(run.case, run.seed)) for run in runs]
        moved = sensitivity(records, args.jobs)
        print(by_threshold(moved))
        holds = holds and all(one.holds for one in moved)
    sys.exit(0 if holds else 1)


def progress(outcomes: Iterable[Run | str], total: int) -> tuple[Sequence[Run], Sequence[str]]:
    """The runs and the failures, counted on stderr as they come."""
    runs, failed = [], []
    for number, outcome in enumerate(outcomes, 1):
        if isinstance(outcome, Run):
            runs.append(outcome)
        else:
            failed.append(outcome)
        name = str(outcome) if isinstance(outcome, Run) else outcome.splitlines()[0]
        print(f"{number} of {total}  {name}", file=sys.stderr, flush=True)
    return runs, failed


if __name__ == "__main__":
    main()
