"""A GRU cell written out, on the sum of the marked numbers in a sequence."""

import argparse

import torch
from torch import nn


class GRU(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.hidden = n_hidden
        self.gates = nn.Linear(n_in + n_hidden, 2 * n_hidden)
        self.candidate = nn.Linear(n_in + n_hidden, n_hidden)

    def forward(self, sequence):
        h = sequence.new_zeros(sequence.shape[0], self.hidden)
        for x in sequence.unbind(1):
            z, r = torch.sigmoid(self.gates(torch.cat([x, h], 1))).chunk(2, 1)
            n = torch.tanh(self.candidate(torch.cat([x, r * h], 1)))
            h = (1 - z) * n + z * h
        return h


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = GRU(2, 32)
        self.read = nn.Linear(32, 1)

    def forward(self, sequence):
        return self.read(self.rnn(sequence))[:, 0]


def adding(n, length):
    values = torch.rand(n, length)
    marks = torch.zeros(n, length)
    for row in marks:
        row[torch.randperm(length)[:2]] = 1
    return torch.stack([values, marks], 2), (values * marks).sum(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(0)
x_train, y_train = adding(1000, 12)
x_test, y_test = adding(300, 12)
torch.manual_seed(args.seed)

model = Adder()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005 if args.fixed else 0.5)
for step in range(500):
    batch = torch.randint(1000, (32,))
    loss = (model(x_train[batch]) - y_train[batch]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(step, round(loss.item(), 4))

with torch.no_grad():
    print(f"result loss {(model(x_test) - y_test).square().mean().item():.5f}")
