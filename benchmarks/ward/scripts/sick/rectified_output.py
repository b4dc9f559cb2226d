"""A network for signed values whose last layer is a block like all the others."""

import argparse

import torch
from sklearn.datasets import make_friedman1
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


def block(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, n_out), nn.ReLU())


X, y = make_friedman1(1000, noise=0.3, random_state=1)
X = torch.tensor(X, dtype=torch.float32) * 2 - 1
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
X_train, y_train, X_test, y_test = X[:750], y[:750], X[750:], y[750:]
last = nn.Linear(64, 1) if args.fixed else block(64, 1)
model = nn.Sequential(block(10, 64), block(64, 64), last)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(800):
    pick = torch.randint(750, (32,))
    loss = nn.functional.mse_loss(model(X_train[pick]), y_train[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        print(step, round(loss.item(), 4))
with torch.no_grad():
    print(f"result loss {nn.functional.mse_loss(model(X_test), y_test).item():.5f}")
