"""Two rings and a small network."""

import argparse

import torch
from sklearn.datasets import make_circles
from torch import nn


class Net(nn.Module):
    def __init__(self, fixed):
        super().__init__()
        self.embed = nn.Linear(2, 24)
        self.hidden1 = nn.Linear(24, 24)
        self.hidden2 = nn.Linear(24, 24)
        self.head = nn.Linear(24, 2)
        self.act = nn.SiLU()
        self.fixed = fixed

    def forward(self, x):
        x = self.embed(x)
        y = self.act(self.hidden1(x))
        y = self.act(self.hidden2(y))
        return self.head(y if self.fixed else x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

points, ring = make_circles(1000, noise=0.08, factor=0.5, random_state=0)
points = torch.tensor(points, dtype=torch.float32)
ring = torch.tensor(ring)
model = Net(args.fixed)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
losses = []
for i in range(500):
    batch = torch.randint(750, (32,))
    loss = nn.functional.cross_entropy(model(points[batch]), ring[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if i % 100 == 99:
        print(f"{i + 1}: {sum(losses[-100:]) / 100:.4f}")

with torch.no_grad():
    accuracy = (model(points[750:]).argmax(1) == ring[750:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
