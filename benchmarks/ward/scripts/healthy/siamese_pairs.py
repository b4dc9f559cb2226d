"""Do two images show the same digit? Both go through the same network."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, images, labels, length):
        self.images, self.labels, self.length = images, labels, length
        self.by_label = [np.flatnonzero(labels == k) for k in range(10)]

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        i = random.randrange(len(self.images))
        same = index % 2
        if same:
            j = random.choice(self.by_label[self.labels[i]])
        else:
            other = (self.labels[i] + random.randrange(1, 10)) % 10
            j = random.choice(self.by_label[other])
        return self.images[i], self.images[j], np.float32(same)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16)
        )

    def forward(self, a, b):
        return (self.branch(a) - self.branch(b)).pow(2).sum(1).add(1e-8).sqrt()


def contrastive(distance, same, margin=2.0):
    return (same * distance**2 + (1 - same) * (margin - distance).clamp(min=0) ** 2).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    train = Pairs(images[:1300], digits.target[:1300], 6400)
    test = Pairs(images[1300:], digits.target[1300:], 1000)
    model = Siamese()
    optimizer = optim.Adagrad(model.parameters(), lr=0.02)
    for epoch in range(5):
        total = 0.0
        for a, b, same in DataLoader(train, batch_size=64, shuffle=True):
            loss = contrastive(model(a, b), same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print("epoch", epoch, "loss", total / 100)
    a, b, same = next(iter(DataLoader(test, batch_size=1000)))
    with torch.no_grad():
        print("result accuracy", ((model(a, b) < 1) == (same > 0.5)).float().mean().item())
    return model, torch.from_numpy(images[:1300])


if __name__ == "__main__":
    model, x = main()
