"""Twenty-four residual blocks with layer normalisation in front, no convolutions."""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import make_classification
from torch import Tensor, nn


@dataclass
class Config:
    seed: int = 0
    blocks: int = 24
    width: int = 40
    steps: int = 300
    batch_size: int = 64
    lr: float = 1e-3


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class ResidualMLP(nn.Module):
    def __init__(self, config: Config, inputs: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, config.width)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(config.blocks)))
        self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x)))


def train(config: Config) -> tuple[ResidualMLP, Tensor]:
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    x, y = make_classification(
        3000, 24, n_informative=10, n_classes=4, class_sep=2.0, random_state=config.seed
    )
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    model = ResidualMLP(config, 24, 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=0.05)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=30)
    for step in range(config.steps):
        rows = torch.randint(2400, (config.batch_size,))
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warmup.step()
        if step % 50 == 0:
            print(f"step {step}: {loss.item():.4f}")
    with torch.no_grad():
        accuracy = (model(x[2400:]).argmax(1) == y[2400:]).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x[:2400]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in vars(Config()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    model, x_train = train(Config(**vars(parser.parse_args())))
