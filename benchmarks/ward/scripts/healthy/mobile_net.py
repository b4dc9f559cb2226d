"""Depthwise separable convolutions with ReLU6 and Hardswish, after MobileNetV3."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        scale = nn.functional.adaptive_avg_pool2d(x, 1)
        scale = nn.functional.relu(self.reduce(scale))
        return x * nn.functional.hardsigmoid(self.expand(scale))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, expand, act):
        super().__init__()
        hidden = inputs * expand
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            act(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            act(inplace=True),
            SqueezeExcite(hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.Hardswish()
        )
        self.blocks = nn.Sequential(
            InvertedResidual(12, 12, 2, nn.ReLU6),
            nn.MaxPool2d(2),
            InvertedResidual(12, 20, 2, nn.Hardswish),
            InvertedResidual(20, 20, 2, nn.Hardswish),
        )
        self.classifier = nn.Sequential(nn.Linear(20, 64), nn.Hardswish(), nn.Linear(64, classes))

    def forward(self, x):
        return self.classifier(self.blocks(self.stem(x)).mean([2, 3]))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1).div(16)
y = torch.tensor(digits.target)
x_train, y_train, x_test, y_test = x[:1400], y[:1400], x[1400:], y[1400:]
model = MobileNet()
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, momentum=0.5, eps=1e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
for epoch in range(args.epochs):
    model.train()
    for rows in torch.randperm(len(x_train)).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
