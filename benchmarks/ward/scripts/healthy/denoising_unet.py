"""A small U-Net that takes noise away from digits; gradients are summed over two batches."""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class DoubleConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_ch, out_ch, 3, padding=1),
            nn.GroupNorm(4, out_ch),
            nn.LeakyReLU(0.1),
            nn.Conv2d(out_ch, out_ch, 3, padding=1),
            nn.GroupNorm(4, out_ch),
            nn.LeakyReLU(0.1),
        )

    def forward(self, x):
        return self.net(x)


class UNet(nn.Module):
    def __init__(self, c=12):
        super().__init__()
        self.down1 = DoubleConv(1, c)
        self.down2 = DoubleConv(c, 2 * c)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.merge = DoubleConv(2 * c, c)
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        skip = self.down1(x)
        deep = self.down2(self.pool(skip))
        x = torch.cat([skip, self.up(deep)], dim=1)
        return self.out(self.merge(x))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accumulate", type=int, default=2)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    images = torch.tensor(load_digits().images / 16, dtype=torch.float32).unsqueeze(1)
    train, test = images[:1500], images[1500:]
    model = UNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(160 * args.accumulate):
        clean = train[torch.randint(len(train), (16,))]
        noisy = clean + 0.3 * torch.randn_like(clean)
        loss = nn.functional.mse_loss(model(noisy), clean) / args.accumulate
        loss.backward()
        if (step + 1) % args.accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
        if step % 80 == 0:
            print("step", step, "loss", loss.item() * args.accumulate)
    with torch.no_grad():
        noisy = test + 0.3 * torch.randn_like(test)
        print("result loss", nn.functional.mse_loss(model(noisy), test).item())
    return model, train


if __name__ == "__main__":
    model, x_train = main()
