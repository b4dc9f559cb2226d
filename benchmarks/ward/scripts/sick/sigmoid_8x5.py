import argparse

import torch
import torch.nn as nn
from sklearn.datasets import make_blobs

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = make_blobs(1000, centers=3, n_features=2, cluster_std=2, random_state=2)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y)
X_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]

activation = nn.Tanh if args.fixed else nn.Sigmoid
model = nn.Sequential()
width = 2
for i in range(8):
    model.add_module(f"dense{i + 1}", nn.Linear(width, 5))
    nn.init.xavier_uniform_(model[-1].weight)
    model.add_module(f"act{i + 1}", activation())
    width = 5
model.add_module("output", nn.Linear(5, 3))

criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for epoch in range(40):
    permutation = torch.randperm(800)
    for i in range(0, 800, 32):
        optimizer.zero_grad()
        loss = criterion(model(X_train[permutation[i : i + 32]]), y_train[permutation[i : i + 32]])
        loss.backward()
        optimizer.step()

with torch.no_grad():
    accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
