"""What a step costs that is sampled, in plain ones.

    python -m benchmarks.price [KIND] [--turns N] [--steps N] [--busy]

One model of benchmarks/load.py is trained in one process under an observer that sees so many steps
in a row and then as many not. Processor time, so that what else the machine does counts less. Of
each turn the ratio is taken; medians are printed, with the quarter points of the ratio, and the
ratio of the lower quarter points, which other work on the same core disturbs least. Where that work
takes most of the time, samples are too far apart to be written together; `--busy` has them be.
"""

import argparse
import tempfile
import time
from math import inf
from pathlib import Path
from statistics import median, quantiles

import torch
from torch.nn import functional as F

from benchmarks.load import KINDS, batches
from reluctant.observe import observer as observing
from reluctant.observe.observer import Observer
from reluctant.observe.schedule import Schedule


class Turns(Schedule):
    """Of twice so many steps the first half is observed."""

    def __init__(self, steps: int) -> None:
        super().__init__(every=1)
        self._steps = steps

    def due(self, step: int, elapsed: float) -> bool:
        """Whether it is that half's turn."""
        return step % (2 * self._steps) < self._steps

    def sleep(self, step: int, elapsed: float, plain: float) -> int:
        """To the end of the other half."""
        return -step % (2 * self._steps)


def measure(kind: str, turns: int, steps: int, folder: Path) -> list[float]:
    """Processor seconds of a step in each half turn, the observed ones first."""
    observer = Observer(folder, Turns(steps), 0, time.perf_counter())
    observer.start()
    torch.manual_seed(0)
    build, size = KINDS[kind]
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    took, began = [], 0.0
    # In the first turn is done what is done only once.
    for step, (inputs, targets) in enumerate(batches(size, 2 * steps * (turns + 1) + 1)):
        if step % steps == 0:
            now = time.process_time()
            if step > 2 * steps:
                took.append((now - began) / steps)
            began = now
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    observer.finish()
    assert observer.guard.failure is None, observer.guard.failure
    assert observer.samples == steps * (turns + 1) + 1
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", choices=KINDS, default="tiny")
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--busy", action="store_true", help="write samples together all the same")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.busy:
        observing.SECONDS_APART = inf
    with tempfile.TemporaryDirectory() as folder:
        took = measure(args.kind, args.turns, args.steps, Path(folder))
    observed, plain = took[::2], took[1::2]
    low, middle, high = quantiles((a / b for a, b in zip(observed, plain, strict=True)), n=4)
    undisturbed = quantiles(observed, n=4)[0] / quantiles(plain, n=4)[0]
    print(f"{args.kind}: plain {1e6 * median(plain):.0f} microseconds a step, ", end="")
    print(f"observed {1e6 * median(observed):.0f}, ratio {middle:.2f} ({low:.2f} to {high:.2f}),")
    print(f"of the lower quarter points {undisturbed:.2f}, n = {len(plain)} turns of {args.steps}")


if __name__ == "__main__":
    main()
