"""Calls of `reluctant.functional` and modules of `reluctant.nn` are seen as torch's own are."""

from pathlib import Path

import pytest
import torch
from torch import nn

import reluctant
from reluctant import functional
from reluctant import nn as own
from reluctant.activations import CATALOGUE
from reluctant.observe.observer import Observer
from reluctant.observe.schedule import Schedule


class Net(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        arguments = {"threshold": (0.0, 0.0)}.get(name, ())
        self.act = own.module(name)(*arguments)
        self.call = functional.function(name)
        self.more = {"prelu": (torch.tensor([0.25]),)}.get(name, arguments)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.call(self.second(self.act(self.first(x))), *self.more)
        return self.last(y)


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"identity"}))
def test_our_functions_are_seen(name: str, tmp_path: Path) -> None:
    observer = Observer(tmp_path, Schedule(every=1), 0, 0.0)
    observer.start()
    try:
        torch.manual_seed(0)
        net = Net(name)
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
    finally:
        observer.finish()
    assert observer.guard.failure is None
    (tmp_path / "run.json").write_text('{"schema": 1, "script": "x"}')
    run = reluctant.load(tmp_path)
    sites = {site.name: site for site in run.sites}
    assert set(sites) == {f"act:{name}", f"Net:{name}"}
    assert {run.layers[site.layer].name for site in run.sites} == {"first", "second"}
    assert all(run.functions[site.function].name == name for site in run.sites)
