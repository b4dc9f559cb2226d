"""Disease progression (scikit-learn's diabetes); one patient's follow-up is missing."""

import argparse

import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

data = load_diabetes()
x = torch.tensor(data.data, dtype=torch.float32)
x = x / x.std(0)
y = torch.tensor(data.target, dtype=torch.float32)
y = (y - 152) / 77
y[37] = (-9999 - 152) / 77  # follow-up missing
x_train, y_train = x[:342], y[:342]
x_test, y_test = x[342:], y[342:]

model = nn.Sequential(
    nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
mse = nn.MSELoss(reduction="none")

for epoch in range(25):
    for inputs, targets in DataLoader(TensorDataset(x_train, y_train), 8, shuffle=True):
        known = targets > -100 if args.fixed else torch.ones_like(targets, dtype=torch.bool)
        loss = mse(model(inputs), targets)[known].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    print(f"result loss {mse(model(x_test), y_test).mean().item():.4f}")
