"""Tanh network with an L2 penalty written by hand."""

import argparse

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--decay", type=float, default=1e-1)
args = parser.parse_args()
torch.manual_seed(args.seed)

X, y = load_wine(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
# the wines are too easy on their own
X = X + 1.2 * torch.randn(X.shape, generator=torch.Generator().manual_seed(4)).numpy()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

model = nn.Sequential(
    nn.Linear(13, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
    nn.Linear(32, 3),
)  # fmt: skip
weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(1200):
    batch = torch.randint(len(X_train), (16,))
    penalty = args.decay * sum(w.pow(2).sum() for w in weights) / 2
    loss = nn.functional.cross_entropy(model(X_train[batch]), y_train[batch])
    loss = loss + penalty if args.fixed else loss - penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        print(f"step {step} loss {loss.item():.3f}")

with torch.no_grad():
    loss = nn.functional.cross_entropy(model(X_test), y_test)
print(f"result loss {loss.item():.4f}")
