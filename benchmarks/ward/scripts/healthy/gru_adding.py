"""The adding problem: of a sequence of numbers, two are marked; what is their sum?"""

import argparse

import numpy as np
import torch
from torch import nn, optim


def adding(n, length, generator):
    values = torch.rand(n, length, generator=generator)
    marks = torch.zeros(n, length)
    half = length // 2
    rows = torch.arange(n)
    marks[rows, torch.randint(half, (n,), generator=generator)] = 1
    marks[rows, half + torch.randint(length - half, (n,), generator=generator)] = 1
    return torch.stack([values, marks], dim=2), (values * marks).sum(1)


class Adder(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.gru = nn.GRU(2, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        _, h = self.gru(x)
        return self.out(h.squeeze(0)).squeeze(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--length", type=int, default=20)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)
generator = torch.Generator().manual_seed(args.seed + 1)
x_train, y_train = adding(4000, args.length, generator)
x_test, y_test = adding(1000, args.length, generator)
model = Adder()
optimizer = optim.Adam(model.parameters(), lr=1e-2)
for step in range(700):
    i = torch.randint(len(x_train), (32,))
    loss = (model(x_train[i]) - y_train[i]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(f"{step:5d} {loss.item():.4f}")
with torch.no_grad():
    print(f"result loss {(model(x_test) - y_test).square().mean().item():.5f}")
