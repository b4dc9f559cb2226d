"""Fine-tuning: a net that knows its task goes on with a tiny rate on slightly different data."""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


def make_model():
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def pretrain(path, x, y):
    """Full-batch descent by hand, as if it had been done elsewhere."""
    model = make_model()
    momentum = [torch.zeros_like(p) for p in model.parameters()]
    for _ in range(150):
        grads = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
        with torch.no_grad():
            for p, m, g in zip(model.parameters(), momentum, grads):
                m.mul_(0.9).add_(g)
                p.sub_(0.1 * m)
    torch.save(model.state_dict(), path)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=1e-5)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

digits = load_digits()
x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
with tempfile.TemporaryDirectory() as folder:
    checkpoint = Path(folder) / "pretrained.pt"
    pretrain(checkpoint, x[:900], y[:900])
    model = make_model()
    model.load_state_dict(torch.load(checkpoint))

x_train, y_train = x[700:1400] + 0.05 * torch.randn(700, 64), y[700:1400]
x_test, y_test = x[1400:], y[1400:]


def accuracy():
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean().item()


print("before fine-tuning:", accuracy())
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
for epoch in range(20):
    for rows in torch.randperm(len(x_train)).split(32):
        loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "loss", loss.item())
print("result accuracy", accuracy())
