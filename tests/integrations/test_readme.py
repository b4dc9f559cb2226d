"""What the README says of loops, frameworks and healing is executed as it stands there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.commands import ROOT
from tests.integrations.test_loggers import train as watched
from torch import nn

from reluctant.record import folder

SECTIONS = ("## Healing\n", "## In your own loop, Lightning, Hugging Face, TensorBoard\n")
WHOLE = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = "".join(WHOLE.partition(section)[2].partition("\n## ")[0] for section in SECTIONS)
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
LAMBDAS = re.findall(r"`on_sample=(lambda .*?)`", TEXT)


def train(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()


def plainly() -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return {"model": model, "optimizer": optimizer, "train": train}


def swept() -> dict[str, Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    inputs = torch.randn(256, 4)

    def fit(model: nn.Module) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), inputs.sum(1, keepdim=True)).backward()
            optimizer.step()

    return {"model": model, "train": fit}


def in_lightning() -> dict[str, Any]:
    test = pytest.importorskip(
        "tests.integrations.test_lightning", reason="needs lightning", exc_type=ImportError
    )
    return {"lightning": test.lightning, "module": test.Automatic(), "loader": test.loader()}


def in_transformers() -> dict[str, Any]:
    test = pytest.importorskip(
        "tests.integrations.test_huggingface", reason="needs transformers", exc_type=ImportError
    )
    arguments = test.transformers.TrainingArguments("trained", max_steps=2, use_cpu=True)
    return {
        "transformers": test.transformers,
        "model": test.gpt(),
        "arguments": arguments,
        "texts": test.Texts(classes=False),
    }


def with_tensorboard() -> dict[str, Any]:
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    return plainly()


NEEDS: dict[str, tuple[Callable[[], dict[str, Any]], int]] = {
    "with reluctant.watch(model) as": (plainly, 1),
    "reluctant.heal(model": (plainly, 1),
    "watching.close()": (plainly, 0),
    "reluctant.lr_range": (swept, 0),
    "lightning.Trainer": (in_lightning, 1),
    "transformers.Trainer": (in_transformers, 1),
    "SummaryWriter": (with_tensorboard, 1),
}


@pytest.mark.parametrize("mark", NEEDS)
def test_the_readme(mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in BLOCKS if mark in block)
    needs, runs = NEEDS[mark]
    namespace = needs()
    exec("import reluctant\n" + block, namespace)
    assert len(list(folder.runs())) == runs
    if "def fit" in block:
        assert (tmp_path / "runs" / "third" / "run.json").exists()
        namespace["fit"]()
        assert len(list(folder.runs())) == 1


def test_every_block_is_executed() -> None:
    assert len(BLOCKS) == len(NEEDS)
    assert all(sum(mark in block for mark in NEEDS) == 1 for block in BLOCKS)


@pytest.mark.parametrize("name", ["run.log", "mlflow.log_metrics"])
def test_the_lambdas(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each calls what it names with the numbers; W&B itself is asked in another test."""
    monkeypatch.chdir(tmp_path)
    calls: list[Any] = []

    class Logger:
        def log(self, scalars: dict[str, float], commit: bool) -> None:
            calls.append(scalars)

        def log_metrics(self, scalars: dict[str, float], step: int) -> None:
            calls.append(scalars)

    (source,) = (source for source in LAMBDAS if name in source)
    watched(eval(source, {"run": Logger(), "mlflow": Logger()}))
    assert len(calls) == 4
