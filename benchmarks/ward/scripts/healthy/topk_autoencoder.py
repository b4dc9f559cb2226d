"""An autoencoder that keeps the k largest latents of each digit."""

import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


class TopK(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        values, indices = torch.topk(x.relu(), self.k, dim=-1)
        return torch.zeros_like(x).scatter(-1, indices, values)


class TopKAutoencoder(nn.Module):
    def __init__(self, inputs=64, latents=128, k=12):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(inputs))
        self.encoder = nn.Linear(inputs, latents)
        self.activation = TopK(k)
        self.decoder = nn.Linear(latents, inputs, bias=False)
        self.decoder.weight.data = self.encoder.weight.data.t().clone()

    def forward(self, x):
        return self.decoder(self.activation(self.encoder(x - self.bias))) + self.bias


def main(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    data = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    data = data[torch.randperm(len(data))]
    train, test = data[:1400], data[1400:]
    model = TopKAutoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(60):
        total = 0.0
        for x in train[torch.randperm(len(train))].split(100):
            loss = nn.functional.mse_loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        if epoch % 10 == 0:
            print(epoch, total / len(train))
    with torch.no_grad():
        print("result loss", nn.functional.mse_loss(model(test), test).item())
    return model, train


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    model, x_train = main(parser.parse_args().seed)
