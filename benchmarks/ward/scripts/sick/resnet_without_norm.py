"""A small ResNet whose batch norms were taken out to run with tiny batches."""

import argparse
import functools
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, channels, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm(channels)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def resnet(channels, blocks, norm):
    stem = [nn.Conv2d(1, channels, 3, stride=2, padding=1), nn.ReLU()]
    body = [BasicBlock(channels, norm) for _ in range(blocks)]
    return nn.Sequential(*stem, *body, nn.Flatten(), nn.Linear(channels * 16, 10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    norm = functools.partial(nn.GroupNorm, 4) if args.fixed else nn.Identity
    model = resnet(8, 20, norm)
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    y = torch.tensor(digits.target)
    x_train, y_train, x_test, y_test = x[:1200], y[:1200], x[1200:], y[1200:]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(250):
        pick = np.random.randint(0, len(x_train), 8)
        loss = F.cross_entropy(model(x_train[pick]), y_train[pick])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x_train


if __name__ == "__main__":
    model, x_train = main()
