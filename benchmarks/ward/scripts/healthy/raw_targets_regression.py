"""Disease progression after a year, in its own unit: the loss is in the thousands, and falls."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = load_diabetes(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
X = torch.from_numpy(X).float()
y = torch.from_numpy(y).float().view(-1, 1)
idx = torch.randperm(len(X))
train_idx, test_idx = idx[:340], idx[340:]
X_train, y_train = X[train_idx], y[train_idx]
loader = DataLoader(TensorDataset(X_train, y_train), batch_size=34, shuffle=True)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 1)

    def forward(self, x):
        x = self.fc1(x).relu()
        x = self.fc2(x).relu()
        return self.fc3(x)


model = Regressor()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
mse = nn.MSELoss()
for epoch in range(60):
    for inputs, target in loader:
        optimizer.zero_grad()
        loss = mse(model(inputs), target)
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: mse {loss.item():.0f}")
with torch.no_grad():
    print(f"result loss {mse(model(X[test_idx]), y[test_idx]).item():.1f}")
