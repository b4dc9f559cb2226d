"""Whether a long run stays small: resident memory flat, record under 20 MB. Needs Linux's /proc.

    python -m benchmarks.soak [--steps N] [--leak BYTES]

A tiny MLP on scikit-learn's digits trains for 200,000 steps on one thread, under `reluctant run`
and then alone, and says every 20 steps where it is; each time its resident size is read from
outside. The peak of the last quarter is compared with that of the first, of which the warm-up does
not count. With `--leak` the script keeps so many bytes a step: what is compared must tell.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reluctant import load

WARM_UP = 0.025  # share of the steps
FLAT = 0.01
MOST_BYTES = 20_000_000

SCRIPT = """
import sys
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
images, labels = torch.tensor(images).float() / 16, torch.tensor(labels)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
kept, leak = [], int(sys.argv[2])
for step in range(int(sys.argv[1])):
    batch = torch.randint(len(labels), (16,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
    optimizer.step()
    if leak:
        kept.append(bytes(leak))
    if step % 20 == 0:
        print(step, flush=True)
"""


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sizes(command: list[str], folder: Path) -> dict[int, int]:
    """The resident size at each step that the script tells of."""
    found: dict[int, int] = {}
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found[int(line)] = resident(process.pid)
    if process.returncode:
        sys.exit(f"the run exited with {process.returncode}")
    return found


def bar(name: str, value: str, held: bool) -> bool:
    print(f"{name:24} {value:32} {'held' if held else 'NOT HELD'}")
    return held


def flat(found: dict[int, int], steps: int) -> bool:
    """Show how the resident size went, and whether it stayed."""
    quarters: list[list[int]] = [[], [], [], []]
    for step, size in found.items():
        if step >= WARM_UP * steps:
            quarters[4 * step // steps].append(size)
    peaks = [max(quarter) for quarter in quarters]
    print("peak of each quarter    ", *(f"{peak / 1e6:.2f} MB" for peak in peaks))
    growth = peaks[3] / peaks[0] - 1
    return bar("last against first", f"{100 * growth:+.3f} % (at most 1 %)", abs(growth) <= FLAT)


def small(record: Path) -> bool:
    """Show what the record came to, and whether it is small enough."""
    run = load(record)
    size = sum(path.stat().st_size for path in record.iterdir())
    assert run.info.observing_seconds is not None
    assert run.info.seconds is not None
    assert run.info.failure is None, run.info.failure
    share = 100 * run.info.observing_seconds / run.info.seconds
    print(f"observed                 {len(run.samples)} steps in {share:.2f} % of the time")
    return bar("record", f"{size / 1e6:.2f} MB (at most 20 MB)", size <= MOST_BYTES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--leak", type=int, default=0)
    args = parser.parse_args()
    command = ["script.py", str(args.steps), str(args.leak)]
    watched = ["-m", "reluctant", "run", "--quiet", "--out", "run"]
    held = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.py").write_text(SCRIPT)
        for title, ours in (("watched", watched), ("alone", [])):
            began = time.perf_counter()
            found = sizes([sys.executable, *ours, *command], folder)
            print(f"{title:24} {args.steps:,} steps in {time.perf_counter() - began:.1f} s")
            held.append(flat(found, args.steps))
        held.append(small(folder / "run"))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
