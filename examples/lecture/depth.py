"""Networks of more than three hidden layers can be trained from scratch with ReLU for the first
time; before, about three were the limit.

Handwritten digits, hidden layers of 64 units with torch's own weights.
"""

import argparse
from statistics import fmean

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

FUNCTIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("function", choices=FUNCTIONS)
parser.add_argument("depth", type=int, help="how many hidden layers")
args = parser.parse_args()

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
order = torch.randperm(len(x))
train, test = order[360:], order[:360]

layers = [nn.Linear(64, 64) for _ in range(args.depth)]
hidden = [module for layer in layers for module in (layer, FUNCTIONS[args.function]())]
model = nn.Sequential(*hidden, nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(1, 13):
    losses = []
    for batch in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    left = layers[0].weight.grad.norm() / layers[-1].weight.grad.norm()
    print(f"epoch {epoch:2}  loss {fmean(losses):.4f}  gradient, first layer by last {left:.2g}")

with torch.no_grad():
    accuracy = (model(x[test]).argmax(1) == y[test]).float().mean()
print(f"accuracy on digits never seen {accuracy:.3f}")
