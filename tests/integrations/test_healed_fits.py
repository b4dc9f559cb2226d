"""Callbacks that heal: a network that was born dead learns, and a sound one is as it would be."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.healing.training import born_dead, digits, sound
from torch import Tensor, nn
from torch.nn import functional as F

import reluctant


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loss_of(model: nn.Module) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(model(digits()[0]), digits()[1]))


def in_lightning(model: nn.Module, heal: bool | None) -> Any:
    lightning = pytest.importorskip("lightning.pytorch", reason="needs lightning")
    from reluctant.integrations.lightning import ReluctantCallback

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    callback = None if heal is None else ReluctantCallback(heal=heal, every=1, out="run")
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=100, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[] if callback is None else [callback],
    )  # fmt: skip
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(*digits())
    trainer.fit(Module(), torch.utils.data.DataLoader(data, batch_size=64, shuffle=True))
    return callback


def in_transformers(model: nn.Module, heal: bool | None) -> Any:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("accelerate", reason="needs accelerate")
    from reluctant.integrations.huggingface import ReluctantCallback

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {"loss": F.cross_entropy(self.model(x), labels)}

    images, labels = digits()
    callback = None if heal is None else ReluctantCallback(heal=heal, every=1, out="run")
    arguments = transformers.TrainingArguments(
        "trained", per_device_train_batch_size=64, max_steps=100, use_cpu=True, report_to=[],
        save_strategy="no", disable_tqdm=True, learning_rate=1e-3, lr_scheduler_type="constant",
        remove_unused_columns=False,
    )  # fmt: skip
    data = [{"x": x, "labels": y} for x, y in zip(images, labels, strict=True)]
    trainer = transformers.Trainer(
        Model(), arguments, train_dataset=data, callbacks=[] if callback is None else [callback]
    )
    trainer.train()
    return callback


WAYS = {"lightning": in_lightning, "transformers": in_transformers}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_was_born_dead(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    plain, healed = born_dead(), born_dead()
    WAYS[way](plain, None)
    callback = WAYS[way](healed, True)
    assert loss_of(plain) > 2
    assert loss_of(healed) < 0.5
    did = reluctant.load("run").interventions
    assert [(at.remedy, at.kept) for at in did] == [("rescale", True)]
    assert "✔ kept  rescale" in capsys.readouterr().err
    assert callback.diagnose().verdict != "error"


@pytest.mark.parametrize("way", WAYS)
def test_a_sound_network(way: str) -> None:
    plain, watched = sound(), sound()
    WAYS[way](plain, None)
    WAYS[way](watched, True)
    run = reluctant.load("run")
    assert (run.interventions, run.info.failure, run.info.steps) == ((), None, 100)
    for one, other in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(one, other)
