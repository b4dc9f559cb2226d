"""The script is sacred: the examples end in the same weights and print the same bytes."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from tests import commands
from tests.commands import EXAMPLES, Done
from tests.matrix.zygote import python, reluctant

FASHION = Path("/usr/share/datasets/fashion-mnist")
needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason="needs Fashion-MNIST: apt-get install dataset-fashion-mnist"
)

SCRIPTS = [
    pytest.param("digits_mlp.py", ("--epochs", "3"), id="digits"),
    pytest.param(
        "digits_mlp.py", ("--epochs", "2", "--optimizer", "adam", "--lr", "0.1"), id="sick"
    ),
    pytest.param(
        "fashion_cnn.py",
        ("--steps", "30", "--train-size", "2000"),
        marks=needs_fashion,
        id="fashion",
    ),
    pytest.param("char_transformer.py", ("--steps", "50"), id="characters"),
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Done, Path]]:
    """A script that nobody watches, and the weights that it leaves; run once."""

    @cache
    def run(script: str, *arguments: str) -> tuple[Done, Path]:
        weights = tmp_path_factory.mktemp("alone") / "weights.pt"
        command = (EXAMPLES / script, *arguments, "--save", weights.name)
        return commands.python(*command, cwd=weights.parent), weights

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "every"),
    [
        pytest.param(commands.reluctant, (), id="by budget"),
        pytest.param(reluctant, ("--every", "1"), id="every step"),
    ],
)
@pytest.mark.parametrize(("script", "arguments"), SCRIPTS)
def test_weights_and_output_are_the_same(
    alone: Callable[..., tuple[Done, Path]],
    tmp_path: Path,
    script: str,
    arguments: tuple[str, ...],
    start: Callable[..., Done],
    every: tuple[str, ...],
) -> None:
    plain, weights = alone(script, *arguments)
    command = (EXAMPLES / script, *arguments, "--save", "watched.pt")
    watched = start("run", *every, *command, cwd=tmp_path)
    assert plain.code == watched.code == 0, watched.err
    assert watched.out == plain.out
    assert "reluctant  " in watched.err
    assert "observed" in watched.err
    check_bit_equal(weights, tmp_path / "watched.pt")


def check_bit_equal(one: Path, other: Path) -> None:
    first, second = (torch.load(at, map_location="cpu") for at in (one, other))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert _bytes(weight) == _bytes(second[name]), name


def _bytes(weight: torch.Tensor) -> bytes:
    return weight.reshape(-1).view(torch.uint8).numpy().tobytes()


def test_the_check_tells_a_last_bit(tmp_path: Path) -> None:
    """A deliberately wrong twin: one bit of one weight."""
    weight = torch.randn(4)
    torch.save({"w": weight}, tmp_path / "a.pt")
    torch.save({"w": torch.nextafter(weight, torch.tensor(9.0))}, tmp_path / "b.pt")
    with pytest.raises(AssertionError):
        check_bit_equal(tmp_path / "a.pt", tmp_path / "b.pt")


EVALUATES_IN_BETWEEN = """
import torch
from torch import nn
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
model = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(48, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x = torch.randn(8, 3, 16)
for step in range(6):
    model.eval()
    with torch.no_grad():
        print(model(x).double().sum().item().hex())
    model.train()
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
print(torch.rand(3).tolist(), torch.get_rng_state().sum().item())
"""


@pytest.mark.slow
def test_the_fast_path_of_evaluation_is_taken_all_the_same(tmp_path: Path) -> None:
    """In eval mode torch fuses whole transformer layers, unless a mode or hook is about."""
    (tmp_path / "script.py").write_text(EVALUATES_IN_BETWEEN)
    plain = python("script.py", cwd=tmp_path)
    watched = reluctant("run", "--every", 1, "script.py", cwd=tmp_path)
    assert plain.code == 0, plain.err
    assert watched.out == plain.out
