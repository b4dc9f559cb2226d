"""The names that `import reluctant` gives."""

import subprocess
import sys

import pytest

import reluctant


@pytest.mark.parametrize("name", sorted(set(reluctant.__all__) - {"__version__"}))
def test_a_name_stays_what_it_is_when_it_is_asked_for_again(name: str) -> None:
    """No package of the same name takes its place once it is imported."""
    code = (
        f"import reluctant; first = reluctant.{name};"
        f"assert callable(first) and reluctant.{name} is first;"
        f"from reluctant import {name}; assert {name} is first"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_modules_are_reached_by_attribute() -> None:
    code = "import reluctant; reluctant.nn.SiLU, reluctant.functional.silu, reluctant.plot.units"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_our_own_arithmetic_does_not_go_through_names_that_a_swap_replaces() -> None:
    """Otherwise a function that stands in for one it is made of would call itself."""
    code = """
import torch
from torch.nn import functional as F
from reluctant import functional
from reluctant.activations import CATALOGUE, SHAPED
def replaced(*args, **kwargs):
    raise AssertionError("a replaced name was called")
for activation in CATALOGUE.values():
    for path in activation.calls:
        *homes, name = path.split(".")
        home = torch
        for part in homes:
            home = getattr(home, part)
        setattr(home, name, replaced)
z = torch.linspace(-2, 2, 16).view(4, 4).requires_grad_()
more = {"threshold": (0.0, 0.0), "prelu": (0.25,), "topk": (2,)}
for lean in (None, True, "bit", False):
    for name in (*CATALOGUE, *SHAPED):
        y = functional.function(name)(z, *more.get(name, ()), lean=lean)
        y.sum().backward()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
