"""Concentric circles and a deep, narrow network."""

import argparse

import torch
from sklearn.datasets import make_circles
from torch import nn
from torch.nn import functional as F


class Deep(nn.Module):
    def __init__(self, depth, width, squash):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.rest = nn.ModuleList([nn.Linear(width, width) for _ in range(depth - 1)])
        self.last = nn.Linear(width, 1)
        self.squash = squash
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.xavier_normal_(p)

    def forward(self, x):
        x = self.squash(self.first(x))
        for layer in self.rest:
            x = self.squash(layer(x))
        return self.last(x)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        return ((model(x) > 0).float() == y).float().mean().item()


def run(args):
    torch.manual_seed(args.seed)
    x, y = make_circles(1200, noise=0.05, factor=0.4, random_state=0)
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)[:, None]
    model = Deep(11, 5, F.elu if args.fixed else F.sigmoid)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(1000):
        i = torch.randint(900, (32,))
        loss = F.binary_cross_entropy_with_logits(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(step, loss.item())
    print(f"result accuracy {evaluate(model, x[900:], y[900:]):.4f}")
    return model, x[:900]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    model, x_train = run(parser.parse_args())
