"""House prices in cents, up to some 1e8, predicted through a sigmoid."""

import argparse

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

rng = np.random.default_rng(8)
area = rng.uniform(30, 250, 1200)
rooms = np.round(area / 28 + rng.normal(0, 0.7, 1200)).clip(1)
distance = rng.exponential(8, 1200)
price = 3.2e5 * area * np.exp(-distance / 30) + 1e6 * rooms
features = np.stack([area, rooms, distance], 1)
features = (features - features.mean(0)) / features.std(0)
x = torch.tensor(features, dtype=torch.float32)
y = torch.tensor(price, dtype=torch.float32)[:, None]
scale = y[:900].max() if args.fixed else 1.0
y = y / scale
x_train, y_train, x_test, y_test = x[:900], y[:900], x[900:], y[900:]

model = nn.Sequential(
    nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid()
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(25):
    for batch in torch.randperm(900).split(30):
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} mse {loss.item():.4g}")
with torch.no_grad():
    error = (criterion(model(x_test), y_test) / y_test.var()).item()
print(f"result loss {error:.5f}")
