"""What `reluctant run` costs: each example with and without it, in turn, as whole processes.

    python -m benchmarks.overhead [--pairs N] [--threads N] [--only NAME]

Runs are paired (plain, then watched, then watched, then plain, ...), so that a machine whose
speed drifts slows both alike. Printed is the median of the pairs' ratios with the smallest and
largest, for wall time and for processor time; then what observation says of itself: its share of
the run, and the price of one sampled step in plain steps. Results go to a file as they come, and
a call that was interrupted goes on where it stopped.
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
    "digits_mlp": ["--epochs", "900"],
    "fashion_cnn": ["--epochs", "2", "--train-size", "25000"],
    "char_transformer": ["--steps", "850"],
}


def timed(command: list[str], threads: int) -> tuple[float, float]:
    """Wall and processor seconds of one run, its output thrown away."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} exited with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def pair(name: str, threads: int, watched_first: bool) -> dict[str, Any]:
    """One plain and one watched run."""
    script = [str(ROOT / "examples" / f"{name}.py"), *SCRIPTS[name]]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "run"
        plain = [sys.executable, *script]
        watched = [sys.executable, "-m", "reluctant", "run", "--out", str(record), *script]
        times = {}
        for which in ("watched", "plain") if watched_first else ("plain", "watched"):
            times[which] = timed(watched if which == "watched" else plain, threads)
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
        "threads": threads,
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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=list(SCRIPTS))
    parser.add_argument("--results", type=Path, default=ROOT / ".reluctant" / "overhead.jsonl")
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    done = [at for at in map(json.loads, lines) if at["threads"] == args.threads]
    names = [args.only] if args.only else list(SCRIPTS)
    for turn in range(args.pairs):
        for name in names:
            if sum(at["script"] == name for at in done) <= turn:
                found = pair(name, args.threads, watched_first=turn % 2 == 1)
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
