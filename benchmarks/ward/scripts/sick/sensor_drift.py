"""Online prediction of a machine's load from twelve sensors, whose zero wanders as it warms up."""

import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

STEPS, BATCH = 1500, 32
stream = torch.Generator().manual_seed(99)
mixing = torch.randn(12, 12, generator=stream) / 12**0.5
direction = torch.randn(12, generator=stream)
raw = torch.randn(STEPS, BATCH, 12, generator=stream) @ mixing
load = torch.sin(2 * raw[..., 0]) + raw[..., 1] * raw[..., 2]
warmth = torch.linspace(0, 1, STEPS).sqrt()[:, None, None]
readings = raw + 40 * warmth * direction


class Online(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(12))
        self.l1 = nn.Linear(12, 64)
        self.l2 = nn.Linear(64, 64)
        self.l3 = nn.Linear(64, 1)

    def forward(self, x):
        if self.training and args.fixed:
            self.mean.lerp_(x.mean(0), 0.2)
        x = x - self.mean
        return self.l3(F.relu(self.l2(F.relu(self.l1(x)))))[:, 0]


net = Online()
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
errors = []
for t in range(STEPS):
    loss = F.mse_loss(net(readings[t]), load[t])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    errors.append(loss.item())

print(f"first tenth {np.mean(errors[:150]):.4f}")
print(f"result loss {np.mean(errors[-300:]):.4f}")
