"""Networks with a layer of rectified units, some of which can be put to death."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from reluctant.remedy.survey import Survey
from reluctant.remedy.wiring import Wiring


@dataclass(frozen=True)
class Case:
    """A network, and what is to be known of the layer in it.

    `shift` names the parameter that kills a unit when it is very negative, and `scale` the one that
    goes with it, if any. `function` is the number of the layer's rectifier among those of a pass,
    and `axis` the dimension of its units there. `moves` says that a constant moves into a bias.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    weight: str
    shift: str
    scale: str = ""
    function: int = 0
    axis: int = -1
    moves: bool = False

    def made(self, dead: Sequence[int]) -> tuple[nn.Module, Tensor]:
        """The network, with these units dead, and the whole of its training set."""
        torch.manual_seed(0)
        model, x = self.build(), torch.randn(self.shape)
        with torch.no_grad():
            model.get_parameter(self.shift)[list(dead)] = -100.0
            if self.scale:
                model.get_parameter(self.scale)[list(dead)] = 0.01
        return model, x

    def firing(self, model: nn.Module, x: Tensor) -> Tensor:
        """The share of the inputs on which each unit fires."""
        with torch.no_grad(), Spy() as spy:
            model(x)
        output = spy.outputs[self.function].movedim(self.axis, 0).flatten(1)
        return (output > 0).float().mean(dim=1)


class Spy(TorchFunctionMode):
    """Keeps what rectifiers give."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if func in (F.relu, torch.relu, Tensor.relu, torch.clamp, Tensor.clamp):
            self.outputs.append(result.clone())
        return result


def surveyed(model: nn.Module, x: Tensor, weight: Tensor) -> Wiring:
    """What a training pass tells of the layer with this weight."""
    survey = Survey(lambda leaf: leaf is weight)
    with survey:
        output = model(x)
        F.mse_loss(output, torch.ones_like(output)).backward()
    wiring = survey.wiring(weight)
    assert wiring is not None
    return wiring


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.two(F.relu(self.one(x)))))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.one, self.two = nn.Conv2d(8, 12, 3, padding=1), nn.Conv2d(12, 8, 3, padding=1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = x + self.two(F.relu(self.one(x)))
        return self.head(x.mean((2, 3)))


class FeedForward(nn.Module):
    """That of a transformer, on (batch, time, channels)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(6), nn.LayerNorm(6)
        self.wide, self.narrow = nn.Linear(6, 12), nn.Linear(12, 6)
        self.function, self.dropout = nn.ReLU(), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x + self.narrow(self.dropout(self.function(self.wide(self.before(x))))))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value, self.out = nn.Linear(6, 12), nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.gate(x)) * self.value(x))


class Raw(nn.Module):
    """Parameters without modules; with one output, the second matrix is a column."""

    def __init__(self, outputs: int = 3, transposed: bool = False) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(6, 12) / 2), nn.Parameter(torch.zeros(12))
        shape = (outputs, 12) if transposed else (12, outputs)
        self.v, self.transposed = nn.Parameter(torch.randn(shape) / 3), transposed

    def forward(self, x: Tensor) -> Tensor:
        x = torch.clamp(x @ self.w + self.b, min=0)
        return x @ (self.v.T if self.transposed else self.v)


class RawNormalised(Raw):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)
        with torch.no_grad():
            self.b.normal_(std=3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(x @ self.w + self.b)) @ self.v


class Shuffled(nn.Module):
    """The halves of the units change places on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.out = nn.Linear(6, 12), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, second = F.relu(self.one(x)).chunk(2, dim=1)
        return self.out(torch.cat([second, first, x, second[:, [3, 1, 2, 0, 5, 4]]], dim=1))


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 12, 3, 2, 1), nn.ConvTranspose2d(12, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.relu(self.down(x)))


IMAGES, ROWS, WORDS = (48, 3, 8, 8), (256, 6), (32, 9, 6)

CASES: dict[str, Case] = {
    "modules": Case(
        lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)),
        ROWS, "0.weight", "0.bias",
    ),
    "in place": Case(
        lambda: nn.Sequential(nn.Linear(6, 12), nn.ReLU(inplace=True), nn.Linear(12, 3)),
        ROWS, "0.weight", "0.bias",
    ),
    "functions": Case(Functional, ROWS, "two.weight", "two.bias", function=1),
    "batch normalisation": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 3),
        ),
        IMAGES, "0.weight", "1.bias", "1.weight", axis=1,
    ),
    "batch normalisation of rows": Case(
        lambda: nn.Sequential(
            nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.0), nn.Linear(12, 3)
        ),
        ROWS, "0.weight", "1.bias", "1.weight",
    ),
    "batch normalisation behind": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3), nn.ReLU(), nn.BatchNorm2d(12), nn.Flatten(), nn.Linear(432, 3)
        ),
        IMAGES, "0.weight", "0.bias", axis=1, moves=True,
    ),
    "block": Case(Block, IMAGES, "one.weight", "one.bias", function=1, axis=1),
    "feed-forward": Case(FeedForward, WORDS, "wide.weight", "wide.bias"),
    "encoder layer": Case(
        lambda: nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True),
        WORDS, "linear1.weight", "linear1.bias",
    ),
    "gated": Case(Gated, ROWS, "gate.weight", "gate.bias"),
    "layer normalisation": Case(
        lambda: nn.Sequential(
            nn.Linear(6, 12), nn.LayerNorm(12), nn.ReLU(), nn.Linear(12, 3)
        ),
        ROWS, "0.weight", "1.bias", "1.weight",
    ),
    "raw": Case(Raw, ROWS, "w", "b"),
    "raw, one output": Case(lambda: Raw(1), ROWS, "w", "b"),
    "raw, transposed": Case(lambda: Raw(3, True), ROWS, "w", "b"),
    "raw, normalised": Case(RawNormalised, ROWS, "w", "norm.bias", "norm.weight"),
    "flattened": Case(
        lambda: nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Flatten(), nn.Linear(432, 3)),
        IMAGES, "0.weight", "0.bias", axis=1,
    ),
    "pooled": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3)
        ),
        IMAGES, "0.weight", "0.bias", axis=1,
    ),
    "shuffled": Case(Shuffled, ROWS, "one.weight", "one.bias"),
    "autoencoder": Case(Autoencoder, IMAGES, "down.weight", "down.bias", axis=1),
    "transposed convolution": Case(
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 12, 2), nn.ReLU(), nn.Conv2d(12, 2, 1)),
        IMAGES, "0.weight", "0.bias", axis=1,
    ),
}  # fmt: skip
