"""Two moons with seventeen narrow tanh layers, initialised after Glorot."""

import argparse

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class DeepTanh(nn.Module):
    def __init__(self, inputs: int, width: int, depth: int, classes: int) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Linear(width, classes)
        for layer in self.hidden:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.head(x)


def main() -> tuple[nn.Module, torch.Tensor]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)

    points, labels = make_moons(1500, noise=0.12, random_state=options.seed)
    points = (points - points.mean(0)) / points.std(0)
    data = TensorDataset(torch.from_numpy(points).float(), torch.from_numpy(labels))
    train, test = random_split(data, [1000, 500])
    model = DeepTanh(2, 20, 17, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(options.epochs):
        for x, y in DataLoader(train, batch_size=32, shuffle=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{epoch:3d}  {loss.item():.3f}")

    x, y = next(iter(DataLoader(test, batch_size=len(test))))
    with torch.no_grad():
        print(f"result accuracy {(model(x).argmax(1) == y).float().mean():.4f}")
    return model, data.tensors[0][train.indices]


if __name__ == "__main__":
    model, x_train = main()
