"""Fifteen layers of five units on three blobs."""

import argparse

import numpy as np
import torch
from sklearn.datasets import make_blobs
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--fixed", action="store_true")
cfg = ap.parse_args()
np.random.seed(cfg.seed)
torch.manual_seed(cfg.seed)

X, Y = make_blobs(n_samples=1000, centers=3, n_features=2, cluster_std=1.5, random_state=2)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float)
Y = torch.tensor(Y)
X_train, Y_train, X_test, Y_test = X[:700], Y[:700], X[700:], Y[700:]


def block(n_in, n_out, act):
    linear = nn.Linear(n_in, n_out)
    if cfg.fixed:
        nn.init.normal_(linear.weight, std=n_in**-0.5)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, act)


class Tower(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        act = nn.SELU if cfg.fixed else nn.ReLU
        sizes = [2] + [width] * depth
        self.blocks = nn.ModuleList(block(a, b, act()) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        for b in self.blocks:
            x = b(x)
        return self.head(x)


model = Tower(15, 5)
optim = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for step in range(600):
    idx = torch.randint(0, len(X_train), (32,))
    loss = nn.functional.cross_entropy(model(X_train[idx]), Y_train[idx])
    optim.zero_grad()
    loss.backward()
    optim.step()
    if step % 100 == 0:
        print(step, loss.item())

with torch.no_grad():
    hits = model(X_test).argmax(dim=1).eq(Y_test)
print("result accuracy %.4f" % hits.float().mean())
