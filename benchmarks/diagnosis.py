"""What a diagnosis costs: seconds and memory, for records of ever more units.

    python -m benchmarks.diagnosis [--records UNITS[/STRIDE] ...] [--runs N] [--sick] [--again]

A record of 200 samples is written once, sample by sample, into the folder for temporary files,
where a later call finds it (`--again` writes it anew): two convolutions and three wide layers with
so many units in all, a tenth of them dead, of a run that learns; with `--sick` it does not, and
steps are outsized at its start, so that every rule has all its work to do. A million units with
nothing left out are 8 GB. `1000000/50` is what observation leaves of such a network: every 50th
unit. Each run is a process of its own that loads and diagnoses; the first, which brings the record
into the memory of the system, does not count. Printed are medians of the wall time of either, and
of the processor time of both, which tells more on a machine that has other work; and the largest
peak of resident memory, of which python and numpy are 30 MB.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant import diagnose, load
from reluctant.record import folder
from reluctant.record.info import RunInfo
from reluctant.record.observation import (
    HeadRow,
    InputRow,
    LayerRow,
    NewLayer,
    NewSite,
    Observation,
    SiteRow,
)
from reluctant.record.run import Function, Head, Sample
from reluctant.record.writer import Writer

SAMPLES = 200
EXAMPLES = 64
RECORDS = ("10000", "100000", "1000000/50", "1000000")

INF = float("inf")
FUNCTIONS = (
    Function(0, "relu", flat=((-INF, 0.0),), switches_off=True),
    Function(1, "tanh", flat=((-INF, -4.1), (4.1, INF)), zero_centred=True),
)


class Kind(NamedTuple):
    """A hidden layer: its share of all units, its function, and how many places it is read at."""

    name: str
    share: float
    function: int
    positions: int


HIDDEN = (
    Kind("conv0", 0.04, 0, 256),
    Kind("conv1", 0.06, 0, 64),
    Kind("wide0", 0.4, 0, 1),
    Kind("wide1", 0.3, 1, 1),
    Kind("wide2", 0.2, 0, 1),
)

# -- the record ---------------------------------------------------------------------------------


class Units:
    """The units of one layer over time: every twentieth is born dead, another dies on the way."""

    def __init__(self, index: int, kind: Kind, count: int, sick: bool) -> None:
        self._generator = np.random.default_rng(index)
        self._index, self._kind, self._count, self._sick = index, kind, count, sick
        self._centre = 0.5 * self._normal()
        self._size = 1 + 0.1 * self._normal()
        self._since = np.full(count, SAMPLES)
        self._since[::20] = 0
        self._since[10::20] = self._generator.integers(1, SAMPLES - 20, len(self._since[10::20]))

    def _normal(self) -> NDArray[np.float32]:
        return self._generator.standard_normal(self._count, dtype=np.float32)

    def rows(self, sample: int) -> tuple[SiteRow, LayerRow]:
        """What one sample tells of them."""
        kind = self._kind
        dead = self._since <= sample
        noise = self._normal()
        mean = np.where(dead, np.float32(-9), self._centre + 0.1 * noise)
        std = 1 + 0.1 * np.abs(noise)
        values = EXAMPLES * kind.positions
        inside = 1 / (1 + np.exp(-1.702 * mean / std)) if kind.function == 0 else 0.999
        fired = np.where(dead, 0, np.round(values * inside))
        back = np.where(dead, np.float32(0), 1e-3 + 5e-4 * np.abs(np.roll(noise, 1)))
        brisk = 0.5 if self._sick and sample < 3 else 1e-3
        seen = (fired, mean, std, mean - 3 * std, mean + 3 * std, 0.7 * back, back)
        changed = (10 * back, self._size + 1e-3 * sample, brisk * np.abs(noise))
        bias = None if kind.positions > 1 else 0.01 * noise
        return SiteRow(self._index, EXAMPLES, values, *seen), LayerRow(self._index, *changed, bias)


def steps() -> list[int]:
    """Dense at the start, then every so many."""
    early = [0, 1, 2, 4, 8, 16]
    return [*early, *range(32, 32 + 50 * (SAMPLES - len(early)), 50)]


def observations(units: int, stride: int, sick: bool) -> Iterator[Observation]:
    """The samples of one run, one at a time."""
    counts = [round(kind.share * units) for kind in HIDDEN]
    read = [-(-count // stride) for count in counts]
    hidden = [Units(at, kind, read[at], sick) for at, kind in enumerate(HIDDEN)]
    layers = [
        NewLayer(at, kind.name, "Net", "Linear", (counts[at], 9), counts[at], at, stride)
        for at, kind in enumerate(HIDDEN)
    ]
    last = len(HIDDEN)
    layers.append(NewLayer(last, "out", "Net", "Linear", (10, 9), 10, last))
    sites = [
        NewSite(at, f"{kind.name}:f", "Net", kind.function, at, counts[at], True, True, stride)
        for at, kind in enumerate(HIDDEN)
    ]
    ten = np.linspace(0.5, 1, 10, dtype=np.float32)
    for index, step in enumerate(steps()):
        rows = [at.rows(index) for at in hidden]
        loss = 2.3 + 0.02 * (-1) ** index if sick else 0.2 + 2.1 / (1 + 0.01 * step)
        correct = 0.1 if sick else 0.9
        given = (0, 1, -3, 3, *[float("nan")] * 4, loss, float(np.log(10)), correct, 0.1)
        seen = Observation(
            Sample(index, step, 0, loss, 0.1, 0.1 * step),
            site_rows=tuple(site for site, _ in rows),
            layer_rows=(*(layer for _, layer in rows), LayerRow(last, ten, ten, ten / 1e3, ten)),
            input_rows=(InputRow(0, (0, 1, -3, 3, 0, 1, 1, 0.1)),),
            head_rows=(HeadRow(0, given),),
        )
        if not index:
            seen = replace(
                seen,
                layers=tuple(layers),
                functions=FUNCTIONS,
                sites=tuple(sites),
                feeds=tuple((at, at + 1) for at in range(last)),
                heads=(Head(0, "cross_entropy"),),
            )
        yield seen


def write(path: Path, units: int, stride: int, sick: bool) -> None:
    """Write a run into a new folder, so that none is there until it is whole."""
    scratch = path.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    info = RunInfo("train.py", torch="2.13.0", exit_code=0, steps=steps()[-1] + 1, seconds=900.0)
    folder.write_info(scratch, info)
    writer = Writer(scratch)
    for seen in observations(units, stride, sick):
        writer.write(seen)
    writer.close()
    scratch.replace(path)


# -- the measurement ----------------------------------------------------------------------------


def measure(path: Path) -> dict[str, Any]:
    """Load and diagnose in this process."""
    began, spent = time.perf_counter(), time.process_time()
    run = load(path)
    loaded = time.perf_counter()
    found = diagnose(run)
    ended = time.perf_counter()
    return {
        "load": loaded - began,
        "diagnose": ended - loaded,
        "processor": time.process_time() - spent,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "findings": len(found.findings),
    }


def child(*arguments: str) -> str:
    """What this module says in a process of its own, which begins small."""
    command = [sys.executable, "-m", "benchmarks.diagnosis", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def show(record: str, sick: bool, again: bool, runs: int) -> None:
    """One line of the table."""
    units, _, stride = record.partition("/")
    name = f"reluctant-{units}-{stride or 1}-{'sick' if sick else 'well'}"
    path = Path(tempfile.gettempdir()) / name
    if again:
        shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        child("--write", str(path), "--records", record, *["--sick"] * sick)
    found = [json.loads(child("--measure", str(path))) for _ in range(runs + 1)][1:]
    size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    parts = ("load", "diagnose", "processor")
    loading, diagnosing, processor = (median(at[part] for at in found) for part in parts)
    peak = max(at["peak"] for at in found) / 1e6
    print(
        f"| {int(units):,} | {stride or 1} | {size:,.0f} MB | {loading:.3f} s | {diagnosing:.2f} s "
        f"| {processor:.2f} s | {peak:,.0f} MB | {found[0]['findings']} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", nargs="+", default=RECORDS, metavar="UNITS[/STRIDE]")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sick", action="store_true", help="a run that does not learn")
    parser.add_argument("--again", action="store_true", help="write the records anew")
    # What the processes are told that this one starts.
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        units, _, stride = args.records[0].partition("/")
        write(args.write, int(units), int(stride or 1), args.sick)
    elif args.measure:
        print(json.dumps(measure(args.measure)))
    else:
        print("| units | every | record | load | diagnose | processor | peak | findings |")
        print("|---|---|---|---|---|---|---|---|")
        for record in args.records:
            show(record, args.sick, args.again, args.runs)


if __name__ == "__main__":
    main()
