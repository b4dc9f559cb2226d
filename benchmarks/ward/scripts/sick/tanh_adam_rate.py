import argparse
from dataclasses import dataclass

import torch
from sklearn.datasets import make_regression
from torch import nn


@dataclass
class Options:
    lr: float
    steps: int = 600
    batch: int = 64
    width: int = 64


class Trainer:
    def __init__(self, model, options):
        self.model = model
        self.options = options
        self.optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
        self.loss = nn.SmoothL1Loss()

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x).squeeze(-1), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def fit(self, x, y):
        for step in range(self.options.steps):
            pick = torch.randint(len(x), (self.options.batch,))
            loss = self.step(x[pick], y[pick])
            if step % 100 == 0:
                print(f"{step:>5} {loss:.4f}")


def build(width):
    return nn.Sequential(
        nn.Linear(8, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, 1),
    )


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

features, target = make_regression(1500, 8, noise=5.0, random_state=0)
x = torch.tensor(features, dtype=torch.float32)
y = torch.tensor(target / target.std(), dtype=torch.float32)
x_train, y_train, x_test, y_test = x[:1200], y[:1200], x[1200:], y[1200:]

options = Options(lr=1e-3 if args.fixed else 0.5)
model = build(options.width)
Trainer(model, options).fit(x_train, y_train)
with torch.no_grad():
    print(f"result loss {nn.functional.mse_loss(model(x_test).squeeze(-1), y_test).item():.4f}")
