"""Random convolutional features, computed without gradients, and a small trained classifier."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class RandomFeatures(nn.Module):
    def __init__(self, channels=64):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 5, padding=2)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1)


class Classifier(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.features = features
        self.fc1 = nn.Linear(64 * 16, 64)
        self.fc2 = nn.Linear(64, classes)

    def forward(self, x):
        with torch.no_grad():
            x = self.features(x)
        x = F.gelu(self.fc1(x))
        return self.fc2(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(args.seed)
    images, target = load_digits(return_X_y=True)
    images = torch.as_tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    target = torch.as_tensor(target)
    model = Classifier(RandomFeatures(), 10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train = torch.arange(len(target)) % 5 != 0
    x_train, y_train = images[train], target[train]
    for epoch in range(8):
        model.train()
        for rows in torch.randperm(len(x_train)).split(50):
            loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(images[~train]).argmax(-1) == target[~train]).float().mean().item()
    print("result accuracy", accuracy)
    return model, x_train


if __name__ == "__main__":
    model, x_train = main()
