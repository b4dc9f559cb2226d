"""Whether a ramp of the learning rate tells what short runs at fixed rates do.

    python -m benchmarks.ramps [--seeds 3] [CASE ...]

For each network and seed: short runs (100 steps) at fixed rates, long ones (400) as the truth, and
ramps (Smith 2017, section 3.3) from a thousandth of the rate to a hundred times it. Said is where
units begin to die, and where the loss is lowest, in multiples of the network's own rate.
"""

import argparse
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHORT, LONG = 100, 400
RAMPS = (100, 300, 1000)
LOW, HIGH = 1e-3, 100.0
GRID = [10 ** (at / 4) for at in range(-8, 9)]

# A unit is dead that is silent in so many of the last steps (a tenth of a long run).
SILENT = 20

EXAMPLES = Path(__file__).parents[1] / "examples"
IMAGES, LABELS, *_ = runpy.run_path(str(EXAMPLES / "digits_mlp.py"))["data"]()
TEXT = (EXAMPLES / "char_transformer.py").read_text("utf-8")
ALPHABET = sorted(set(TEXT))
LETTERS = torch.tensor([ALPHABET.index(letter) for letter in TEXT])

Batch = Callable[[], tuple[Tensor, Tensor]]
Optimizer = torch.optim.Optimizer


def layers(normalised: bool) -> nn.Sequential:
    """Six hidden layers, He-initialised."""
    made: list[nn.Module] = []
    inputs = 64
    for _ in range(6):
        linear = nn.Linear(inputs, 128)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        made += [linear, *[nn.BatchNorm1d(128)] * normalised, nn.ReLU()]
        inputs = 128
    return nn.Sequential(*made, nn.Linear(inputs, 10))


class Writer(nn.Module):
    """A transformer of two blocks, with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(len(ALPHABET), 32), nn.Embedding(32, 32)
        block = nn.TransformerEncoderLayer(32, 4, 128, 0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        for at in self.blocks.layers:
            at.activation = nn.ReLU()  # a module, which can be hooked
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, len(ALPHABET))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L) to (B, L, letters)."""
        hidden = self.letters(x) + self.places(torch.arange(x.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        out: Tensor = self.head(self.norm(self.blocks(hidden, mask=mask, is_causal=True)))
        return out


def images() -> tuple[Tensor, Tensor]:
    """64 of the digits."""
    at = torch.randint(len(IMAGES), (64,))
    return IMAGES[at], LABELS[at]


def windows() -> tuple[Tensor, Tensor]:
    """8 pieces of text, and the letters that follow."""
    starts = torch.randint(len(LETTERS) - 32, (8,)).tolist()
    pieces = torch.stack([LETTERS[at : at + 33] for at in starts])
    return pieces[:, :-1], pieces[:, 1:]


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Optimizer], Batch]] = {
    "digits_sgd": (lambda: layers(False), lambda at: torch.optim.SGD(at, lr=0.05), images),
    "digits_adam": (lambda: layers(False), lambda at: torch.optim.Adam(at, lr=1e-3), images),
    "digits_bn_sgd": (
        lambda: layers(True), lambda at: torch.optim.SGD(at, lr=0.1, momentum=0.9), images
    ),
    "transformer_adamw": (Writer, lambda at: torch.optim.AdamW(at, lr=3e-3), windows),
}  # fmt: skip


@dataclass
class Course:
    """Losses, and how many values of each unit fired: (T, U)."""

    losses: list[float]
    fired: Tensor

    def died(self, steps: int, silent: int) -> list[int]:
        """Of the units that fired and were dead after so many steps, after which step each was."""
        numbers = torch.arange(1, steps + 1)[:, None]
        since = ((self.fired[:steps] > 0) * numbers).amax(0)
        return sorted(int(at) for at in since if 0 < at <= steps - silent)

    def at_end(self, steps: int) -> float:
        """The mean of the last twenty losses of so many steps; infinite if it did not get there."""
        return fmean(self.losses[steps - 20 : steps]) if len(self.losses) >= steps else float("inf")


def train(case: str, seed: int, steps: int, factor: Callable[[int], float]) -> Course:
    """Train until the loss is not finite, at `factor` of the step times the rate."""
    make, optimize, batch = CASES[case]
    torch.manual_seed(seed)
    model = make()
    optimizer = optimize(model.parameters())
    (group,) = optimizer.param_groups
    rate, losses, fired, now = group["lr"], list[float](), list[Tensor](), list[Tensor]()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(
                lambda _, __, out: now.append((out > 0).flatten(0, -2).sum(0))
            )
    for step in range(steps):
        now.clear()
        x, y = batch()
        loss = F.cross_entropy(model(x).flatten(0, -2), y.flatten())
        group["lr"] = rate * factor(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        fired.append(torch.cat(now))
        if not isfinite(losses[-1]):
            break
    return Course(losses, torch.stack(fired))


def fixed(case: str, seed: int) -> None:
    """Print what runs at fixed rates say."""
    courses = {at: train(case, seed, LONG, lambda _, at=at: at) for at in GRID}  # type: ignore[misc]
    for name, steps, silent in (("short", SHORT, SILENT), ("long", LONG, 2 * SILENT)):
        ends = {at: course.at_end(steps) for at, course in courses.items()}
        lowest = min(ends, key=lambda at: ends[at])
        killed = {
            f"{at:.3g}": len(courses[at].died(steps, silent))
            for at in GRID
            if isfinite(ends[at]) and at >= 0.1
        }
        print(f"  {name}: lowest loss at {lowest:.3g}, killed by rate {killed}", flush=True)


def ramped(case: str, seed: int, steps: int) -> None:
    """Print what a ramp says."""

    def factor(step: int) -> float:
        return float(LOW * (HIGH / LOW) ** (step / (steps - 1)))

    course = train(case, seed, steps, factor)
    count = len(course.losses)
    died = course.died(count, min(SILENT, steps // 5))
    window = steps // 50 + 1
    smooth = [fmean(course.losses[max(0, at + 1 - window) : at + 1]) for at in range(count)]
    lowest = factor(min(range(count), key=lambda at: smooth[at]))
    first = f"first death at {factor(died[0]):.3g}" if died else "no death seen"
    print(f"  ramp of {steps}: lowest loss at {lowest:.3g}, {first}", flush=True)


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for case in arguments.cases:
        for seed in range(arguments.seeds):
            print(f"{case}, seed {seed}")
            fixed(case, seed)
            for steps in RAMPS:
                ramped(case, seed, steps)


if __name__ == "__main__":
    main()
