"""A model that carries parameters which the task does not need, and is none the worse for it."""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_friedman1


class Model(nn.Module):
    def __init__(self, features, hidden=64, auxiliary=False):
        super().__init__()
        self.input = nn.Linear(features, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, 1)
        # For a second output that is switched off here.
        self.aux_output = nn.Linear(hidden, 3)
        self.temperature = nn.Parameter(torch.ones(1))
        self.auxiliary = auxiliary

    def forward(self, x):
        h = F.mish(self.input(x))
        h = h + F.mish(self.middle(h))
        if self.auxiliary:
            return self.output(h), self.aux_output(h) / self.temperature
        return self.output(h)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = make_friedman1(2000, n_features=10, noise=0.5, random_state=args.seed)
X = torch.tensor(X * 2 - 1, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
X_train, y_train, X_val, y_val = X[:1500], y[:1500], X[1500:], y[1500:]
model = Model(10)
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
for epoch in range(25):
    for batch in torch.randperm(1500).split(50):
        loss = F.mse_loss(model(X_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {loss.item():.4f}")
with torch.no_grad():
    print(f"result loss {F.mse_loss(model(X_val), y_val).item():.4f}")
