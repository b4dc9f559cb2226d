"""Networks that show their insides: `tap` is called with each pre-activation and activation.

Trained twice: once under observation, where `tap` does nothing, and once by the plain slow twin.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Tap = Callable[[str, Tensor, Tensor], object]


def nothing(name: str, z: Tensor, a: Tensor) -> None:
    """The tap of the observed run."""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tap: Tap = nothing


class Mlp(Net):
    shape = (40, 6)

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 9), nn.Linear(9, 7), nn.Linear(7, 3)
        self.leaky = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        z = self.one(x)
        a = torch.relu(z)
        self.tap("one", z, a)
        z = self.two(a)
        b = self.leaky(z)
        self.tap("two", z, b)
        return self.out(b)


class Conv(Net):
    shape = (12, 2, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(2, 5, 3, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.two = nn.Conv2d(5, 4, 3)
        self.out = nn.Linear(4, 3)
        self.gelu = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        z = self.norm(self.one(x))
        a = F.relu(z)
        self.tap("one", z, a)
        z = self.two(a)
        b = self.gelu(z)
        self.tap("two", z, b)
        return self.out(b.mean((2, 3)))


class Transformer(Net):
    shape = (6, 5, 8)

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 12), nn.Linear(12, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        z = self.one(self.norm(x))
        a = F.silu(z)
        self.tap("one", z, a)
        return x + self.two(a)


NETS = {net.__name__: net for net in (Mlp, Conv, Transformer)}
STEPS = 3


def train(net: Net, accumulate: int = 1, after: Callable[[int], object] = int) -> None:
    """`STEPS` steps of Adam on noise; `after` is called between backward and the update."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(net.shape, generator=generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(STEPS):
        optimizer.zero_grad()
        for part in x.chunk(accumulate):
            net(part).square().mean().backward()
        after(step)
        optimizer.step()
