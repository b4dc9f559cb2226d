"""Two-layer network with a penalty on its activity, for sparse codes."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(64, 128)
        self.mix = nn.Linear(128, 128)
        self.classify = nn.Linear(128, 10)

    def forward(self, x):
        first = nn.functional.relu(self.encode(x))
        second = nn.functional.relu(self.mix(first))
        return self.classify(second), first.sum(1).mean() + second.sum(1).mean()


def train(model, x, y, weight, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(steps):
        batch = torch.randint(len(x), (64,))
        logits, activity = model(x[batch])
        loss = nn.functional.cross_entropy(logits, y[batch]) + weight * activity
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{step} loss {loss.item():.3f} activity {activity.item():.2f}")
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    weight = 1e-4 if args.fixed else 0.3
    model = train(Sparse(), x[:1300], y[:1300], weight, 800)
    with torch.no_grad():
        accuracy = (model(x[1300:])[0].argmax(1) == y[1300:]).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x[:1300]


if __name__ == "__main__":
    model, x_train = main()
