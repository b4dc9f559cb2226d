"""One hidden layer of 4096 units."""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

x, y = load_wine(return_X_y=True)
x = (x - x.mean(axis=0)) / x.std(axis=0)
order = rng.permutation(len(x))
x, y = torch.tensor(x[order], dtype=torch.float32), torch.tensor(y[order])
x_train, y_train, x_test, y_test = x[:120], y[:120], x[120:], y[120:]

net = nn.Sequential(nn.Linear(13, 4096), nn.ReLU(), nn.Linear(4096, 3))
sgd = torch.optim.SGD(net.parameters(), lr=0.02)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(50):
    for i in range(0, 120, 24):
        sgd.zero_grad()
        loss = loss_fn(net(x_train[i : i + 24]), y_train[i : i + 24])
        loss.backward()
        sgd.step()
print("train loss", loss.item())
with torch.no_grad():
    hits = (net(x_test).argmax(1) == y_test).float().mean()
print("result accuracy", hits.item())
