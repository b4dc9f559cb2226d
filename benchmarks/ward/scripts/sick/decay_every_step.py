"""LSTM that classifies noisy waves by their shape."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 3)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])


def waves(n, rng):
    t = np.linspace(0, 4 * np.pi, 24)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    kind = rng.integers(0, 3, n)
    sine = np.sin(t + phase)
    shapes = np.stack([sine, np.sign(sine), 2 / np.pi * np.arcsin(sine)])
    x = shapes[kind, np.arange(n)] + 0.1 * rng.normal(size=(n, 24))
    return torch.tensor(x, dtype=torch.float32).unsqueeze(-1), torch.tensor(kind)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x_train, y_train = waves(1000, np.random.default_rng(0))
    x_test, y_test = waves(400, np.random.default_rng(1))

    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    for epoch in range(15):
        for x, y in DataLoader(TensorDataset(x_train, y_train), batch_size=25, shuffle=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if not args.fixed:
                scheduler.step()
        if args.fixed:
            scheduler.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x_train


if __name__ == "__main__":
    model, x_train = main()
