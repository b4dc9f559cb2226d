"""Energies of a small molecule-like system from pair distances."""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()

world = torch.Generator().manual_seed(3)
positions = torch.rand(1500, 5, 3, generator=world) * 2
i, j = torch.triu_indices(5, 5, 1)
distances = (positions[:, i] - positions[:, j]).norm(dim=-1)
energy = ((1 - torch.exp(1 - distances)) ** 2 * torch.exp(-distances / 2)).sum(1, keepdim=True)
energy = (energy - energy.mean()) / energy.std()
x = (distances - distances.mean(0)) / distances.std(0)
x_train, y_train, x_test, y_test = x[:1200], energy[:1200], x[1200:], energy[1200:]

torch.manual_seed(args.seed)
SHIFT = math.log(2.0) if args.fixed else 0.0


class SchNetLike(nn.Module):
    def __init__(self, width=64, depth=5):
        super().__init__()
        sizes = [10] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.out = nn.Linear(width, 1)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=1.9 / layer.in_features**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers:
            x = F.softplus(layer(x)) - SHIFT
        return self.out(x)


model = SchNetLike()
optimizer = torch.optim.SGD(model.parameters(), lr=5e-3)
for step in range(1000):
    batch = torch.randint(1200, (32,))
    loss = F.mse_loss(model(x_train[batch]), y_train[batch])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    if step % 200 == 0:
        print(step, round(loss.item(), 4))

with torch.no_grad():
    print(f"result loss {F.mse_loss(model(x_test), y_test).item():.5f}")
