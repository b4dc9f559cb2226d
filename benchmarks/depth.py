"""Plain networks from scratch: validation accuracy by depth, function and what weights begin with.

    python -m benchmarks.depth [--seeds N] [--jobs N] [--depths N ...] [--rows NAME ...]

Fashion-MNIST (Debian's dataset-fashion-mnist), 20,000 images to train on and 10,000 others of the
training set to validate with; hidden layers of width 128, no normalisation, no skips; three epochs
of SGD in batches of 64, gradients clipped to a norm of one, the rate falling to zero in a line. Of
three rates each cell takes the one that is best with a seed of its own, and is then run with the
seeds that count: the mean, and Student's interval at 95 %. `conv` are convolutional networks of 16
channels at 7 by 7 pixels. Each run takes one thread; what is kept in --folder is not done again.
"""

import argparse
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import reluctant
from reluctant.trials.compare import quantile

FASHION = Path("/usr/share/datasets/fashion-mnist")
FOLDER = Path(__file__).resolve().parents[1] / ".reluctant" / "depth"
WIDTH, CHANNELS, TRAIN, VALIDATE = 128, 16, 20_000, 10_000
EPOCHS, BATCH, CLIP = 3, 64, 1.0
# A run that was made otherwise is none of this table's.
PROTOCOL = {"width": WIDTH, "train": TRAIN, "epochs": EPOCHS, "batch": BATCH, "clip": CLIP}
RATES = (0.03, 0.1, 0.3)
DEPTHS = (1, 3, 5, 10, 30, 50, 100)
PILOT = 1_000_000  # the seed that a rate is chosen with

Weights = Callable[[nn.Module, torch.Generator], object]


@dataclass(frozen=True)
class Row:
    """One line of the table: a network by depth, and what its weights begin with."""

    build: Callable[[int], nn.Sequential]
    weights: Weights


def dense(function: Callable[[], nn.Module], depth: int) -> nn.Sequential:
    """So many hidden layers, and a last one of ten units."""
    widths = [784, *[WIDTH] * depth]
    hidden = [at for i in range(depth) for at in (nn.Linear(widths[i], widths[i + 1]), function())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(WIDTH, 10))


def conv(depth: int) -> nn.Sequential:
    """So many convolutions, of which the first two halve the image, and a last layer."""
    channels = [1, *[CHANNELS] * depth]
    hidden: list[nn.Module] = []
    for i in range(depth):
        stride = 2 if i < 2 else 1
        hidden += [nn.Conv2d(channels[i], CHANNELS, 3, stride, padding=1), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Flatten(), nn.Linear(CHANNELS * 49, 10))


def by(rule: Callable[..., Any], **gains: Any) -> Weights:
    """Weights by one of torch's rules, biases of zero."""

    def set_all(model: nn.Module, generator: torch.Generator) -> None:
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                rule(module.weight, generator=generator, **gains)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    return set_all


def as_torch_does(model: nn.Module, generator: torch.Generator) -> None:
    """Weights as `nn.Linear` and `nn.Conv2d` make them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.reset_parameters()


def ours(scheme: str) -> Weights:
    """Weights by `reluctant.initialize`."""
    return lambda model, generator: reluctant.initialize(model, scheme, generator=generator)


def tailored(model: nn.Module, generator: torch.Generator) -> None:
    """The slope by the depth, and orthogonal weights."""
    reluctant.tailor(model, generator=generator)


_he = by(nn.init.kaiming_normal_, nonlinearity="relu")
_xavier = by(nn.init.xavier_normal_)
_lecun = by(nn.init.kaiming_normal_, nonlinearity="linear")

ROWS: dict[str, Row] = {
    "sigmoid, Xavier": Row(partial(dense, nn.Sigmoid), _xavier),
    "ReLU, torch default": Row(partial(dense, nn.ReLU), as_torch_does),
    "ReLU, Xavier": Row(partial(dense, nn.ReLU), _xavier),
    "ReLU, He": Row(partial(dense, nn.ReLU), _he),
    "leaky 0.01, He": Row(
        partial(dense, nn.LeakyReLU),
        by(nn.init.kaiming_normal_, a=0.01, nonlinearity="leaky_relu"),
    ),
    "leaky, slope by TAT": Row(partial(dense, nn.ReLU), tailored),
    "SELU, LeCun": Row(partial(dense, nn.SELU), _lecun),
    "tanh, orthogonal": Row(partial(dense, nn.Tanh), by(nn.init.orthogonal_)),
    "ReLU, mirrored": Row(partial(dense, nn.ReLU), ours("mirrored")),
    "ReLU, auto": Row(partial(dense, nn.ReLU), ours("auto")),
    "tanh, auto": Row(partial(dense, nn.Tanh), ours("auto")),
    "sigmoid, auto": Row(partial(dense, nn.Sigmoid), ours("auto")),
    "SELU, auto": Row(partial(dense, nn.SELU), ours("auto")),
    "GELU, auto": Row(partial(dense, nn.GELU), ours("auto")),
    "conv ReLU, He": Row(conv, _he),
    "conv ReLU, auto": Row(conv, ours("auto")),
}


@cache
def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to train on, and to validate with."""
    images = (_idx("train-images-idx3-ubyte", 16).float().view(-1, 1, 28, 28) / 255 - 0.286) / 0.353
    labels = _idx("train-labels-idx1-ubyte", 8).long()
    end = TRAIN + VALIDATE
    return images[:TRAIN], labels[:TRAIN], images[TRAIN:end], labels[TRAIN:end]


def _idx(name: str, header: int) -> Tensor:
    """The bytes of an idx file behind its header."""
    path = FASHION / f"{name}.gz"
    if not path.is_file():
        sys.exit(f"There is no {path}: apt-get install dataset-fashion-mnist")
    return torch.frombuffer(
        bytearray(gzip.decompress(path.read_bytes())[header:]), dtype=torch.uint8
    )


def train(row: Row, depth: int, rate: float, seed: int) -> dict[str, Any]:
    """One run: its accuracy, and the first layer's gradient by the last's before it began."""
    torch.set_num_threads(1)
    images, labels, others, answers = data()
    generator = torch.Generator().manual_seed(seed)
    model = row.build(depth)
    row.weights(model, generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    steps = EPOCHS * -(-TRAIN // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    ratio = _ratio(model, images[:BATCH], labels[:BATCH])
    began = perf_counter()
    for _ in range(EPOCHS):
        for batch in torch.randperm(TRAIN, generator=generator).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        guesses = torch.cat([model(part).argmax(1) for part in others.split(1000)])
    accuracy = float((guesses == answers).float().mean())
    return {"accuracy": accuracy, "ratio": ratio, "seconds": perf_counter() - began}


def _ratio(model: nn.Sequential, images: Tensor, labels: Tensor) -> float:
    """How large the gradient at the first hidden layer's output is, by the last's."""
    outputs: list[Tensor] = []
    x = images
    for module in model:
        x = module(x)
        if isinstance(module, nn.Linear | nn.Conv2d):
            x.retain_grad()
            outputs.append(x)
    F.cross_entropy(x, labels).backward()
    first, last = outputs[0].grad, outputs[-2].grad
    model.zero_grad()
    assert first is not None
    assert last is not None
    return float(first.norm() / last.norm())


def once(folder: Path, name: str, depth: int, rate: float, seed: int) -> dict[str, Any]:
    """A run, or what was kept of it."""
    plain = name.replace(", ", "-").replace(" ", "_").replace(".", "")
    path = folder / plain / f"{depth}-{rate}-{seed}.json"
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if kept["protocol"] == PROTOCOL:
            return kept
    made = {"protocol": PROTOCOL, **train(ROWS[name], depth, rate, seed)}
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(made), "utf-8")
    scratch.replace(path)
    return made


@dataclass(frozen=True)
class Cell:
    """One row at one depth: the rate that was best, the accuracies in per cent, gradient ratios."""

    rate: float
    accuracies: tuple[float, ...]
    ratios: tuple[float, ...]

    def __str__(self) -> str:
        mean = fmean(self.accuracies)
        if len(self.accuracies) < 2:
            return f"{mean:.1f}"
        n = len(self.accuracies)
        half = quantile(0.975, n - 1) * stdev(self.accuracies) / sqrt(n)
        return f"{mean:.1f} ±{half:.1f}"


def cell(folder: Path, name: str, depth: int, seeds: int) -> tuple[str, int, Cell]:
    """The rate with the pilot's seed, then the seeds that count."""
    pilots = {rate: once(folder, name, depth, rate, PILOT)["accuracy"] for rate in RATES}
    rate = max(pilots, key=lambda at: float(pilots[at]))
    runs = [once(folder, name, depth, rate, seed) for seed in range(seeds)]
    accuracies = tuple(100 * float(run["accuracy"]) for run in runs)
    return name, depth, Cell(rate, accuracies, tuple(float(run["ratio"]) for run in runs))


def table(cells: dict[tuple[str, int], Cell], depths: Iterable[int]) -> str:
    """A table in Markdown: a line a row, a column a depth."""
    depths = list(depths)
    lines = ["| hidden layers | " + " | ".join(map(str, depths)) + " |"]
    lines.append("|---" * (len(depths) + 1) + "|")
    for name in ROWS:
        found = [cells.get((name, depth)) for depth in depths]
        if any(found):
            lines.append(f"| {name} | " + " | ".join(str(at or "") for at in found) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what was asked for, the cheapest first, and print the table."""
    head, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.depth", description=head, epilog=rest
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at the same time")
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    wanted = [(name, depth) for depth in sorted(args.depths) for name in args.rows]
    cells: dict[tuple[str, int], Cell] = {}
    # A fork of a process that has torch's threads can hang.
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        waiting = [pool.submit(cell, args.folder, *at, args.seeds) for at in wanted]
        for done in as_completed(waiting):
            name, depth, found = done.result()
            cells[name, depth] = found
            ratio = fmean(found.ratios)
            print(f"{name}, {depth}: {found}, rate {found.rate}, gradient {ratio:.2g}", flush=True)
    print(f"\n{table(cells, args.depths)}")


if __name__ == "__main__":
    main()
