"""A monotone network: the probability of a sale falls as the (log) price per gram rises."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Monotone(nn.Module):
    """Weights kept positive by softplus, so the output can only grow with each input."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(outputs, inputs) * 0.5 - 4.0)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return F.linear(x, F.softplus(self.raw), self.bias)


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a = Monotone(n, 64)
        self.b = Monotone(64, 64)
        self.c = Monotone(64, 1)

    def forward(self, x):
        x = self.a(x).clamp(min=0)
        x = self.b(x).clamp(min=0)
        return self.c(x).squeeze(-1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

rng = np.random.default_rng(5)
prices = rng.lognormal(-4.0, 0.6, size=(1200, 6))  # euro per gram, all far below one
logs = np.log(prices)
level = (logs - logs.mean(0)) / 0.6
demand = np.maximum(level, 0).sum(1) + 0.2 * rng.normal(size=1200)
x = torch.tensor(logs, dtype=torch.float32)
if args.fixed:
    x = (x - x.mean(0)) / x.std(0)
y = torch.tensor((demand - demand.mean()) / demand.std(), dtype=torch.float32)
x_train, y_train, x_test, y_test = x[:900], y[:900], x[900:], y[900:]

model = Net(6)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(800):
    pick = torch.randint(900, (64,))
    loss = F.mse_loss(model(x_train[pick]), y_train[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    print(f"result loss {F.mse_loss(model(x_test), y_test):.4f}")
