"""Nine layers with exponential units."""

import argparse

import torch
from sklearn.datasets import load_iris
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


class Exponential(nn.Module):
    def forward(self, x):
        return x.tanh() if args.fixed else x.exp()


X, y = load_iris(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32)
X = (X - X.mean(0)) / X.std(0)
y = torch.tensor(y)
order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
train, test = order[:100], order[100:]
X_train = X[train]

layers = [nn.Linear(4, 16), Exponential()]
for _ in range(8):
    layers += [nn.Linear(16, 16), Exponential()]
model = nn.Sequential(*layers, nn.Linear(16, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(60):
    for batch in torch.randperm(100).split(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X_train[batch]), y[train[batch]])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    accuracy = (model(X[test]).argmax(1) == y[test]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
