"""A little VGG with batch normalisation."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


def vgg(*channels):
    layers, n_in = [], 1
    for c in channels:
        if c == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(n_in, c, 3, padding=1), nn.BatchNorm2d(c), nn.SiLU()]
        n_in = c
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, 10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    digits = load_digits()
    x = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    train = TensorDataset(x[:1200], y[:1200])

    model = vgg(16, "M", 32, 32)
    optimizer = SGD(model.parameters(), lr=0.05 if args.fixed else 5.0, momentum=0.9)
    scheduler = StepLR(optimizer, 4, 0.5)
    for epoch in range(6):
        model.train()
        for inputs, targets in DataLoader(train, batch_size=32, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[1200:]).argmax(1) == y[1200:]).float().mean().item()
    print(f"result accuracy {accuracy:.4f}")
    return model, x[:1200]


if __name__ == "__main__":
    model, x_train = main()
