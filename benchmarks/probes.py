"""What reading one site costs: ours, the plain composition of torch's functions, and memory.

    python -m benchmarks.probes [--shapes 128,512 ...] [--dtypes float32 ...] [--repetitions N]

A sampled step reads a pre-activation and the gradient that comes back to it. Both ways give, per
unit: how many values are above zero, their mean, standard deviation (of the population), least
and largest, and the mean square of the gradient. Before it is timed each is held against the
other: counts, least and largest exactly, the rest to twice the rounding of the plain way's dtype
(it answers in that of the tensor, ours in float32). The limit L is one read of both tensors, a sum
over the bytes as float32. Units are dimension 1 of images, otherwise the last.

Processor time of one thread, so that what else the machine does counts less; the three ways follow
one another in random order, and medians are printed. *ratio* is the median of plain / ours, round
by round, with the quarter points. Every number is read; where a run would read a share of so large
a tensor, *as run* says what that costs.
"""

import argparse
import random
import time
from collections.abc import Callable
from math import inf, prod
from statistics import median, quantiles

import torch
from torch import Tensor

from reluctant.observe import probes

SHAPES = ["128,512", "4096,512", "64,128,28,28", "32,256,768"]
DTYPES = ["float32", "bfloat16"]
RELU = ((-inf, 0.0),)
EVERYTHING = 1 << 62
SHARE = probes.MOST_VALUES

# fired, mean, standard deviation, least, largest, mean square of the gradient: each (U,)
Numbers = tuple[Tensor, ...]

# Microseconds of each way, round by round.
Times = dict[str, list[float]]


def plain(z: Tensor, gradient: Tensor, axis: int) -> Numbers:
    """What one would write."""
    over = [at for at in range(z.dim()) if at != axis]
    return (
        (z > 0).sum(over),
        z.mean(over),
        z.std(over, correction=0),
        z.amin(over),
        z.amax(over),
        (gradient * gradient).mean(over),
    )


def ours(z: Tensor, gradient: Tensor, axis: int, most: int = EVERYTHING) -> Numbers:
    """What a sampled step does at a site, `most` numbers of it."""
    probes.MOST_VALUES = most
    shelf, seen, back = probes.Shelf(), probes.Activity(), probes.Gradient()
    shelf.activity(z, axis, 1, RELU, seen)
    shelf.gradient(gradient, axis, 1, back)
    shelf.settle()
    assert back.square is not None
    return seen.fired, seen.mean, seen.variance.sqrt(), seen.low, seen.high, back.square


def read(z: Tensor, gradient: Tensor) -> None:
    """Every byte once."""
    for tensor in (z, gradient):
        tensor.view(-1).view(torch.float32).sum()


def check_same(one: Numbers, other: Numbers, dtype: torch.dtype) -> None:
    """The same numbers, but for the rounding of `dtype`."""
    # Sums of millions of float32 numbers, in another order.
    rounding = max(2 * torch.finfo(dtype).eps, 1e-4)
    for at, (first, second) in enumerate(zip(one, other, strict=True)):
        exact = at in (0, 3, 4)
        rtol, atol = (0.0, 0.0) if exact else (rounding, 1e-5)
        torch.testing.assert_close(first.double(), second.double(), rtol=rtol, atol=atol)


def measured(shape: tuple[int, ...], dtype: torch.dtype, repetitions: int) -> Times:
    torch.manual_seed(0)
    z, gradient = (torch.randn(shape).to(dtype) for _ in range(2))
    axis = 1 if len(shape) == 4 else len(shape) - 1
    check_same(ours(z, gradient, axis), plain(z, gradient, axis), dtype)
    ways: dict[str, Callable[[], object]] = {
        "L": lambda: read(z, gradient),
        "plain": lambda: plain(z, gradient, axis),
        "ours": lambda: ours(z, gradient, axis),
    }
    if z.numel() > SHARE:
        ways["as run"] = lambda: ours(z, gradient, axis, SHARE)
    times: Times = {way: [] for way in ways}
    order, shuffled = list(ways), random.Random(0)
    for _ in range(repetitions):
        shuffled.shuffle(order)
        for way in order:
            began = time.thread_time()
            ways[way]()
            times[way].append((time.thread_time() - began) * 1e6)
    return times


def line(shape: tuple[int, ...], dtype: str, times: Times) -> str:
    """One row of the table."""
    middles = {way: median(took) for way, took in times.items()}
    low, middle, high = quantiles(
        [its / mine for its, mine in zip(times["plain"], times["ours"], strict=True)]
    )
    cells = [" x ".join(map(str, shape)), dtype, f"{middles['L']:,.0f} us"]
    for way in ("plain", "ours", "as run"):
        if way in middles:
            cells.append(f"{middles[way]:,.0f} us ({middles[way] / middles['L']:.1f} L)")
        else:
            cells.append("")
    cells.insert(5, f"{middle:.1f} ({low:.1f} to {high:.1f})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, metavar="N,U")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--repetitions", type=int, default=31)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| shape | dtype | L | plain | ours | ratio | as run |")
    print("|---|---|---|---|---|---|---|")
    for text in args.shapes:
        shape = tuple(map(int, text.split(",")))
        # Small tensors are noisier, and cost less.
        repetitions = args.repetitions * max(1, min(20, (1 << 21) // prod(shape)))
        for dtype in args.dtypes:
            times = measured(shape, getattr(torch, dtype), repetitions)
            print(line(shape, dtype, times), flush=True)


if __name__ == "__main__":
    main()
