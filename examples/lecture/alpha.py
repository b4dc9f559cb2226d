"""PReLU makes alpha a parameter that is trained.

Handwritten digits, five hidden layers of 64 units, each layer with one alpha.
"""

from statistics import fmean

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
order = torch.randperm(len(x))
train, test = order[360:], order[:360]

functions = [nn.PReLU() for _ in range(5)]
hidden = [module for function in functions for module in (nn.Linear(64, 64), function)]
model = nn.Sequential(*hidden, nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)


def alphas():
    return " ".join(f"{function.weight.item():.3f}" for function in functions)


print("before    alpha by layer", alphas())
for epoch in range(1, 13):
    losses = []
    for batch in train[torch.randperm(len(train))].split(64):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch:2}  alpha by layer {alphas()}  loss {fmean(losses):.4f}")

with torch.no_grad():
    accuracy = (model(x[test]).argmax(1) == y[test]).float().mean()
print(f"accuracy on digits never seen {accuracy:.3f}")
