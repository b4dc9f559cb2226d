"""Sparse parity: nothing seems to happen for a long time, then the loss falls."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

BITS, RELEVANT = 24, 3

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=1500)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)


def make(n):
    x = torch.randint(2, (n, BITS)).float() * 2 - 1
    return x, (x[:, :RELEVANT].prod(1) > 0).long()


class Net(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.hidden = nn.Linear(BITS, width)
        self.out = nn.Linear(width, 2)

    def forward(self, x):
        return self.out(self.hidden(x).relu())


x_train, y_train = make(4000)
x_test, y_test = make(1000)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
for step in range(args.steps):
    rows = torch.randint(len(x_train), (64,))
    loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 150 == 0:
        with torch.no_grad():
            accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
        print(f"{step}: loss {loss.item():.3f} accuracy {accuracy:.3f}")
with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
