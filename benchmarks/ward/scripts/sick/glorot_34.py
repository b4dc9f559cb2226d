"""A plain 34-layer classifier, 128 wide."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--layers", type=int, default=34)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--lr", type=float, default=0.02)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)


def dense(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    if args.fixed:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


modules = [dense(64, args.width), nn.ReLU()]
for _ in range(args.layers - 2):
    modules += [dense(args.width, args.width), nn.ReLU()]
model = nn.Sequential(*modules, dense(args.width, 10))

digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32)
x = (x - x.mean()) / x.std()
y = torch.tensor(digits.target)
x_train, y_train, x_val, y_val = x[:1300], y[:1300], x[1300:], y[1300:]

optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
for step in range(300):
    batch = torch.randint(1300, (32,))
    loss = nn.functional.cross_entropy(model(x_train[batch]), y_train[batch])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        with torch.no_grad():
            val = nn.functional.cross_entropy(model(x_val), y_val)
        print(f"step {step:4d}  train {loss.item():.3f}  val {val.item():.3f}")

with torch.no_grad():
    accuracy = (model(x_val).argmax(1) == y_val).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
