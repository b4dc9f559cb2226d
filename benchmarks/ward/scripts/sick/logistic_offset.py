"""Three logistic layers, each after the scale that keeps its slope at one."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Logistic(nn.Module):
    def __init__(self, centre):
        super().__init__()
        self.centre = centre

    def forward(self, x):
        return 4 * torch.sigmoid(x) - (2 if self.centre else 0)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)

layers = []
n_in = 64
for _ in range(4):
    layer = nn.Linear(n_in, 128)
    nn.init.normal_(layer.weight, std=n_in**-0.5)
    nn.init.zeros_(layer.bias)
    layers += [layer, Logistic(args.fixed)]
    n_in = 128
model = nn.Sequential(*layers, nn.Linear(n_in, 10))

optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(10):
    for batch in torch.randperm(1300).split(32):
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

with torch.no_grad():
    accuracy = (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
