"""A self-normalising network (SELU, LeCun initialisation, alpha dropout) on tabular data."""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_wine

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)


class SNN(nn.Module):
    def __init__(self, sizes, p):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.drop = nn.AlphaDropout(p)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="linear")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.drop(torch.selu(layer(x)))
        return self.layers[-1](x)


wine = load_wine()
X = torch.tensor((wine.data - wine.data.mean(0)) / wine.data.std(0), dtype=torch.float)
y = torch.tensor(wine.target)
perm = torch.randperm(len(X))
X_train, y_train = X[perm[:120]], y[perm[:120]]
X_test, y_test = X[perm[120:]], y[perm[120:]]
model = SNN([13] + [48] * 8 + [3], p=0.05)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(100):
    model.train()
    for i in torch.randperm(120).split(30):
        optimizer.zero_grad()
        loss = criterion(model(X_train[i]), y_train[i])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        print(epoch, loss.item())
model.eval()
accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
print("result accuracy", round(accuracy, 4))
