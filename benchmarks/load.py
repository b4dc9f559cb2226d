"""One training of a chosen kind, as people write it, with the monitor that they might add to it.

    python -m benchmarks.load KIND STEPS [--monitor wandb|tensorboard] [--device cuda]

The script that benchmarks/overhead.py times: it knows nothing of *reluctant*. With a monitor it
does what the monitor's documentation says: `wandb.watch(model, log="all")` as it stands (every
1,000th step), offline; or a forward hook at each activation and a loop over the gradients that
write histograms into TensorBoard, every 100th step. `STEPS` are those of one process; where
`WORLD_SIZE` is set the model is trained by several (DDP, gloo).
"""

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

HISTOGRAM_EVERY = 100


class Block(nn.Module):
    """Two convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.two = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.one(x)))
        return F.relu(x + self.norms[1](self.two(y)))


class Rows(nn.Module):
    """A transformer that reads an image row by row."""

    def __init__(self, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.1, activation="gelu", batch_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x.view(-1, 8, 8))).mean(1))


def mlp(width: int) -> nn.Sequential:
    """Six hidden layers."""
    sizes = [64, *[width] * 6]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def conv() -> nn.Sequential:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        Block(32),
        Block(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


# Each with its batch size.
KINDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "tiny": (lambda: mlp(128), 64),
    "wide": (lambda: mlp(512), 512),
    "conv": (conv, 64),
    "transformer": (Rows, 32),
    "compiled": (lambda: mlp(256), 256),
    "ddp": (lambda: mlp(256), 128),
}


def batches(size: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(images, dtype=torch.float32) / 16
    targets = torch.tensor(labels)
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (size,))
        yield inputs[chosen], targets[chosen]


def with_wandb(model: nn.Module) -> Callable[[int, float], None]:
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=tempfile.mkdtemp())
    import wandb

    run = wandb.init(project="load")
    wandb.watch(model, log="all")
    return lambda step, loss: run.log({"loss": loss})


def with_tensorboard(model: nn.Module) -> Callable[[int, float], None]:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(tempfile.mkdtemp())
    seen: dict[str, Tensor] = {}
    wanted = [True]

    def remember(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if wanted[0] and isinstance(output, Tensor):
                seen[name] = output.detach()

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(remember(name))

    def log(step: int, loss: float) -> None:
        writer.add_scalar("loss", loss, step)
        if wanted[0]:
            for name, output in seen.items():
                writer.add_histogram(f"activation/{name}", output, step)
            for name, parameter in model.named_parameters():
                writer.add_histogram(f"gradient/{name}", parameter.grad, step)
            seen.clear()
        wanted[0] = (step + 1) % HISTOGRAM_EVERY == 0

    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("steps", type=int)
    parser.add_argument("--monitor", choices=["wandb", "tensorboard"])
    parser.add_argument("--device", help="train there, with all tensors")
    args = parser.parse_args()
    if args.device:
        torch.set_default_device(args.device)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    build, size = KINDS[args.kind]
    model: Any = build()
    monitors = {"wandb": with_wandb, "tensorboard": with_tensorboard}
    first = os.environ.get("RANK", "0") == "0"
    log = monitors[args.monitor](model) if args.monitor and first else None
    if "WORLD_SIZE" in os.environ:
        torch.distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model)
    if args.kind == "compiled":
        model = torch.compile(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step, (inputs, targets) in enumerate(batches(size, args.steps)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if log is not None:
            log(step, loss.item())
        elif step % 100 == 0:
            print(step, loss.item(), flush=True)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
