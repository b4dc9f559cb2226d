"""ReLUs die, and frequently so if the learning rate is too high.

Handwritten digits, four hidden layers of 64 ReLUs with He's weights. A unit is dead if it fires on
none of the images that are learnt from.
"""

import argparse
from statistics import fmean

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("rate", type=float, help="Adam's learning rate; 0.001 is usual")
args = parser.parse_args()

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
order = torch.randperm(len(x))
train, test = order[360:], order[:360]

layers = [nn.Linear(64, 64) for _ in range(4)]
for layer in layers:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
hidden = [module for layer in layers for module in (layer, nn.ReLU())]
model = nn.Sequential(*hidden, nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=args.rate)


@torch.no_grad()
def dead():
    """How many units of each hidden layer are."""
    found, h = [], x[train]
    for layer in layers:
        h = F.relu(layer(h))
        found.append(int((h == 0).all(dim=0).sum()))
    return found


print("before    dead by layer", *dead())
for epoch in range(1, 9):
    losses = []
    for batch in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2}  dead by layer", *dead(), f" loss {fmean(losses):.4f}")

with torch.no_grad():
    accuracy = (model(x[test]).argmax(1) == y[test]).float().mean()
print(f"accuracy on digits never seen {accuracy:.3f}")
