"""What `reluctant run` costs: each example with and without it, side by side.

    python -m benchmarks.overhead [--pairs N] [--in-turn] [--only NAME]

The two runs of a pair go at the same time, each on a processor of its own with one thread, and
change places from pair to pair: whatever slows the machine slows both. With `--in-turn` they go
one after the other instead, in alternating order. Printed is the median of the pairs' ratios with
the smallest and largest, for wall time and for processor time; then what observation says of
itself: its share of the run, and the price of one sampled step in plain steps. Results go to a
file as they come, and a call that was interrupted goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]

# Each takes 35 to 40 s with one thread on the machine of the LOG.
SCRIPTS: dict[str, list[str]] = {
    "digits_mlp": ["--epochs", "1200"],
    "fashion_cnn": ["--epochs", "2", "--train-size", "25000"],
    "char_transformer": ["--steps", "850"],
}


def start(command: list[str], processor: int) -> subprocess.Popen[bytes]:
    """Begin a run on one processor, with one thread, its output thrown away."""
    return subprocess.Popen(
        ["taskset", "--cpu-list", str(processor), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(runs: dict[str, subprocess.Popen[bytes]]) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of each run, waited for in the order in which they end."""
    began = time.perf_counter()
    names = {process.pid: name for name, process in runs.items()}
    times = {}
    for _ in runs:
        pid, status, usage = os.wait3(0)
        name = names[pid]
        runs[name].returncode = os.waitstatus_to_exitcode(status)
        if runs[name].returncode:
            sys.exit(f"the {name} run exited with {runs[name].returncode}")
        times[name] = (time.perf_counter() - began, usage.ru_utime + usage.ru_stime)
    return times


def pair(name: str, turn: int, in_turn: bool) -> dict[str, Any]:
    """One plain and one watched run."""
    script = [str(ROOT / "examples" / f"{name}.py"), *SCRIPTS[name]]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "run"
        commands = {
            "plain": [sys.executable, *script],
            "watched": [sys.executable, "-m", "reluctant", "run", "--out", str(record), *script],
        }
        order = sorted(commands, reverse=turn % 2 == 1)
        times: dict[str, tuple[float, float]] = {}
        if in_turn:
            for which in order:
                times |= finish({which: start(commands[which], 1)})
        else:
            places = enumerate(order)
            times = finish({which: start(commands[which], at) for at, which in places})
        info = json.loads((record / "run.json").read_text())
        size = sum(path.stat().st_size for path in record.iterdir())
        counted = subprocess.run(
            [sys.executable, "-m", "reluctant", "diagnose", str(record), "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
    return {
        "script": name,
        "in_turn": in_turn,
        **times,
        "steps": info["steps"],
        "observing": info["observing_seconds"],
        "samples": json.loads(counted.stdout)["run"]["samples"],
        "bytes": size,
    }


def show(name: str, pairs: list[dict[str, Any]]) -> None:
    """One line for one example."""
    seconds = median(at["plain"][0] for at in pairs)
    columns = []
    for kind in (0, 1):
        ratios = sorted(at["watched"][kind] / at["plain"][kind] for at in pairs)
        columns.append(f"{median(ratios):.4f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")
    share = median(at["observing"] / at["watched"][0] for at in pairs)
    price = median(at["observing"] / at["samples"] / (at["plain"][0] / at["steps"]) for at in pairs)
    samples = median(at["samples"] for at in pairs)
    size = median(at["bytes"] for at in pairs)
    print(
        f"{name:18} {len(pairs):2} {seconds:6.1f} s  {columns[0]:25} {columns[1]:25} "
        f"{100 * share:5.2f} %  {samples:5.0f}  {price:5.1f}  {size / 1e6:5.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--in-turn", action="store_true")
    parser.add_argument("--only", choices=list(SCRIPTS))
    parser.add_argument("--results", type=Path, default=ROOT / ".reluctant" / "overhead.jsonl")
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    done = [at for at in map(json.loads, lines) if at["in_turn"] == args.in_turn]
    names = [args.only] if args.only else list(SCRIPTS)
    for turn in range(args.pairs):
        for name in names:
            if sum(at["script"] == name for at in done) <= turn:
                found = pair(name, turn, args.in_turn)
                done.append(found)
                with args.results.open("a") as file:
                    file.write(json.dumps(found) + "\n")
    print(
        f"{'script':18} {'n':>2} {'plain':>8}  {'wall, watched / plain':25} "
        f"{'processor':25} {'own':>7}  steps  price  record"
    )
    for name in names:
        show(name, [at for at in done if at["script"] == name])


if __name__ == "__main__":
    main()
