import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn, optim


def init(module, bound):
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)


def main(seed, fixed):
    torch.manual_seed(seed)
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    images_train, images_test = images[:1400], images[1400:]
    autoencoder = nn.Sequential(
        nn.Linear(64, 100), nn.Sigmoid(),
        nn.Linear(100, 32), nn.Sigmoid(),
        nn.Linear(32, 100), nn.Sigmoid(),
        nn.Linear(100, 64), nn.Sigmoid(),
    )  # fmt: skip
    autoencoder.apply(lambda module: init(module, 0.3 if fixed else 8.0))
    optimizer = optim.Adam(autoencoder.parameters(), lr=2e-3)
    bce = nn.BCELoss()
    for epoch in range(30):
        for batch in torch.randperm(1400).split(50):
            loss = bce(autoencoder(images_train[batch]), images_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"[{epoch}] bce {loss.item():.4f}")
    with torch.no_grad():
        error = nn.functional.mse_loss(autoencoder(images_test), images_test).item()
    print(f"result loss {error:.5f}")
    return autoencoder, images_train


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    args = parser.parse_args()
    autoencoder, images_train = main(args.seed, args.fixed)
