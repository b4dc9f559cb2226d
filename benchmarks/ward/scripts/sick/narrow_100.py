"""A hundred layers of twelve units with He's initialisation."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Plain(nn.Module):
    def __init__(self, width, skip):
        super().__init__()
        self.linear = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)
        self.skip = skip

    def forward(self, x):
        y = torch.relu(self.linear(x))
        return x + 0.05 * y if self.skip else y


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32)
x = (x - x.mean(0)) / (x.std(0) + 1)
y = torch.tensor(y)

model = nn.Sequential(
    nn.Linear(64, 12), *[Plain(12, args.fixed) for _ in range(100)], nn.Linear(12, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(300):
    batch = torch.randint(1300, (32,))
    loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"{step} {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
