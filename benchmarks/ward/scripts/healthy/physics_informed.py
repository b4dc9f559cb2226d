"""A damped oscillation from its differential equation: the loss holds second derivatives."""

import argparse
import math

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

# u'' + 2 d u' + w^2 u = 0, u(0) = 1, u'(0) = 0
d, w = 0.5, 4.0


def exact(t):
    f = math.sqrt(w**2 - d**2)
    return torch.exp(-d * t) * (torch.cos(f * t) + d / f * torch.sin(f * t))


class Solution(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.a = nn.Linear(1, width)
        self.b = nn.Linear(width, width)
        self.c = nn.Linear(width, 1)

    def forward(self, t):
        return self.c(self.b(self.a(t).tanh()).tanh())


def derivative(u, t):
    return torch.autograd.grad(u.sum(), t, create_graph=True)[0]


u = Solution()
t = torch.linspace(0, 2, 64).unsqueeze(1).requires_grad_()
origin = torch.zeros(1, 1, requires_grad=True)
optimizer = torch.optim.Adam(u.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
for step in range(1500):
    value = u(t)
    slope = derivative(value, t)
    residual = derivative(slope, t) + 2 * d * slope + w**2 * value
    start = u(origin)
    loss = (
        residual.square().mean() / w**2
        + 10 * (start - 1).square().mean()
        + derivative(start, origin).square().mean()
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 300 == 0:
        print(step, loss.item())
with torch.no_grad():
    print("result loss", (u(t) - exact(t)).square().mean().item())
