"""A small convolutional network on Fashion-MNIST, read from Debian's dataset-fashion-mnist."""

import argparse
import gzip
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PACKAGE = Path("/usr/share/datasets/fashion-mnist")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=PACKAGE, help="folder of the idx files")
    parser.add_argument("--train-size", type=int, default=20_000, help="images to train on")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--steps", type=int, help="stop after so many optimizer steps")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FILE", help="write the final weights there")
    return parser.parse_args()


def read(path: Path) -> Tensor:
    """An idx file, gzipped or not: a header of big-endian numbers, then bytes."""
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    if not path.exists():
        print(
            f"Fashion-MNIST is not in {path.parent}: `apt-get install dataset-fashion-mnist` "
            "puts it there, or give its folder with --data.",
            file=sys.stderr,
        )
        sys.exit(2)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = content[3]
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    values = torch.frombuffer(bytearray(content[4 + 4 * dimensions :]), dtype=torch.uint8)
    return values.reshape(shape)


def images_and_labels(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    images = read(folder / f"{part}-images-idx3-ubyte").float().div_(255).unsqueeze(1)
    labels = read(folder / f"{part}-labels-idx1-ubyte").long()
    return (images - 0.286) / 0.353, labels


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        return F.max_pool2d(x, 2)


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(Block(1, 16), Block(16, 32))
        self.hidden = nn.Linear(32 * 7 * 7, 128)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.hidden(self.features(x).flatten(1)))
        return self.head(F.dropout(x, 0.2, self.training))


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    images, labels = images_and_labels(args.data, "train")
    images, labels = images[: args.train_size], labels[: args.train_size]
    test_images, test_labels = images_and_labels(args.data, "t10k")
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    steps = 0
    for epoch in range(1, args.epochs + 1):
        model.train()
        for batch in torch.randperm(len(images)).split(args.batch_size):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if steps % 50 == 0:
                print(f"step {steps:5d}  loss {loss.item():.4f}")
            if steps == args.steps:
                break
        model.eval()
        with torch.no_grad():
            guesses = torch.cat([model(part).argmax(1) for part in test_images[:2000].split(500)])
        accuracy = (guesses == test_labels[:2000]).float().mean()
        print(f"epoch {epoch}  accuracy {accuracy:.3f}")
        if steps == args.steps:
            break

    if args.save:
        torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
