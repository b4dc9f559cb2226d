"""Fifty thin convolutions in a row."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class ConvStack(nn.Module):
    def __init__(self, depth, channels, shortcuts):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth)
        )
        self.head = nn.Linear(channels * 16, 10)
        self.shortcuts = shortcuts
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="leaky_relu", a=0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = F.avg_pool2d(F.leaky_relu(self.stem(x)), 2)
        for conv in self.convs:
            y = F.leaky_relu(conv(x))
            x = x + y / len(self.convs) if self.shortcuts else y
        return self.head(x.flatten(1))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
images = (images - images.mean()) / images.std()
labels = torch.tensor(digits.target)

model = ConvStack(50, 8, args.fixed)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for step in range(1, 161):
    batch = torch.randint(1300, (32,))
    loss = F.cross_entropy(model(images[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 40 == 0:
        print(f"{step}: {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(images[1300:]).argmax(1) == labels[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
