"""Fits its training set perfectly, and then goes on for a long time."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


def main(args):
    digits = load_digits()
    chosen = digits.target < 4
    x = torch.tensor(digits.data[chosen] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target[chosen])
    x_train, y_train, x_test, y_test = x[:300], y[:300], x[300:], y[300:]
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(1500):
        rows = torch.randint(300, (50,))
        loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 300 == 0:
            print(f"step {step}: loss {loss.item():.2e}")
    print(f"at the end: loss {loss.item():.2e}")
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean()
    print(f"result accuracy {accuracy:.4f}")
    return model, x_train


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    model, x_train = main(args)
