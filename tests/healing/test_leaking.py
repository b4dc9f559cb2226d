"""A leak in a run: a dead layer learns by it, the record says so, and it can go again."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tests.matrix.zygote import reluctant as command
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.optim import Adam

import reluctant
from reluctant.healing.operations import Operations
from reluctant.observe.observer import Observer
from reluctant.observe.schedule import Schedule
from reluctant.record import folder
from reluctant.record.finding import Cause, Finding, Severity, Units
from reluctant.record.info import RunInfo
from reluctant.remedy.propose import Proposal
from reluctant.remedy.refusal import Refused

SCRIPT = """
import sys, torch
from torch import nn
from torch.nn.functional import relu

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.act = nn.ReLU()
    def forward(self, x):
        x = relu(self.one(x))
        x = self.act(self.two(x)) if MODULE else relu(self.two(x))
        return self.out(x)

torch.manual_seed(0)
net = Net()
with torch.no_grad():
    net.two.weight.abs_().neg_()
    net.two.bias.fill_(-0.1)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
x = torch.randn(64, 8)
y = (x[:, :3] + x[:, 3:6]).argmax(dim=1)
for step in range(300):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
print(loss.item(), *net.state_dict(), sum(len(g["params"]) for g in optimizer.param_groups))
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("remedy", ["leak", "leak-learnt"])
def test_a_dead_layer_learns(module: bool, remedy: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("MODULE", str(module)))
    arguments = [f"--heal={remedy}", "--out", "run", "--quiet", "train.py"]
    done = command("run", *arguments, cwd=tmp_path)
    loss, *names = done.out.split()
    assert not done.err
    assert float(loss) < 0.8
    learnt = remedy == "leak-learnt"
    slope = "act.weight" if module else "leak_0"
    assert (slope in names) == learnt
    assert int(names[-1]) == 6 + learnt
    run = reluctant.load(tmp_path / "run")
    (intervention,) = run.interventions
    assert (intervention.remedy, intervention.layer, intervention.kept) == ("leak", "two", True)
    assert (intervention.before, intervention.after) == (16, 0)
    assert (f"hold {slope} as well" in intervention.text) == learnt
    assert "Weights that are saved from here on" in intervention.text
    sites = {site.name for site in run.sites}
    leaky = "prelu" if learnt else "leaky_relu"
    if module:
        assert sites == {"Net:relu", "act:relu", f"act:{leaky}"}
    else:
        assert sites == {"Net:relu", "Net:relu#1", f"Net:{leaky}#1"}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.two(relu(self.one(x)))))


class Training:
    """Trains two networks of the same class, and looks at it."""

    def __init__(self, path: Path) -> None:
        torch.manual_seed(0)
        folder.write_info(path, RunInfo(script="test"))
        self.observer = Observer(path, Schedule(every=1), 0, 0.0)
        self.path = path
        self.observer.start()
        self.nets = [Net(), Net()]
        self.optimizer = Adam([at for net in self.nets for at in net.parameters()], lr=0.01)
        self.operations = Operations(self.observer, 0)
        self.x = torch.randn(32, 8)

    def train(self, steps: int = 3) -> list[float]:
        losses = []
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = sum(net(self.x).square().mean() for net in self.nets)
            assert isinstance(loss, Tensor)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        self.observer.flush()
        return losses

    def leak(self, layer: str, learnt: bool) -> str:
        run = reluctant.load(self.path)
        said: list[str] = []
        finding = Finding(
            "dead-units", Severity.ERROR, layer, Units((0,), 16), 0, Cause("drifted", "")
        )
        proposal = Proposal("leak", finding, finding.slug, 1, 0)
        self.operations.leak(proposal, run, learnt, said.append)
        return said[0]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    made = Training(tmp_path)
    yield made
    made.observer.finish()


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize(
    ("layer", "words"),
    [("Net.one", "call of relu in Net"), ("Net#1.two", "act is ")],
)
def test_what_did_no_good_is_undone_to_the_last_bit(
    training: Training, learnt: bool, layer: str, words: str
) -> None:
    torch._dynamo.utils.counters.clear()
    training.train()
    state = training.operations.state()
    kept = deepcopy([net.state_dict() for net in training.nets])
    expected = training.train()
    training.operations.restore(state)
    assert words in training.leak(layer, learnt)
    assert training.train() != expected
    training.operations.restore(state)
    for net, before in zip(training.nets, kept, strict=True):
        assert list(net.state_dict()) == list(before)
        assert all(torch.equal(at, before[name]) for name, at in net.state_dict().items())
    assert training.train() == expected


def test_one_of_several_networks_leaks(training: Training) -> None:
    training.train()
    training.leak("Net#1.two", learnt=False)
    training.train()
    assert [type(net.act) for net in training.nets] == [nn.ReLU, nn.LeakyReLU]
    names = {site.name for site in reluctant.load(training.path).sites}
    assert "Net#1.act:leaky_relu" in names
    assert "Net.act:leaky_relu" not in names


@pytest.mark.parametrize("layer", ["Net.out", "nowhere"])
def test_what_is_behind_no_function_cannot_leak(training: Training, layer: str) -> None:
    training.train()
    with pytest.raises(Refused, match="not known"):
        training.leak(layer, learnt=False)
