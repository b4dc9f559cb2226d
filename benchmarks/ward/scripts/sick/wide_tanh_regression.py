"""A wide tanh layer fitted by plain SGD."""

import argparse

import torch
from sklearn.datasets import make_friedman2
from sklearn.preprocessing import StandardScaler
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = make_friedman2(1000, noise=1.0, random_state=0)
X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
X_train, y_train, X_test, y_test = X[:800], y[:800], X[800:], y[800:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 400)
        self.b = nn.Linear(400, 400)
        self.c = nn.Linear(400, 1)

    def forward(self, x):
        return self.c(self.b(self.a(x).tanh()).tanh()).flatten()


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.005 if args.fixed else 0.5)
for step in range(250):
    i = torch.randint(800, (100,))
    loss = (model(X_train[i]) - y_train[i]).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"{step:3d} {loss.item():.3g}")

with torch.no_grad():
    print(f"result loss {(model(X_test) - y_test).pow(2).mean().item():.5g}")
