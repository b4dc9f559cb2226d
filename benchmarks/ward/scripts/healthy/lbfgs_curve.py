"""A curve fitted by L-BFGS, the whole data set at a time."""

import argparse

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

x = torch.linspace(-3, 3, 200).unsqueeze(1)
y = torch.sin(2 * x) * torch.exp(-0.1 * x**2) + 0.05 * torch.randn_like(x)

model = torch.nn.Sequential(
    torch.nn.Linear(1, 20),
    torch.nn.Tanh(),
    torch.nn.Linear(20, 20),
    torch.nn.Tanh(),
    torch.nn.Linear(20, 1),
)
mse = torch.nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4, history_size=20)


def closure():
    optimizer.zero_grad()
    loss = mse(model(x), y)
    loss.backward()
    return loss


for i in range(200):
    loss = optimizer.step(closure)
    if i % 40 == 0:
        print(i, loss.item())

print(f"result loss {mse(model(x), y).item():.5f}")
