"""What watching a very wide network costs in memory and on disk.

    python -m benchmarks.memory [--units N] [--samples N] [--pairs N]

Ten rectified layers side by side, of a tenth of the units each, see eight features; every step is
sampled. The script runs alone, under `reluctant run --every 1 --quiet`, and the same with the
verdict at its end, when the script's tensors are still there: three processes at the same time, of
which the kernel says how much memory each held at its most. The bars: 2 % more than alone, and a
record of 200 MB. Three runs of ten million units take 4 to 6 GB.

glibc lays tensors of up to 32 MB side by side on its heap, where what they leave is often a little
too small for the next: a good part of the peak is holes, and their number is a matter of chance.
So there are two rows, *heap* with the allocator as it is, and *mapped*, where every tensor of a
megabyte or more is mapped by itself and the peak is what is held.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from reluctant import load

ROOT = Path(__file__).parents[1]
LAYERS = 10
MOST_MEMORY = 1.02
MOST_BYTES = 200_000_000
ALLOCATORS = {"heap": {}, "mapped": {"MALLOC_MMAP_THRESHOLD_": "1048576"}}

SCRIPT = """
import sys
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
width, steps = int(sys.argv[1]), int(sys.argv[2])


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, width) for _ in range({layers}))

    def forward(self, x):
        return sum(torch.relu(layer(x)).mean(1) for layer in self.layers)


model = Wide()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(steps):
    x = torch.randn(4, 8)
    optimizer.zero_grad()
    (model(x) - x[:, 0]).square().mean().backward()
    optimizer.step()
"""


def start(command: list[str], allocator: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **ALLOCATORS[allocator]},
        stderr=subprocess.DEVNULL,
    )


def peak(process: subprocess.Popen[bytes]) -> int:
    """The most bytes that the process held, once it is over."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"a run exited with {process.returncode}")
    return usage.ru_maxrss * 1024


def peaks(record: Path, what: list[str], allocator: str) -> dict[str, float]:
    """The peak of each watched run by that of the one alone."""
    ours = ["-m", "reluctant", "run", "--every", "1", "--out"]
    commands = {
        "alone": what,
        "observed": [*ours, f"{record}-quiet", "--quiet", *what],
        "judged": [*ours, str(record), *what],
    }
    began = time.perf_counter()
    runs = {way: start(command, allocator) for way, command in commands.items()}
    found = {way: peak(process) for way, process in runs.items()}
    took = time.perf_counter() - began
    sizes = ", ".join(f"{way} {held / 1e6:.1f} MB" for way, held in found.items())
    print(f"{allocator:8} {sizes}, {took:.0f} s", flush=True)
    alone = found.pop("alone")
    return {way: held / alone for way, held in found.items()}


def size(record: Path, samples: int) -> int:
    """The bytes of a record that is what it should be."""
    run = load(record)
    assert run.info.failure is None, run.info.failure
    assert len(run.samples) == samples
    read, units = (sum(getattr(at, of) for at in run.layers) for of in ("read", "units"))
    print(f"{'record':8} {read:,} of {units:,} units read in {samples} samples")
    return sum(path.stat().st_size for path in record.iterdir())


def bar(name: str, value: str, held: bool) -> bool:
    print(f"{name:8} {value:48} {'held' if held else 'NOT HELD'}")
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=10_000_000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--allocators", nargs="+", choices=ALLOCATORS, default=list(ALLOCATORS))
    args = parser.parse_args()
    kept = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "script.py"
        script.write_text(SCRIPT.format(layers=LAYERS))
        what = [str(script), str(args.units // LAYERS), str(args.samples)]
        for allocator in args.allocators:
            record = [folder / f"{allocator}-{turn}" for turn in range(args.pairs)]
            found = [peaks(path, what, allocator) for path in record]
            for way in found[0]:
                ratios = [each[way] for each in found]
                spread = f"{median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f})"
                held = median(ratios) <= MOST_MEMORY
                kept.append(bar(way, f"{spread}, bar {MOST_MEMORY}", held))
            written = size(record[0], args.samples)
        held = written <= MOST_BYTES
        kept.append(bar("record", f"{written / 1e6:.1f} MB, bar {MOST_BYTES / 1e6:.0f} MB", held))
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
