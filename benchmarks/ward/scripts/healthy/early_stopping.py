"""Stops as soon as the validation loss no longer improves, and goes back to the best weights."""

import argparse
import copy
import random

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.waited, self.state = patience, float("inf"), 0, None

    def __call__(self, loss, model):
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.waited += 1
        return self.waited > self.patience


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--patience", type=int, default=3)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.5, random_state=args.seed)
X_train, X_rest = (torch.tensor(a, dtype=torch.float32) for a in (X_train, X_rest))
y_train, y_rest = torch.tensor(y_train), torch.tensor(y_rest)
X_val, X_test, y_val, y_test = X_rest[:120], X_rest[120:], y_rest[:120], y_rest[120:]
model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
stop = EarlyStopping(args.patience)
for epoch in range(200):
    model.train()
    for rows in torch.randperm(len(X_train)).split(8):
        optimizer.zero_grad()
        criterion(model(X_train[rows]), y_train[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        loss = criterion(model(X_val), y_val).item()
    print(f"epoch {epoch}: validation loss {loss:.4f}")
    if stop(loss, model):
        break
model.load_state_dict(stop.state)
with torch.no_grad():
    print(f"result accuracy {(model(X_test).argmax(1) == y_test).float().mean().item():.4f}")
