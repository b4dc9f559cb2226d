"""Weights and biases that give negative values for every input give zero output and zero
derivative: the unit can no longer be trained and is lost for good.

Handwritten digits, two hidden layers of 64 units. Before the training, the biases of every fourth
unit of the first are lowered until it is negative on all images; what comes of these 16 depends on
what the function lets through below zero.
"""

import argparse
from statistics import fmean

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

FUNCTIONS = {"relu": nn.ReLU, "leaky": nn.LeakyReLU, "prelu": nn.PReLU}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("function", choices=FUNCTIONS)
args = parser.parse_args()

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)

function = FUNCTIONS[args.function]
first, second, last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
for layer in (first, second):
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
model = nn.Sequential(first, function(), second, function(), last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

with torch.no_grad():
    first.bias[::4] -= first(x)[:, ::4].amax(dim=0) + 0.1

for epoch in range(1, 13):
    losses = []
    for batch in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    slope = first.weight.grad[::4].norm()
    with torch.no_grad():
        firing = int((first(x)[:, ::4] > 0).any(dim=0).sum())
    found = f"{firing} of 16 fire again, their gradient {slope:.2g}"
    print(f"epoch {epoch:2}  loss {fmean(losses):.4f}  {found}")
