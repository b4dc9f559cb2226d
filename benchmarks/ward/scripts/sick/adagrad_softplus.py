"""A smooth function of six variables, fitted with Adagrad."""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

rng = torch.Generator().manual_seed(2)
x = torch.rand(1000, 6, generator=rng) * 2 - 1
y = torch.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]

model = nn.Sequential(
    nn.Linear(6, 50), nn.Softplus(), nn.Linear(50, 50), nn.Softplus(), nn.Linear(50, 1)
)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02 if args.fixed else 3.0)
huber = nn.HuberLoss()
for step in range(600):
    i = torch.randint(800, (40,))
    loss = huber(model(x[i]), y[i])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"{step} {loss.item():.4f}")

with torch.no_grad():
    print(f"result loss {nn.functional.mse_loss(model(x[800:]), y[800:]).item():.5f}")
