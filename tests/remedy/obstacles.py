"""Networks whose units cannot be revived, or not without changing what is computed.

Of each the layer is `one`; its weight is `one.weight`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    """Three layers, of which a way of its own is made."""

    def __init__(self, way: Callable[["Net", Tensor], Tensor], **others: nn.Module) -> None:
        super().__init__()
        self.way = way
        self.one, self.two, self.out = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 3)
        self.norm = nn.LayerNorm(12)
        for name, module in others.items():
            setattr(self, name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


class Own(torch.autograd.Function):
    """A function of a script's own, which no mode sees."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sum(dim=1, keepdim=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.expand(-1, 12)


def unseen(net: Net, x: Tensor) -> Tensor:
    x = F.relu(net.one(x))
    own: Tensor = Own.apply(x)
    return net.out(x) + own


def checkpointed(net: Net, x: Tensor) -> Tensor:
    x = F.relu(net.one(x))
    own: Tensor = checkpoint(net.out, x, use_reentrant=True)
    return net.out(x) + own


def penalty_that_counts(net: Net, x: Tensor) -> Tensor:
    x = F.relu(net.one(x))
    return net.out(x) / x.abs().sum()


def stream(net: Net, x: Tensor) -> Tensor:
    x = F.relu(net.one(x))
    return net.out(x + F.relu(net.two(x)))


def tied(net: Net, x: Tensor) -> Tensor:
    return F.linear(F.relu(net.one(x)), net.one.weight.t())


def tied_product(net: Net, x: Tensor) -> Tensor:
    return F.relu(net.one(x)) @ net.one.weight


def tied_reader(net: Net, x: Tensor) -> Tensor:
    x = net.two(F.relu(net.one(x)))
    return net.out(torch.tanh(net.two(torch.tanh(x))))


def tied_view(net: Net, x: Tensor) -> Tensor:
    """The parameter itself is used once."""
    x = torch.tanh(F.linear(F.relu(net.one(x)), net.two.weight.T))
    return net.out(torch.tanh(net.two(x)))


def twice(net: Net, x: Tensor) -> Tensor:
    return net.out(F.relu(net.one(x))) + net.two(F.relu(net.one(-x)))[:, :3]


def normalised_behind(net: Net, x: Tensor) -> Tensor:
    return net.out(net.norm(F.relu(net.one(x))))


def all_normalised(net: Net, x: Tensor) -> Tensor:
    return net.out(F.relu(net.norm(net.one(x))))


def normalised_twice(net: Net, x: Tensor) -> Tensor:
    return net.out(net.norm(net.two(F.relu(net.norm(net.one(x))))))


def sigmoid(net: Net, x: Tensor) -> Tensor:
    return net.out(torch.sigmoid(net.one(x)))


def unread(net: Net, x: Tensor) -> Tensor:
    return F.relu(net.one(x))


def not_squashed(net: Net, x: Tensor) -> Tensor:
    return net.out(net.one(x))


def read_before_too(net: Net, x: Tensor) -> Tensor:
    x = net.one(x)
    return net.out(net.two(F.relu(x))) + net.head(x)


def second_function(net: Net, x: Tensor) -> Tensor:
    x = net.one(x)
    return net.out(F.relu(x) * torch.tanh(x)) + net.head(F.elu(x))


def halves(net: Net, x: Tensor) -> Tensor:
    gate, value = net.one(x).chunk(2, dim=1)
    return net.narrow(F.relu(gate) * value)


def written_into(net: Net, x: Tensor) -> Tensor:
    held, x = torch.zeros(len(x), 12), F.relu(net.one(x))
    held[:, :] = x
    return net.out(x) + net.head(held)


def scaled_shift(net: Net, x: Tensor) -> Tensor:
    return net.out(2 * net.batch(F.relu(net.one(x))))


def two_shifts(net: Net, x: Tensor) -> Tensor:
    return net.out(F.relu(net.one(x) + net.two.bias))


def shifted_in_another_order(net: Net, x: Tensor) -> Tensor:
    x = F.linear(x, net.one.weight)[:, torch.arange(11, -1, -1)]
    return net.out(F.relu(x + net.one.bias))


def frozen_reader(net: Net, x: Tensor) -> Tensor:
    return F.linear(F.relu(net.one(x)), net.out.weight.detach())


def reshaped_reader(net: Net, x: Tensor) -> Tensor:
    x = F.relu(net.one(x))[..., None].expand(-1, -1, 4)
    return F.conv1d(x, net.flat.weight.view(3, 12, 4))


def grouped(net: Net, x: Tensor) -> Tensor:
    return net.grouped(F.relu(net.one(x)))


def exchanged(net: Net, x: Tensor) -> Tensor:
    """The units become positions."""
    return net.row(F.relu(net.one(x))[:, None].transpose(1, 2))


def fixed(batch: nn.BatchNorm1d) -> nn.BatchNorm1d:
    def stay(module: nn.Module, args: object) -> None:
        module.eval()

    batch.register_forward_pre_hook(stay)
    batch.running_mean.fill_(1.0)  # type: ignore[union-attr]
    return batch


ROWS, IMAGES = (32, 6), (8, 6, 5, 5)

REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "stream": (lambda: Net(stream), ROWS, "an addition of two branches"),
    "tied": (lambda: Net(tied), ROWS, "weights that are used more than once"),
    "tied in a product": (lambda: Net(tied_product), ROWS, "weights that are used more than once"),
    "tied reader": (lambda: Net(tied_reader), ROWS, "a reader whose weights are used more than"),
    "tied as a view": (lambda: Net(tied_view), ROWS, "a reader whose weights are used more than"),
    "twice": (lambda: Net(twice), ROWS, "weights that are used more than once"),
    "normalised behind": (
        lambda: Net(normalised_behind), ROWS, "a normalisation over channels behind the function"
    ),
    "normalised twice": (
        lambda: Net(normalised_twice), ROWS, "a shift that is used more than once"
    ),
    "sigmoid": (lambda: Net(sigmoid), ROWS, "A unit of sigmoid is never off"),
    "unread": (lambda: Net(unread), ROWS, "no layer that reads it|what mse_loss does"),
    "no function": (lambda: Net(not_squashed), ROWS, "no function before the next layer"),
    "read before the function": (
        lambda: Net(read_before_too, head=nn.Linear(12, 3)), ROWS, "no function before"
    ),
    "a second function": (
        lambda: Net(second_function, head=nn.Linear(12, 3)), ROWS, "a second function"
    ),
    "halves": (
        lambda: Net(halves, narrow=nn.Linear(6, 3)), ROWS, "a mixture of a layer's own units"
    ),
    "written into": (
        lambda: Net(written_into, head=nn.Linear(12, 3)), ROWS, "what setitem does"
    ),
    "scaled shift": (
        lambda: Net(scaled_shift, batch=nn.BatchNorm1d(12)), ROWS, "what mul does"
    ),
    "fixed normalisation": (
        lambda: Net(scaled_shift, batch=fixed(nn.BatchNorm1d(12))),
        ROWS,
        "a normalisation behind the function that is fixed",
    ),
    "two shifts": (lambda: Net(two_shifts), ROWS, "a second shift of each unit"),
    "shifted in another order": (
        lambda: Net(shifted_in_another_order), ROWS, "an addition of two branches"
    ),
    "frozen reader": (lambda: Net(frozen_reader), ROWS, "what linear does"),
    "reshaped reader": (
        lambda: Net(reshaped_reader, flat=nn.Linear(48, 3)), ROWS, "a reader of an unusual kind"
    ),
    "depthwise reader": (
        lambda: Net(
            grouped, one=nn.Conv2d(6, 12, 1), grouped=nn.Conv2d(12, 12, 3, groups=12)
        ),
        IMAGES,
        "a reader of an unusual kind",
    ),
    "grouped layer": (
        lambda: Net(
            grouped, one=nn.Conv2d(6, 12, 1, groups=3), grouped=nn.Conv2d(12, 2, 3)
        ),
        IMAGES,
        "a layer of an unusual kind",
    ),
    "normalised over positions too": (
        lambda: Net(
            all_normalised, one=nn.Conv2d(6, 12, 1), norm=nn.LayerNorm((12, 5, 5)),
            out=nn.Conv2d(12, 2, 1),
        ),
        IMAGES,
        "a normalisation without a shift of each unit",
    ),
    "normalised in groups": (
        lambda: Net(
            all_normalised, one=nn.Conv2d(6, 12, 1), norm=nn.GroupNorm(3, 12),
            out=nn.Conv2d(12, 2, 1),
        ),
        IMAGES,
        "a normalisation over several channels",
    ),
    "a function that is not seen": (lambda: Net(unseen), ROWS, "OwnBackward, which is not seen"),
    "checkpointed": (lambda: Net(checkpointed), ROWS, "which is not seen"),
    "a sum that is used": (lambda: Net(penalty_that_counts), ROWS, "what div does"),
    "exchanged": (
        lambda: Net(exchanged, row=nn.Linear(1, 3)), ROWS, "an exchange of channels and positions"
    ),
}  # fmt: skip
