"""A pass of ours ends with the step it was for, however the script steps."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from tests.healing.scripts import DATA, NET
from tests.healing.training import modes
from tests.matrix.zygote import Zygote
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from reluctant import load
from reluctant.healing.agreement import Agreement
from reluctant.healing.operations import Operations
from reluctant.observe import eager

LOOP = "for step in range(160):\n" + DATA

WAYS = {
    "by a closure": """
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
"""
    + LOOP
    + """
    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss
    loss = optimizer.step(closure) if step % 2 else optimizer.step(closure=closure)
""",
    "two optimizers": """
optimizers = [
    torch.optim.SGD(part.parameters(), lr=0.01, momentum=0.9) for part in (model[:2], model[2:])
]
"""
    + LOOP
    + """
    model.zero_grad()
    loss = (model(x) - y).square().mean()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
""",
    "gradients accumulated": """
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
"""
    + LOOP
    + """
    optimizer.zero_grad()
    for few, wanted in zip(x.chunk(2), y.chunk(2)):
        loss = (model(few) - wanted).square().mean() / 2
        loss.backward()
    optimizer.step()
""",
    "a network between": """
other = nn.Linear(8, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
another = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9)
"""
    + LOOP
    + """
    another.zero_grad()
    (other(x) - x).square().mean().backward()
    another.step()
    optimizer.zero_grad()
    loss = (model(x) - y).square().mean()
    loss.backward()
    optimizer.step()
""",
}

LBFGS = (
    NET
    + """
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.01, max_iter=2)
for step in range(40):
"""
    + DATA
    + """
    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss
    loss = optimizer.step(closure)
print(loss.item())
"""
)


# A network that learns beside it is not to begin anew.
CASES = [(way, at) for way in WAYS for at in ("rescale", "revive")]
CASES.remove(("a network between", "rescale"))


@pytest.mark.parametrize(("way", "remedy"), CASES)
def test_a_network_is_healed(zygote: Zygote, tmp_path: Path, way: str, remedy: str) -> None:
    (tmp_path / "script.py").write_text(NET + WAYS[way] + "print(loss.item())\n")
    options = ("--every", 1, "--quiet", f"--heal={remedy}", "--out", "run")
    done = zygote.run("reluctant", "run", *options, "script.py", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    run = load(tmp_path / "run")
    assert run.info.failure is None
    assert {(at.remedy, at.kept) for at in run.interventions} == {(remedy, True)}
    assert float(done.out) < 0.5


def test_what_cannot_forget_is_left_as_it_is(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(LBFGS)
    plain = zygote.run("python", "script.py", cwd=tmp_path)
    options = ("--every", 1, "--quiet", "--heal=rescale,revive", "--out", "run")
    done = zygote.run("reluctant", "run", *options, "script.py", cwd=tmp_path)
    assert (done.code, done.err, done.out) == (0, "", plain.out)
    refused = load(tmp_path / "run").interventions
    assert refused
    assert all("LBFGS remembers whole steps" in at.text for at in refused)


class Stub:
    """An observer of one model, as far as operations ask it."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self.skips: list[Callable[[Optimizer], None]] = []
        self.steps = 0
        self.clock = self
        self.model, self.optimizer = model, optimizer

    def leads(self, optimizer: Optimizer) -> bool:
        return optimizer is self.optimizer

    def optimizers(self) -> list[Optimizer]:
        return [self.optimizer]

    def tensors(self) -> list[Tensor]:
        return list(self.model.parameters())

    def ours(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        return list(tensors)

    def rectified(self) -> set[int]:
        """With a rectifier in it: what begins anew does so in the very next pass."""
        rectifies = any(isinstance(at, nn.ReLU) for at in self.model.modules())
        return set(map(id, self.tensors())) if rectifies else set()


def test_a_step_that_is_left_out_ends_a_pass_and_not_what_it_is_for() -> None:
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, nn.ReLU())
    optimizer = SGD(model.parameters(), lr=0.1)
    told: list[str] = []
    do = Operations(Stub(model, optimizer), 0, Agreement())  # type: ignore[arg-type]
    do.rescale(None, 0, lambda: told.append("begun"), lambda: told.append("done"))  # type: ignore[arg-type]
    before = layer.weight.detach().clone()
    assert (modes(), eager._looking) == (1, 1)
    model(torch.randn(8, 4)).square().mean().backward()
    fresh = layer.weight.detach().clone()
    assert not torch.equal(fresh, before)
    do.skipped(optimizer)
    assert (modes(), eager._looking) == (0, 0)
    model(torch.randn(8, 4)).square().mean().backward()
    assert torch.equal(layer.weight, fresh)
    assert (do.busy, told) == (True, ["begun"])
    do.stepping(optimizer)
    do.stepped()
    assert (do.busy, told) == (False, ["begun", "done"])


def test_without_a_rectifier_a_network_is_read_in_one_pass_and_begins_anew_in_the_next() -> None:
    model = nn.Linear(4, 4)
    optimizer = SGD(model.parameters(), lr=0.1)
    told: list[str] = []
    do = Operations(Stub(model, optimizer), 0, Agreement())  # type: ignore[arg-type]
    do.rescale(None, 0, lambda: told.append("begun"), lambda: told.append("done"))  # type: ignore[arg-type]
    changed = []
    for _ in range(2):
        before = model.weight.detach().clone()
        model(torch.randn(8, 4)).square().mean().backward()
        changed.append(not torch.equal(model.weight, before))
        assert do.busy
        do.stepping(optimizer)
        do.stepped()
    assert changed == [False, True]
    assert (do.busy, told) == (False, ["begun", "done"])
    assert (modes(), eager._looking) == (0, 0)
