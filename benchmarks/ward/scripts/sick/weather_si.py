"""Rain or not from a weather station's readings, in SI units."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Station(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1 = nn.Linear(4, 32)
        self.hidden2 = nn.Linear(32, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        # hard tanh: the network will run on a microcontroller in fixed point
        x = F.hardtanh(self.hidden1(x))
        x = F.hardtanh(self.hidden2(x))
        return self.out(x).squeeze(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

rng = np.random.default_rng(20)
n = 2000
temperature = rng.normal(283, 8, n)  # kelvin
pressure = rng.normal(101_300, 900, n)  # pascal
humidity = rng.beta(5, 2, n)
wind = rng.gamma(2, 2, n)  # metres a second
wet = 6 * (humidity - 0.7) - (pressure - 101_300) / 600 - 0.1 * np.abs(temperature - 283) + 0.6
rain = (wet + 0.3 * rng.normal(size=n) > 0).astype(np.float32)
readings = np.stack([temperature, pressure, humidity, wind], axis=1)
if args.fixed:
    readings = (readings - readings.mean(0)) / readings.std(0)
x = torch.tensor(readings, dtype=torch.float32)
y = torch.tensor(rain)
x_train, y_train, x_test, y_test = x[:1500], y[:1500], x[1500:], y[1500:]

model = Station()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    for batch in torch.randperm(1500).split(50):
        loss = F.binary_cross_entropy_with_logits(model(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = ((model(x_test) > 0) == (y_test > 0)).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
