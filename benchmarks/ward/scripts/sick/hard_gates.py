"""Small convolutional net with squeeze-and-excitation gates, as in MobileNetV3."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class Gate(nn.Module):
    def __init__(self, channels, closed):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)
        # Start closed, so that a gate has to be earned.
        nn.init.constant_(self.excite.bias, -6.0 if closed else 0.0)

    def forward(self, x):
        s = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.excite(s))


class Block(nn.Module):
    def __init__(self, n_in, n_out, closed):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.gate = Gate(n_out, closed)

    def forward(self, x):
        return self.gate(F.relu(self.conv(x)))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--fixed", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)

digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
y = torch.tensor(digits.target)
x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

closed = not args.fixed
model = nn.Sequential(
    Block(1, 16, closed),
    nn.MaxPool2d(2),
    Block(16, 24, closed),
    Block(24, 24, closed),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(24, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(450):
    batch = torch.randint(len(x_train), (32,))
    loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step}: {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"result accuracy {accuracy:.4f}")
