"""Fine-tuning code, run on a network that was never trained before."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(F.silu(self.conv1(x)), 2)
        x = F.max_pool2d(F.silu(self.conv2(x)), 2)
        return F.silu(self.conv3(x)).mean((2, 3))


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = Body()
        self.head = nn.Linear(8, classes)

    def freeze(self):
        for p in self.body.parameters():
            p.requires_grad = False

    def forward(self, x):
        return self.head(self.body(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)
x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
y = torch.tensor(y)

model = Classifier(10)
if not args.fixed:
    model.freeze()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for step in range(500):
    batch = torch.randint(1300, (32,))
    loss = F.cross_entropy(model(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
