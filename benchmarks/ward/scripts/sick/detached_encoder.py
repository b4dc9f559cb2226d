"""Encoder and head, with the code kept for a plot."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3)
        )

    def forward(self, x):
        return self.net(x)


class Model(nn.Module):
    def __init__(self, plot):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 10))
        self.plot = plot
        self.codes = None

    def forward(self, x):
        code = self.encoder(x)
        if self.plot:
            code = code.detach()
            self.codes = code
        return self.head(code)


def main(args):
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    model = Model(plot=not args.fixed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(20):
        for batch in torch.randperm(1300).split(50):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        accuracy = (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x[:1300]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    model, x_train = main(parser.parse_args())
