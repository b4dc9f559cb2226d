"""Sixteen leaky layers, initialised with a gain found for another network."""

import argparse

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F


class Stack(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.first = nn.Linear(30, 48)
        self.hidden = nn.ModuleList([nn.Linear(48, 48) for _ in range(15)])
        self.last = nn.Linear(48, 2)
        for layer in self.hidden:
            nn.init.orthogonal_(layer.weight, gain=gain)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.leaky_relu(self.first(x), 0.1)
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), 0.1)
        return self.last(x)


def accuracy(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_breast_cancer(return_X_y=True)
x = torch.tensor(StandardScaler().fit_transform(x), dtype=torch.float32)
y = torch.tensor(y)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
x, y = x[order], y[order]
x_train, y_train, x_test, y_test = x[:400], y[:400], x[400:], y[400:]

model = Stack(gain=1.4 if args.fixed else 3.0)
optimizer = torch.optim.SGD(model.parameters(), lr=5e-4, momentum=0.9)
for epoch in range(20):
    for batch in torch.randperm(400).split(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} accuracy {accuracy(model, x_train, y_train):.3f}")
print(f"result accuracy {accuracy(model, x_test, y_test):.4f}")
