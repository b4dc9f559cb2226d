"""Convolutions on digits, with a warm restart of the learning rate in the middle."""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--fixed", action="store_true")
    return parser.parse_args()


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.conv3(x)).mean((2, 3))
        return self.fc(x)


args = get_args()
torch.manual_seed(args.seed)
images, labels = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
labels = torch.tensor(labels)

net = ConvNet()
base = 0.05
optimizer = torch.optim.SGD(net.parameters(), lr=base, momentum=0.9)


def factor(step):
    half = args.steps // 2
    peak = 1.0
    if step >= half:
        step -= half
        peak = 0.5 if args.fixed else 0.5 / base
    return peak * 0.5 * (1 + math.cos(math.pi * step / half))


scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
for step in range(args.steps):
    index = torch.randint(1300, (32,))
    loss = F.cross_entropy(net(images[index]), labels[index])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 50 == 0:
        print(f"{step:4d} lr {scheduler.get_last_lr()[0]:.3f} loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (net(images[1300:]).argmax(1) == labels[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
