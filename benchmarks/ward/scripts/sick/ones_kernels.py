"""Convolutions that start as box filters."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class BoxConv(nn.Module):
    def __init__(self, n_in, n_out, box):
        super().__init__()
        kernel = torch.ones(n_out, n_in, 3, 3) / (9 * n_in)
        if not box:
            kernel = kernel + torch.randn_like(kernel) / (9 * n_in) ** 0.5
        self.kernel = nn.Parameter(kernel)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return F.conv2d(x, self.kernel, self.bias, padding=1)


class Net(nn.Module):
    def __init__(self, box):
        super().__init__()
        self.conv1 = BoxConv(1, 12, box)
        self.conv2 = BoxConv(12, 24, box)
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        x = F.max_pool2d(F.gelu(self.conv1(x)), 2)
        x = F.gelu(self.conv2(x))
        return self.fc(x.mean(dim=(2, 3)))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
labels = torch.tensor(digits.target)

net = Net(box=not args.fixed)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(500):
    batch = torch.randint(1300, (32,))
    loss = F.cross_entropy(net(images[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: {loss.item():.3f}")

with torch.no_grad():
    accuracy = (net(images[1300:]).argmax(1) == labels[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
