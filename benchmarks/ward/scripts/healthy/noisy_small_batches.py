"""Batches of four and a fifth of the labels wrong: the loss jumps about, and the net learns."""

import argparse

import numpy as np
import torch
from sklearn.datasets import make_classification

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = make_classification(
    3000, 20, n_informative=6, n_clusters_per_class=2, class_sep=1.5, random_state=args.seed
)
x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
x_train, y_train, x_test, y_test = x[:2000], y[:2000].clone(), x[2000:], y[2000:]
wrong = torch.rand(2000) < 0.2
y_train[wrong] = 1 - y_train[wrong]

# No modules: weights are plain tensors.
sizes = [20, 64, 64, 2]
weights = [torch.randn(a, b) * (2 / a) ** 0.5 for a, b in zip(sizes[:-1], sizes[1:])]
biases = [torch.zeros(b) for b in sizes[1:]]
for p in weights + biases:
    p.requires_grad_()


def forward(h):
    for w, b in zip(weights[:-1], biases[:-1]):
        h = (h @ w + b).clamp(min=0)
    return h @ weights[-1] + biases[-1]


optimizer = torch.optim.SGD(weights + biases, lr=0.01)
for step in range(2500):
    rows = torch.randint(2000, (4,))
    loss = torch.nn.functional.cross_entropy(forward(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 500 == 0:
        print(step, loss.item())
with torch.no_grad():
    print("result accuracy", (forward(x_test).argmax(1) == y_test).float().mean().item())
