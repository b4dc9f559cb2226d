"""Mean and variance of a signal by maximum likelihood: the loss falls below zero."""

import argparse

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
np.random.seed(seed)
torch.manual_seed(seed)


def signal(n):
    x = torch.rand(n, 1) * 4 - 2
    spread = 0.02 + 0.08 * (x > 0)
    return x, torch.sin(3 * x) + spread * torch.randn(n, 1)


class MeanVariance(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.mean = nn.Linear(64, 1)
        self.raw = nn.Linear(64, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h), nn.functional.softplus(self.raw(h)) + 1e-4


x_train, y_train = signal(2000)
x_test, y_test = signal(1000)
model = MeanVariance()
nll = nn.GaussianNLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(1200):
    pick = torch.randint(2000, (64,))
    mean, variance = model(x_train[pick])
    loss = nll(mean, y_train[pick], variance)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    if step % 200 == 0:
        print(f"step {step:4d}  nll {loss.item():+.3f}")
with torch.no_grad():
    mean, variance = model(x_test)
    print(f"result loss {nll(mean, y_test, variance).item():.4f}")
