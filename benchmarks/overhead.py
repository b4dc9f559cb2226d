"""What watching costs: a training with and without a monitor, side by side.

    python -m benchmarks.overhead [--loads NAME ...] [--ways NAME ...] [--pairs N]
                                  [--device cuda] [--steps N]

Loads are the examples, and those of benchmarks/load.py; ways are `reluctant` (as it stands),
`every` (`--every 1`), and, for the latter loads, the monitors `wandb` and `tensorboard`. The two
runs of a pair go at the same time, each on a processor of its own with one thread, and change
places from pair to pair: whatever slows the machine slows both. Where one run takes both
processors (`ddp`), or the device that it trains on, they go one after the other, in alternating
order. Printed is the mean of the
pairs' ratios with its 95 % interval (Student's, on logarithms) for wall time and for processor
time; then, of *reluctant*, what observation says of itself: its share of the run, and the price of
one sampled step in plain steps. Results go to a file as they come, and a call that was interrupted
goes on where it stopped.
"""

import argparse
import compileall
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from math import exp, log, sqrt
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from scipy.stats import t as student

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable

# Each takes 35 to 40 s with one thread on the machine of the LOG.
EXAMPLES: dict[str, list[str]] = {
    "digits_mlp": ["--epochs", "2300"],
    "fashion_cnn": ["--epochs", "3", "--train-size", "25000"],
    "char_transformer": ["--steps", "1300"],
}
# Steps; each takes something over a minute.
LOADS = {
    "tiny": 40_000,
    "wide": 1_600,
    "conv": 6_000,
    "transformer": 3_000,
    "compiled": 16_000,
    "ddp": 8_000,
}
WAYS = ("reluctant", "every", "wandb", "tensorboard")

# Where every step is watched, a part of them tells as much.
EVERY_SHARE = 4


def command(load: str, way: str, record: Path, steps: int, device: str | None) -> list[str]:
    """What runs a load in one way."""
    if load in EXAMPLES:
        what = [str(ROOT / "examples" / f"{load}.py"), *EXAMPLES[load]]
    else:
        what = ["-m", "benchmarks.load", load, str(steps)]
        if device is not None:
            what += ["--device", device]
        if way in ("wandb", "tensorboard"):
            what += ["--monitor", way]
    watched = {"reluctant": [], "every": ["--every", "1"]}
    if way in watched:
        what = ["-m", "reluctant", "run", "--out", str(record), *watched[way], *what]
    if load == "ddp":
        launcher = "-m torch.distributed.run --standalone --nproc-per-node 2".split()
        what = [*launcher, *what]
    return [PYTHON, *what]


def start(command: list[str], processors: str) -> subprocess.Popen[bytes]:
    """Begin a run on these processors, one thread a process, its output thrown away."""
    return subprocess.Popen(
        ["taskset", "--cpu-list", processors, *command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where things lie in memory is worth a per cent of a training of small steps, watched or
        # not (Mytkowicz et al. 2009); so they lie elsewhere each time.
        env={**os.environ, "OMP_NUM_THREADS": "1", "PADDING": "." * random.randrange(8192)},
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


def pair(load: str, way: str, turn: int, steps: int, device: str | None) -> dict[str, Any]:
    """One plain run and one in another way."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "run"
        order = sorted(("plain", way), reverse=turn % 2 == 1)
        commands = {name: command(load, name, record, steps, device) for name in order}
        times: dict[str, tuple[float, float]] = {}
        if load == "ddp" or device is not None:
            for name in order:
                times |= finish({name: start(commands[name], "0,1")})
        else:
            times = finish({name: start(commands[name], str(at)) for at, name in enumerate(order)})
        said = facts(record) if record.exists() else {}
    return {"load": load, "way": way, "plain": times["plain"], "other": times[way], **said}


def facts(record: Path) -> dict[str, Any]:
    """What a run says of itself."""
    info = json.loads((record / "run.json").read_text())
    asked = [PYTHON, "-m", "reluctant", "diagnose", str(record), "--format", "json"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    return {
        "steps": info["steps"],
        "observing": info["observing_seconds"],
        "samples": json.loads(told.stdout)["run"]["samples"],
        "bytes": sum(path.stat().st_size for path in record.iterdir()),
    }


def interval(ratios: list[float]) -> str:
    """The geometric mean with its 95 % interval."""
    logs = [log(ratio) for ratio in ratios]
    if len(logs) < 2:
        return f"{ratios[0]:.4f}"
    half = student.ppf(0.975, len(logs) - 1) * stdev(logs) / sqrt(len(logs))
    low, middle, high = (exp(mean(logs) + side * half) for side in (-1, 0, 1))
    return f"{middle:.4f} ({low:.3f} to {high:.3f})"


def show(load: str, way: str, pairs: list[dict[str, Any]]) -> None:
    """One line for one load and way."""
    seconds = median(at["plain"][0] for at in pairs)
    walls, processors = (
        interval([at["other"][kind] / at["plain"][kind] for at in pairs]) for kind in (0, 1)
    )
    line = f"| {load} | {way} | {len(pairs)} | {seconds:.1f} s | {walls} | {processors} |"
    if "observing" in pairs[0]:
        share = median(at["observing"] / at["other"][0] for at in pairs)
        samples = median(at["samples"] for at in pairs)
        price = share * median(at["steps"] for at in pairs) / samples
        size = median(at["bytes"] for at in pairs) / 1e6
        line += f" {100 * share:.2f} % | {samples:.0f} | {price:.1f} | {size:.1f} MB |"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loads", nargs="+", choices=[*EXAMPLES, *LOADS], default=list(EXAMPLES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["reluctant"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--device", help="train the latter loads there")
    parser.add_argument("--steps", type=int, help="so many, and not as many as take a minute")
    parser.add_argument("--results", type=Path, default=ROOT / ".reluctant" / "overhead.jsonl")
    args = parser.parse_args()
    # As pip does where it installs: without it, where PYTHONDONTWRITEBYTECODE is set, each run
    # would compile all of the package anew, and torch not.
    compileall.compile_dir(ROOT / "src", quiet=1)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    done = list(map(json.loads, lines))
    wanted = [
        (load, way)
        for load in args.loads
        for way in args.ways
        if load in LOADS or way in ("reluctant", "every")
    ]
    for turn in range(args.pairs):
        for load, way in wanted:
            if sum((at["load"], at["way"]) == (load, way) for at in done) <= turn:
                steps = args.steps or LOADS.get(load, 0)
                steps //= EVERY_SHARE if way == "every" else 1
                done.append(pair(load, way, turn, steps, args.device))
                with args.results.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    print("| load | way | n | plain | wall | processor | own | steps sampled | price | record |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for load, way in wanted:
        show(load, way, [at for at in done if (at["load"], at["way"]) == (load, way)])


if __name__ == "__main__":
    main()
