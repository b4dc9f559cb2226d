import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return torch.tanh(F.linear(x, self.weight, self.bias))


class Net(nn.Module):
    def __init__(self, width=64, depth=8):
        super().__init__()
        self.inp = nn.Linear(3, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.out = nn.Linear(width, 1)

    def reset(self, std):
        for block in self.blocks:
            nn.init.trunc_normal_(block.weight, std=std)

    def forward(self, x):
        return self.out(self.blocks(torch.tanh(self.inp(x)))).flatten()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

rng = np.random.default_rng(1)
points = rng.uniform(-1, 1, (2000, 3)).astype(np.float32)
values = np.sin(3 * points[:, 0]) * points[:, 1] + points[:, 2] ** 2
x, y = torch.from_numpy(points), torch.from_numpy(values / values.std())
x_train, y_train = x[:1600], y[:1600]

net = Net()
net.reset(0.125 if args.fixed else 0.02)
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1200)
for step in range(1200):
    pick = torch.randint(1600, (32,))
    loss = F.mse_loss(net(x_train[pick]), y_train[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()

with torch.no_grad():
    print(f"result loss {F.mse_loss(net(x[1600:]), y[1600:]).item():.4f}")
