"""Ten logistic layers on digits."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--depth", type=int, default=10)
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=32, shuffle=True)

layers = []
for i in range(args.depth):
    layers.append(nn.Linear(64, 64))
    layers.append(nn.LeakyReLU() if args.fixed else nn.Sigmoid())
model = nn.Sequential(*layers, nn.Linear(64, 10))

optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for images, labels in loader:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}")

with torch.no_grad():
    print(f"result accuracy {(model(x[1400:]).argmax(1) == y[1400:]).float().mean().item():.4f}")
