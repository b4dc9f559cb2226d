"""What the activation functions cost in time: torch's own, ours, and both compiled.

    python -m benchmarks.activations [--sizes 1Mi 4Mi] [--dtypes float32] [--only NAME] [--compiled]

Nanoseconds an element, forward and backward with autograd, one thread, the output held as the
next layer would hold it; in brackets the multiple of L, the limit that memory traffic sets, taken
in turn with them: `a.copy_(b)` and `torch.add(b, c, out=a)`. Medians of repetitions in random
order; *ratio* is the median of ours by torch's, round by round, with the quarter points. A
function that torch lacks is held against what one would write without us. glibc's allocator is
told to keep what it has (the program starts itself again with MALLOC_ settings): page faults
would cost more than any function. Bytes kept are in `reluctant functions`.
"""

import argparse
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant import functional as ours
from reluctant.activations import CATALOGUE, SHAPED

ROOT = Path(__file__).parents[1]
PINNED = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "1073741824",
}
SIZES = {"64Ki": 1 << 16, "1Mi": 1 << 20, "4Mi": 1 << 22, "32Mi": 1 << 25}
CHANNELS = 512
# Tensors that are there at once, at most, and room between them.
PAGES = 16
RECTIFIERS = (
    "relu leaky_relu prelu prelu_channels prelu_nchw rrelu relu6 squared_relu threshold".split()
)

Call = Callable[[Tensor], Tensor]


def halves(gate: Callable[[Tensor], Tensor]) -> Call:
    def call(x: Tensor) -> Tensor:
        value, shut = x.chunk(2, -1)
        return value * gate(shut)

    return call


def written_out(dtype: torch.dtype) -> dict[str, Call]:
    """torch's function, or what a person without us would write."""
    one, beta = (nn.Parameter(torch.full((1,), at, dtype=dtype)) for at in (0.25, 1.0))
    many, maps = (nn.Parameter(torch.full((at,), 0.25, dtype=dtype)) for at in (CHANNELS, 64))
    return {
        "prelu": lambda x: F.prelu(x, one),
        "prelu_channels": lambda x: F.prelu(x, many),
        "prelu_nchw": lambda x: F.prelu(x.view(-1, 64, 8, 8), maps),
        "rrelu": lambda x: F.rrelu(x, training=True),
        "squared_relu": lambda x: F.relu(x).square(),
        "threshold": lambda x: F.threshold(x, 0.0, 0.0),
        "jumprelu": lambda x: x * (x > 0.001),
        "swish": lambda x: x * torch.sigmoid(beta * x),
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
        "penalized_tanh": lambda x: torch.where(x > 0, torch.tanh(x), 0.25 * torch.tanh(x)),
        "arctan": torch.atan,
        "sin": torch.sin,
        "identity": lambda x: x.view_as(x),
        "crelu": lambda x: torch.cat([F.relu(x), F.relu(-x)], 1),
        "maxout": lambda x: x.unflatten(-1, (2, -1)).max(-2).values,
        "topk": lambda x: SHAPED["topk"].compute(x, k=32, dim=-1),
        "reglu": halves(F.relu),
        "geglu": halves(F.gelu),
        "swiglu": halves(F.silu),
    }


def own(dtype: torch.dtype, lean: ours.Lean = None) -> dict[str, Call]:
    """Ours where it takes more than the input."""
    one, beta = (nn.Parameter(torch.full((1,), at, dtype=dtype)) for at in (0.25, 1.0))
    many, maps = (nn.Parameter(torch.full((at,), 0.25, dtype=dtype)) for at in (CHANNELS, 64))
    return {
        "prelu": lambda x: ours.prelu(x, one, lean=lean),
        "prelu_channels": lambda x: ours.prelu(x, many, lean=lean),
        "prelu_nchw": lambda x: ours.prelu(x.view(-1, 64, 8, 8), maps, lean=lean),
        "rrelu": lambda x: ours.rrelu(x, training=True, lean=lean),
        "threshold": lambda x: ours.threshold(x, 0.0, 0.0, lean=lean),
        "swish": lambda x: ours.swish(x, beta, lean=lean),
        "identity": lambda x: x.view_as(x),
    }


def variants(name: str, dtype: torch.dtype, compiled: bool) -> dict[str, Call]:
    """All ways to compute one function."""

    def mine(lean: ours.Lean) -> Call:
        if name in (special := own(dtype, lean)):
            return special[name]
        function = ours.function(name)
        return function if lean is None else lambda x: function(x, lean=lean)

    found = {"torch": written_out(dtype).get(name) or getattr(F, name), "ours": mine(None)}
    kept: ours.Lean = "bit" if name in ours.ONE_BIT else True
    found["lean"] = mine(kept)
    if compiled:
        for way in ("torch", "ours"):
            found[f"{way}, compiled"] = torch.compile(found[way], dynamic=False)
    return found


def passes(call: Call, x: Tensor) -> Callable[[], None]:
    """One forward and backward pass, to be repeated."""
    gradient = torch.randn_like(call(x).detach())

    def run() -> None:
        x.grad = None
        y = call(x)
        torch.autograd.backward(y, gradient)
        del y

    run()
    return run


def measured(name: str, size: str, kind: str, repetitions: int, compiled: bool) -> dict[str, Any]:
    """Nanoseconds an element of each way, round by round."""
    count, dtype = SIZES[size], getattr(torch, kind)
    torch.manual_seed(0)
    x = torch.randn(count // CHANNELS, CHANNELS).to(dtype).requires_grad_()
    a, b, c = (torch.randn(count).to(dtype) for _ in range(3))

    def limit() -> None:
        a.copy_(b)
        torch.add(b, c, out=a)

    ways = {"L": limit} | {
        way: passes(call, x) for way, call in variants(name, dtype, compiled).items()
    }
    # Memory that was never used costs 2 ns an element when it first is: all that is wanted is used
    # before.
    torch.ones(PAGES * count)
    times: dict[str, list[float]] = {way: [] for way in ways}
    order = list(ways)
    shuffled = random.Random(0)
    # Small tensors are noisier, and cost less.
    for _ in range(repetitions * max(1, SIZES["4Mi"] // count)):
        # Whatever went before leaves its traces in the caches, and where memory lies matters:
        # the same code twice can differ by 8 % all through a run.
        shuffled.shuffle(order)
        for way in order:
            shift = torch.empty(shuffled.randrange(1 << 20))
            began = time.perf_counter()
            ways[way]()
            times[way].append((time.perf_counter() - began) / count * 1e9)
            del shift
    return {"name": name, "size": size, "dtype": kind, "compiled": compiled, "times": times}


def line(found: dict[str, Any]) -> str:
    """One row of the table."""
    times = found["times"]
    limit = median(times["L"])
    cells = [f"{found['name']:15}", f"L {limit:5.2f}"]
    middles = {way: median(took) for way, took in times.items() if way != "L"}
    cells += [f"{way} {took:6.2f} ({took / limit:4.1f})" for way, took in middles.items()]
    low, middle, high = ratio(found)
    return "  ".join([*cells, f"ratio {middle:.3f} ({low:.3f} to {high:.3f})"])


def ratio(found: dict[str, Any]) -> tuple[float, float, float]:
    """Ours by torch's: the first quarter point, the median, the third."""
    times = found["times"]
    low, middle, high = quantiles(
        [mine / its for mine, its in zip(times["ours"], times["torch"], strict=True)]
    )
    return low, middle, high


def bars(everything: list[dict[str, Any]]) -> None:
    """What was promised, and whether it holds."""
    print("\nBars")
    for found in everything:
        name, times = found["name"], found["times"]
        limit, where = median(times["L"]), f"{found['name']} {found['size']} {found['dtype']}"
        if SIZES[found["size"]] >= 1 << 20 and ratio(found)[1] > 1.05:
            print(f"  missed  {where}: {ratio(found)[1]:.3f} times torch, bar 1.05")
        if found["dtype"] != "float32" or SIZES[found["size"]] < 1 << 22:
            continue
        held = []
        if name == "prelu":
            held.append(("eager", median(times["ours"]) / limit, 2.5))
        if found["compiled"] and name in RECTIFIERS:
            held.append(("compiled", median(times["ours, compiled"]) / limit, 1.5))
        if found["compiled"] and name == "mish":
            held.append(("compiled", median(times["ours, compiled"]) / limit, 2.0))
        for how, value, bar in held:
            word = "held  " if value <= bar else "missed"
            print(f"  {word}  {where}, {how}: {value:.2f} L, bar {bar} L")


def main() -> None:
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.environ.update(PINNED)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.activations", *sys.argv[1:]])
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch._dynamo.config.recompile_limit = 256
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["1Mi", "4Mi"])
    kinds = ["float32", "bfloat16"]
    parser.add_argument("--dtypes", nargs="+", choices=kinds, default=["float32"])
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--results", type=Path, default=ROOT / ".reluctant" / "activations.jsonl")
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    keys = ("name", "size", "dtype", "compiled")
    known = {tuple(at[key] for key in keys): at for at in map(json.loads, lines)}
    names = args.only or [*CATALOGUE, "prelu_channels", "prelu_nchw", *SHAPED]
    everything = []
    for kind in args.dtypes:
        for size in args.sizes:
            print(f"\n{size} elements, {kind}, n >= {args.repetitions}")
            for name in names:
                key = (name, size, kind, args.compiled)
                if key not in known:
                    known[key] = measured(name, size, kind, args.repetitions, args.compiled)
                    with args.results.open("a") as file:
                        file.write(json.dumps(known[key]) + "\n")
                everything.append(known[key])
                print(line(known[key]), flush=True)
    bars(everything)


if __name__ == "__main__":
    main()
