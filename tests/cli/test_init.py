"""`run --init`: an unmodified script whose models begin with other weights."""

import json
from pathlib import Path

import pytest
from tests.commands import EXAMPLES, Done
from tests.matrix.zygote import reluctant

from reluctant import load

DEEP = """
import random
import sys
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = nn.BatchNorm1d(8)
        self.body = nn.ModuleList([nn.Linear(8 if i == 0 else 32, 32) for i in range(50)])
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        x = F.dropout(x, 0.1, DROP)
        for layer in self.body:
            x = layer(x).relu()
        return self.head(x)


DROP = "drop" in sys.argv
torch.manual_seed(5)
random.seed(5)
net = Net()
if "compile" in sys.argv:
    net = torch.compile(net, backend="eager")
kept = {name: at.detach().clone() for name, at in net.named_parameters()}
x = torch.randn(128, 8)
y = (x.sum(1) > 0).long()
net.eval()
with torch.no_grad():
    net(x)
assert all(torch.equal(at, kept[name]) for name, at in net.named_parameters())
net.train()
optimizer = torch.optim.SGD(net.parameters(), 0.05)
for step in range(60):
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
print(loss.item(), torch.rand(()).item(), random.random())
"""


def began(
    folder: Path, *options: str, script: str = DEEP, arguments: tuple[str, ...] = ()
) -> tuple[Done, list[str]]:
    """The run, and what is told of each model."""
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(script)
    done = reluctant("run", *options, "--out", folder / "run", "net.py", *arguments, cwd=folder)
    assert done.code == 0, done.err
    info = json.loads((folder / "run" / "run.json").read_text())
    return done, info["beginnings"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("drop",), ("compile",)])
def test_a_deep_script_learns_and_is_told_why(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    plain, none = began(tmp_path / "plain", arguments=arguments)
    assert none == []
    done, (told,) = began(tmp_path, "--init", "auto", arguments=arguments)
    assert float(plain.out.split()[0]) > 0.6
    assert float(done.out.split()[0]) < 0.3
    # The script's own stream of random numbers is where it would be.
    assert done.out.split()[1:] == plain.out.split()[1:]
    assert told.startswith("Net: A plain network, 51 layers deep, relu: mirrored")
    assert told.endswith("2 parameters left as they were. Seed 0.")
    assert "mirrored" in " ".join(done.err.split())
    # A run that is well is not treated, and ends with the same loss to the last bit.
    healed, again = began(tmp_path / "healed", "--init", "auto", "--heal", arguments=arguments)
    assert (healed.out, again) == (done.out, [told])
    assert load(tmp_path / "healed" / "run").interventions == ()


@pytest.mark.slow
def test_a_seed_makes_weights_of_its_own_and_the_same_each_time(tmp_path: Path) -> None:
    outs = []
    for name, seed in (("one", "3"), ("two", "3"), ("three", "4")):
        options = ("--seed", seed, "--init", "mirrored")
        done, (told,) = began(tmp_path / name, *options, script=FIRST)
        assert told.endswith(f"Seed {seed}.")
        outs.append(done.out)
    assert outs[0] == outs[1] != outs[2]


FIRST = """
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
net(torch.randn(2, 4))
print(net[0].weight.tolist())
"""

SEVERAL = """
import torch
from torch import nn
from torch.nn import functional as F


def train(model):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for step in range(8):
        loss = model(torch.randn(16, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


for fold in range(2):
    train(nn.Sequential(*[at for _ in range(9) for at in (nn.Linear(4, 4), nn.ReLU())]))
inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
train(inner)
kept = inner[0].weight.clone()
outer = nn.Sequential(inner, nn.Linear(4, 4))
outer(torch.randn(16, 4))
assert torch.equal(inner[0].weight, kept)
"""


@pytest.mark.slow
def test_every_model_of_a_script_is_met(tmp_path: Path) -> None:
    _, told = began(tmp_path, "--init", "auto", script=SEVERAL)
    assert len(told) == 3
    assert told[0].endswith("So 2 times.")
    assert "only 1 layer deep, tanh" in told[1]
    assert "Set: 1 layer normal; 2 parameters left as they were" in told[2]


BARE = """
import torch
weight = torch.randn(4, 4, requires_grad=True)
optimizer = torch.optim.SGD([weight], 0.1)
for step in range(3):
    loss = (torch.randn(8, 4) @ weight).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

ODD = """
import torch
from torch import nn


class Once(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, batches):
        return self.layer(next(batches))


net = Once()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for step in range(3):
    loss = net(iter([torch.ones(2, 4)])).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "sentence"),
    [(BARE, "no model was met"), (ODD, "Once begins as its script made it. Its pass cannot")],
)
def test_where_nothing_could_be_set_it_is_said_and_the_script_goes_on(
    tmp_path: Path, script: str, sentence: str
) -> None:
    _, (told,) = began(tmp_path, "--init", "auto", script=script)
    assert sentence in told


@pytest.mark.slow
def test_data_are_those_of_the_first_batch(tmp_path: Path) -> None:
    done = reluctant(
        "run", "--init", "data", EXAMPLES / "digits_mlp.py", "--epochs", "2", cwd=tmp_path
    )
    assert done.code == 0
    assert "Fitted layer by layer to the batch" in " ".join(done.err.split())


def test_a_scheme_that_there_is_none_is_told(tmp_path: Path) -> None:
    done = reluctant("run", "--init", "best", "net.py", cwd=tmp_path)
    assert done.code == 2
    assert "'best' is not one of 'auto', 'he'" in done.err


def test_processes_that_train_together_cannot_fit_layers_each_to_its_own_data(
    tmp_path: Path,
) -> None:
    launcher = ("-m", "torch.distributed.run", "net.py")
    done = reluctant("run", "--init", "data", *launcher, cwd=tmp_path)
    assert done.code == 2
    assert "different data" in done.err
