"""The open table of functions, and searches replayed on it.

    python -m benchmarks.search table [--jobs N] [--functions N] [--folder DIR]
    python -m benchmarks.search keep [--folder DIR]
    python -m benchmarks.search honesty [--repetitions N]
    python -m benchmarks.search replay [--repetitions N] [--search NAME ...] [--table FILE]

`table` trains with every function what is not in the folder yet, and can be interrupted at any
time; `keep` puts what is there into benchmarks/search/table.csv.gz; `replay` prints how many
evaluations each search takes to meet one of the best 1 % of functions; `honesty` runs whole
searches on made-up losses, and prints how often a winner is none.
"""

import argparse
from pathlib import Path

from benchmarks.search import table
from benchmarks.search.honesty import honesty
from benchmarks.search.replay import SEARCHES, replay

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Do what was asked for."""
    head, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=head,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["table", "keep", "replay", "honesty"])
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--functions", type=int, metavar="N", help="so many of them alone")
    parser.add_argument("--folder", type=Path, default=ROOT / ".reluctant" / "search-table")
    parser.add_argument("--table", type=Path, default=table.RESULT, metavar="FILE")
    parser.add_argument("--repetitions", type=int, default=100, metavar="N")
    parser.add_argument("--search", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    args = parser.parse_args()
    if args.what == "table":
        table.make(args.folder, args.jobs, args.functions)
    elif args.what == "keep":
        table.keep(args.folder)
    elif args.what == "honesty":
        for line in honesty(args.repetitions):
            print(line, flush=True)
    else:
        for line in replay(table.Table.load(args.table), args.repetitions, args.search):
            print(line, flush=True)


if __name__ == "__main__":
    main()
