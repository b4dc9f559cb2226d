"""What a page of a large run costs: seconds, memory, and bytes.

    python -m benchmarks.page [--layers N] [--units N] [--samples N]

Writes a record by hand, of rectified layers whose units fire on about half of the inputs and a
tenth of which dies on the way, then makes its page in a process of its own, of which the kernel
says how much memory it held at its most. The bars: 5 s for 100 layers of 1,000 units over 200
samples, and 20 s, 1.5 GB and 6 MB for a million units, of which the observation reads a part.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reluctant.record import folder, histogram
from reluctant.record.info import RunInfo
from reluctant.record.observation import LayerRow, NewLayer, NewSite, Observation, SiteRow
from reluctant.record.run import Function, Sample
from reluctant.record.writer import Writer

BATCH = 64
AXIS = tuple(np.linspace(-6, 6, 49).tolist())
RELU = Function(
    0, "relu", {}, ((-np.inf, 0.0),), True, curve=(AXIS, tuple(max(z, 0.0) for z in AXIS))
)


def write(path: Path, layers: int, units: int, samples: int, stride: int = 1) -> None:
    """A record of so many layers of so many units each, of which every `stride`-th is read."""
    path.mkdir(parents=True, exist_ok=True)
    steps = sorted({0, 1, 2, 4, 8, 16, *range(32, 32 + 16 * samples, 16)})[:samples]
    folder.write_info(
        path, RunInfo("huge.py", started="2026-01-31T12:00:00+00:00", steps=steps[-1] + 1)
    )
    writer = Writer(path)
    writer._connection.execute("PRAGMA synchronous = OFF")
    rng = np.random.default_rng(0)
    read = -(-units // stride)
    bias = rng.normal(0, 0.5, (layers, read)).astype(np.float32)
    dies = np.where(
        rng.random((layers, read)) < 0.1, rng.integers(0, samples, (layers, read)), samples
    )
    for index, step in enumerate(steps):
        writer.write(_sample(index, step, rng, bias, dies, units, stride))
    writer.close()


def _sample(
    index: int,
    step: int,
    rng: np.random.Generator,
    bias: NDArray[np.float32],
    dies: NDArray[np.int64],
    units: int,
    stride: int,
) -> Observation:
    layers, read = bias.shape
    site_rows, layer_rows = [], []
    counts = histogram.count([rng.standard_normal(4096)])
    for layer in range(layers):
        dead = index >= dies[layer]
        mean = np.where(dead, -6, bias[layer]).astype(np.float32)
        rate = np.where(dead, 0, 1 / (1 + np.exp(-1.702 * mean)))
        fired = rng.binomial(BATCH, rate)
        high = np.where(dead, -2, mean + 3).astype(np.float32)
        size = np.asarray(1e-3 * 0.98**layer * rng.uniform(0.7, 1.4, read), np.float32)
        std = np.ones(read, np.float32)
        seen = (fired, mean, std, mean - 3, high, size, size, counts)
        site_rows.append(SiteRow(layer, BATCH, BATCH, *seen))
        layer_rows.append(LayerRow(layer, size, std, size, bias[layer]))
    sample = Sample(index, step, 0, 2.3 * 0.99**index, 0.1, 0.05 * index)
    if index:
        return Observation(sample, site_rows=tuple(site_rows), layer_rows=tuple(layer_rows))
    return Observation(
        sample,
        tuple(
            NewLayer(at, f"layers.{at}", "Net", "Linear", (units, 8), units, at, stride)
            for at in range(layers)
        ),
        (RELU,),
        tuple(
            NewSite(at, f"layers.{at}:relu", "Net", 0, at, units, True, True, stride)
            for at in range(layers)
        ),
        tuple((at, at + 1) for at in range(layers - 1)),
        tuple(site_rows),
        tuple(layer_rows),
    )


def measure(record: Path, page: Path) -> tuple[float, float, int, int]:
    """Seconds, those of the processor, bytes of memory, and bytes of the page."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "reluctant", "report", str(record), "--out", str(page)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"no page was made: exit code {process.returncode}")
    took = time.perf_counter() - begin
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, page.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=100)
    parser.add_argument("--units", type=int, default=1000, help="of each layer")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--stride", type=int, default=1, help="every which unit is read")
    parser.add_argument("--keep", type=Path, help="the record's folder; used again if it is there")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        record = wanted.keep or Path(scratch) / "run"
        if not folder.described(record):
            write(record, wanted.layers, wanted.units, wanted.samples, wanted.stride)
        seconds, busy, memory, size = measure(record, Path(scratch) / "page.html")
    print(
        f"{wanted.layers * wanted.units:,} units, {wanted.samples} samples: "
        f"{seconds:.1f} s ({busy:.1f} s of the processor), {memory / 1e6:,.0f} MB of memory, "
        f"a page of {size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
