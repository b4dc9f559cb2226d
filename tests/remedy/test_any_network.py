"""Of networks that are put together at random, units are revived without effect or not at all."""

from collections.abc import Callable

import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.remedy import revive
from reluctant.remedy.refusal import Refused
from reluctant.remedy.revive import Revival
from reluctant.remedy.survey import Survey

WIDTH, BATCH = 6, 12
DEAD = torch.tensor([1, 4])


class Parts(nn.Module):
    """What the networks are made of; units `DEAD` are dead wherever a rectifier is next.

    In float64, so that what is no rounding stands out.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.matrix = nn.ParameterList(torch.randn(WIDTH, WIDTH) for _ in range(2))
        self.shift = nn.ParameterList(torch.randn(WIDTH) for _ in range(2))
        self.batch = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(2))
        self.layer = nn.LayerNorm(WIDTH)
        self.double()
        with torch.no_grad():
            for at in (*(at.weight for at in self.linear), self.matrix[0].T, self.matrix[1]):
                at[DEAD] = 0  # however large a number comes in
            for name, at in self.named_parameters():
                if name.endswith("bias") or name.startswith("shift"):
                    at[DEAD] = -100
                elif at.dim() == 1:
                    at[DEAD] = 0.01


# Each makes a tensor of two; none turns the sign of what is not yet rectified.
Operation = Callable[[Parts, Tensor, Tensor], Tensor]
ORDER = [3, 0, 5, 1, 4, 2]
OPERATIONS: dict[str, Operation] = {
    "linear 0": lambda net, a, b: net.linear[0](a),
    "linear 1": lambda net, a, b: net.linear[1](a),
    "linear 2": lambda net, a, b: net.linear[2](a),
    "matrix 0": lambda net, a, b: a @ net.matrix[0] + net.shift[0],
    "matrix 1": lambda net, a, b: a @ net.matrix[1].T + net.shift[1],
    "relu": lambda net, a, b: F.relu(a),
    "clamp": lambda net, a, b: a.clamp(min=0),
    "tanh": lambda net, a, b: torch.tanh(a),
    "gate": lambda net, a, b: F.relu(a) * b,
    "valve": lambda net, a, b: a * torch.sigmoid(b),
    "twice": lambda net, a, b: 2 * a,
    "shift": lambda net, a, b: a + net.shift[1],
    "batch 0": lambda net, a, b: net.batch[0](a),
    "batch 1": lambda net, a, b: net.batch[1](a),
    "layer": lambda net, a, b: net.layer(a),
    "add": lambda net, a, b: a + b,
    "average": lambda net, a, b: torch.stack([a, b], 1).mean(1),
    "order": lambda net, a, b: a[:, ORDER],
    "interleave": lambda net, a, b: a.view(BATCH, 2, 3).transpose(1, 2).reshape(BATCH, WIDTH),
    "swap": lambda net, a, b: torch.cat(a.chunk(2, 1)[::-1], 1),
    "splice": lambda net, a, b: torch.cat([a[:, :3], b[:, 3:]], 1),
    "write": lambda net, a, b: written(a),
    "dropout": lambda net, a, b: F.dropout(a, 0.0),
    "detach": lambda net, a, b: a.detach(),
}
# Of most networks a plain one is a part, or all would be refused.
PLAIN = ["linear 0", "relu", "linear 1", "relu", "linear 2"]


def written(a: Tensor) -> Tensor:
    held = torch.zeros(a.shape, dtype=a.dtype)
    held[:, 1:] = a[:, 1:]
    return held


steps = st.tuples(st.sampled_from(list(OPERATIONS)), st.integers(0, 2), st.integers(0, 5))


@st.composite
def networks(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps: an operation, and how many tensors ago what it works on was made."""
    found = [(name, 0, 0) for name in PLAIN]
    for step in draw(st.lists(steps, max_size=5)):
        found.insert(draw(st.integers(0, len(found))), step)
    return found


def computed(net: Parts, network: list[tuple[str, int, int]], x: Tensor) -> list[Tensor]:
    """The last two tensors."""
    made = [x]
    for name, one, other in network:
        first, second = (made[max(len(made) - 1 - at, 0)] for at in (one, other))
        made.append(OPERATIONS[name](net, first, second))
    return made[-2:]


@settings(max_examples=200)
@given(networks())
def test_units_are_revived_without_effect_or_not_at_all(
    network: list[tuple[str, int, int]],
) -> None:
    for place, name in enumerate(("linear 0", "linear 1", "linear 2", "matrix 0", "matrix 1")):
        if not any(step == name for step, *_ in network):
            continue
        net = Parts()
        x = torch.randn(BATCH, WIDTH, dtype=torch.float64)
        try:
            plan = planned(net, network, x, place)
        except Refused as why:
            event(str(why))
            continue
        event("revived")
        check_nothing_changes(net, network, x, plan)


def planned(net: Parts, network: list[tuple[str, int, int]], x: Tensor, place: int) -> Revival:
    weight = [*(at.weight for at in net.linear), *net.matrix][place]
    survey = Survey(lambda leaf: leaf is weight)
    with survey:
        for at in computed(net, network, x):
            (at - 1).square().sum()  # the square alone would be a penalty's
    wiring = survey.wiring(weight)
    assert wiring is not None
    return revive.plan(wiring, DEAD, torch.Generator())


def check_nothing_changes(
    net: Parts, network: list[tuple[str, int, int]], x: Tensor, plan: Revival
) -> None:
    with torch.no_grad():
        before = computed(net, network, x)
        revive.apply(plan, lambda tensor: ())
        after = computed(net, network, x)
    for one, other in zip(after, before, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-7 * float(other.abs().max()))
