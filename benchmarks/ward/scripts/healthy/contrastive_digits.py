"""Contrastive learning without labels (SimCLR); its features are read out by the nearest mean."""

import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def augment(x):
    """Shift by up to a pixel, and noise."""
    x = F.pad(x, (1, 1, 1, 1))
    i, j = random.randrange(3), random.randrange(3)
    x = x[:, :, i : i + 8, j : j + 8]
    return x * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1)) + 0.1 * torch.randn_like(x)


def nt_xent(a, b, temperature=0.3):
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(-torch.inf)
    n = len(a)
    return F.cross_entropy(similarity, torch.arange(2 * n).roll(n))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, stride=2)
        self.fc = nn.Linear(32 * 16, 64)
        self.project = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))

    def features(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return F.relu(self.fc(x.flatten(1)))

    def forward(self, x):
        return self.project(self.features(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
digits = load_digits()
images = torch.tensor(digits.images / 16).float().unsqueeze(1)
labels = torch.tensor(digits.target)
x_train = images[:1400]
encoder = Encoder()
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
for step in range(350):
    batch = x_train[torch.randint(len(x_train), (64,))]
    loss = nt_xent(encoder(augment(batch)), encoder(augment(batch)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.3f}")
with torch.no_grad():
    z = F.normalize(encoder.features(images), dim=1)
means = torch.stack([z[:1400][labels[:1400] == k].mean(0) for k in range(10)])
accuracy = (torch.cdist(z[1400:], means).argmin(1) == labels[1400:]).float().mean()
print(f"result accuracy {accuracy:.4f}")
