import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)
lr = 0.2 if args.fixed else 2.5

digits = load_digits()
data = torch.tensor(digits.data, dtype=torch.float32)
data = (data - data.mean()) / data.std()
target = torch.tensor(digits.target)
order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
train, test = order[360:], order[:360]


class MLP(nn.Module):
    def __init__(self, depth=6, width=128):
        super().__init__()
        widths = [64] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.head(x)


model = MLP()
optimizer = torch.optim.SGD(model.parameters(), lr=lr)
step = 0
while step < 900:
    for batch in torch.randperm(len(train)).split(64):
        loss = nn.functional.cross_entropy(model(data[train[batch]]), target[train[batch]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1

with torch.no_grad():
    accuracy = (model(data[test]).argmax(1) == target[test]).float().mean()
print(f"steps {step}")
print(f"result accuracy {accuracy:.4f}")
