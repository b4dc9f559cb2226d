"""Forty residual blocks without normalisation."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Residual(nn.Module):
    def __init__(self, width, scale):
        super().__init__()
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)
        self.scale = scale
        for layer in (self.up, self.down):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return x + self.scale * self.down(torch.relu(self.up(x)))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--blocks", type=int, default=40)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 8 - 1
y = torch.tensor(digits.target)
x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

scale = args.blocks**-0.5 if args.fixed else 1.0
model = nn.Sequential(
    nn.Linear(64, 64), *[Residual(64, scale) for _ in range(args.blocks)], nn.Linear(64, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
for step in range(300):
    batch = torch.randint(len(x_train), (32,))
    loss = nn.functional.cross_entropy(model(x_train[batch]), y_train[batch])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4g}")

with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
