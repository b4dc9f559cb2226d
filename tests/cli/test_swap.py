"""`run --swap`: an unmodified script with another activation function in one's place."""

import json
from pathlib import Path

import pytest
import torch
from tests.matrix.zygote import python, reluctant

from reluctant import load

SCRIPT = """
import sys
import torch
from torch import nn
from torch.nn import ReLU
from torch.nn import functional as F

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.act(self.first(x))
        return x + F.relu(self.second(y), True)


net = nn.Sequential(nn.Linear(8, 16), ReLU(), Block(16), Block(16), nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters(), 1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
x = torch.randn(64, 8)
for step in range(30):
    loss = F.mse_loss(net(x), x.sin().sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
assert isinstance(net[1], nn.ReLU)
torch.save({name: at.detach() for name, at in net.named_parameters()}, "weights.pt")
torch.save(sum(len(group["params"]) for group in optimizer.param_groups), "trained.pt")
print(f"{loss.item():.6f}")
"""


def ran(folder: Path, swap: str) -> dict[str, object]:
    (folder / "net.py").write_text(SCRIPT)
    done = reluctant("run", "--out", folder / "run", "--swap", swap, "net.py", cwd=folder)
    assert done.code == 0, done.err
    shown = reluctant("diagnose", folder / "run", "--format", "json", cwd=folder)
    return {"err": done.err, "out": done.out, **json.loads(shown.out)}


@pytest.mark.slow
@pytest.mark.parametrize("swap", ["relu=leaky_relu:0.1", "relu=silu", "relu=squared_relu"])
def test_modules_and_calls_are_swapped_and_said(tmp_path: Path, swap: str) -> None:
    found = ran(tmp_path, swap)
    functions = {layer["function"] for layer in found["layers"] if layer["function"]}
    assert {name.partition("(")[0] for name in functions} == {swap[5:].partition(":")[0]}
    assert len([layer for layer in found["layers"] if layer["function"]]) == 5
    sentence = f"{swap[5:]} instead of relu in 3 modules, the call at net.py:19"
    assert found["run"]["swaps"] == [sentence]
    assert sentence in found["err"]


@pytest.mark.slow
def test_a_swapped_script_computes_what_one_written_so_does(tmp_path: Path) -> None:
    found = ran(tmp_path, "relu=silu")
    written = SCRIPT.replace("F.relu(self.second(y), True)", "F.silu(self.second(y))")
    written = written.replace("nn.ReLU(inplace=True)", "nn.SiLU()").replace(
        "import ReLU", "import SiLU"
    )
    written = written.replace(" ReLU()", " SiLU()").replace("assert isinstance", "# ")
    (tmp_path / "written.py").write_text(written)
    assert python("written.py", cwd=tmp_path).out == found["out"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prelu", "swish"])
def test_learnt_parameters_join_the_optimizer(tmp_path: Path, name: str) -> None:
    import torch

    ran(tmp_path, f"relu={name}")
    weights = torch.load(tmp_path / "weights.pt")
    start = {"prelu": 0.25, "swish": 1.0}[name]
    slopes = {key: float(at) for key, at in weights.items() if at.numel() == 1 and at.dim() == 1}
    slopes.pop("4.bias")
    # Three modules, and the call in each of two blocks.
    assert len(slopes) == 5, slopes
    assert all(abs(slope - start) > 1e-3 for slope in slopes.values()), slopes
    assert torch.load(tmp_path / "trained.pt") == len(weights)


@pytest.mark.parametrize(
    ("swap", "words"),
    [
        ("relu=preluu", ["'preluu'", "prelu"]),
        ("relo=silu", ["'relo'", "relu"]),
        ("relu=maxout", ["another shape"]),
        ("relu=celu:0", ["alpha != 0"]),
        ("relu", ["OLD=NEW"]),
    ],
)
def test_what_cannot_be_swapped_ends_the_run_at_once(
    tmp_path: Path, swap: str, words: list[str]
) -> None:
    (tmp_path / "net.py").write_text("import torch\nprint('trained')\n")
    done = reluctant("run", "--swap", swap, "net.py", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert all(word in done.err for word in words), done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["silu", "prelu"])
def test_swapped_at_some_sites_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.py").write_text(SCRIPT)
    sites = ("--at", "2.act:relu", "--at", "3:relu")
    swap = ("--swap", f"relu={name}", *sites)
    done = reluctant("run", "-q", "--out", "run", *swap, "net.py", cwd=tmp_path)
    assert done.code == 0, done.err
    run = load(tmp_path / "run")
    functions = {at.name: run.functions[at.function].name for at in run.sites}
    assert functions == {
        "1:relu": "relu",
        f"2.act:{name}": name,
        "2:relu": "relu",
        "3.act:relu": "relu",
        f"3:{name}": name,
    }
    assert run.info.swaps == (
        f"{name} instead of relu in the call at 2.act:relu, the call at 3:relu",
    )
    trained = torch.load(tmp_path / "trained.pt")
    assert trained == len(torch.load(tmp_path / "weights.pt"))
    assert trained == 12 + 2 * (name == "prelu")


@pytest.mark.slow
def test_a_site_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SCRIPT)
    swap = ("--swap", "relu=silu", "--at", "9:relu")
    done = reluctant("run", *swap, "net.py", cwd=tmp_path)
    assert done.code == 0
    assert "silu instead of relu in nothing: no such function was met" in done.err
    done = reluctant("run", "--at", "9:relu", "net.py", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "--at says where --swap is to be" in done.err


@pytest.mark.slow
def test_steps_at_a_multiple_of_their_rate(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SCRIPT)
    (tmp_path / "half.py").write_text(SCRIPT.replace("1e-2", "5e-3"))
    done = reluctant("run", "-q", "--pace", "0.5", "net.py", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out == python("half.py", cwd=tmp_path).out
