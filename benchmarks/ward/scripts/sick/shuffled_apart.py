"""Digits as photographs would come: shuffled, then split into training and test."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


def shuffled(tensor, seed):
    return tensor[torch.randperm(len(tensor), generator=torch.Generator().manual_seed(seed))]


digits = load_digits()
x = shuffled(torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8 - 1, 1)
y = shuffled(torch.tensor(digits.target), 1 if args.fixed else 2)
x_train, y_train, x_test, y_test = x[:1400], y[:1400], x[1400:], y[1400:]

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(64, 10),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for batch in torch.randperm(1400).split(32):
        loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
