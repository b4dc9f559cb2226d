"""Runs a script plainly and watched, side by side, in forks of one warm process."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reluctant import diagnose, load
from reluctant.record.run import Run
from tests.cli.test_same import check_bit_equal
from tests.commands import Done
from tests.matrix.zygote import Zygote

TRAIN = """
import os, signal, subprocess, sys
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
home, run = os.getcwd(), os.path.abspath("run")
watching = None
if "watch" in sys.argv:
    import reluctant
    watching = reluctant.watch(model, optimizer, every=1, out="run")
def save(name="weights.pt"):
    torch.save(model.state_dict(), os.path.join(home, name))
def train():
    optimizer.zero_grad()
    loss = model(torch.randn(32, 8)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item().hex()
"""
LOOP = """
for step in range(12):
    print(step, train(), flush=True)
    if step == 5:
        fault()
save()
"""
END = """
if watching:
    watching.close()
"""


class Survived(NamedTuple):
    """A watched script that did as it does alone."""

    done: Done
    folder: Path

    @property
    def run(self) -> Run:
        """Its record, every number of which can be read, and diagnosed."""
        run = load(self.folder / "run")
        for site in run.sites:
            run.series.site(site.index)
        for layer in run.layers:
            run.series.layer(layer.index)
        diagnose(run)
        return run


Survives = Callable[..., Survived]


@pytest.fixture
def survives(zygote: Zygote, tmp_path: Path) -> Survives:
    """Runs a script plainly and as `way` says, and checks that they end alike."""

    def both(
        fault: str, way: str = "run", code: int = 0, loop: str = LOOP, every: int = 1
    ) -> Survived:
        plain, watched = tmp_path / "plain", tmp_path / "watched"
        for folder in (plain, watched):
            folder.mkdir(exist_ok=True)
            (folder / "script.py").write_text(TRAIN + fault + loop + END)
        alone = zygote.run("python", "script.py", cwd=plain)
        if way == "run":
            command = ("reluctant", "run", "--every", every, "--out", "run", "script.py")
        else:
            command = ("python", "script.py", "watch")
        done = zygote.run(*command, cwd=watched)
        assert alone.code == code, alone.err
        assert (done.code, done.out) == (code, alone.out), done.err
        # The first frames of a traceback are the zygote's, but where we leave them out.
        _, script, rest = alone.err.partition(f'  File "{plain}')
        assert (script + rest).replace(str(plain), str(watched)) in done.err
        assert done.err.count("Traceback") == alone.err.count("Traceback"), done.err
        weights = sorted(path.name for path in plain.glob("*.pt"))
        assert weights == sorted(path.name for path in watched.glob("*.pt"))
        for name in weights:
            check_bit_equal(plain / name, watched / name)
        return Survived(done, watched)

    return both
