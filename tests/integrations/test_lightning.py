"""`ReluctantCallback` in Lightning's `Trainer`."""

import importlib.util
import logging
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.commands import ROOT, python
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import reluctant
from reluctant.errors import RunNotFound, WrongArgument
from reluctant.record.run import Run

lightning = pytest.importorskip(
    "lightning.pytorch", reason="needs lightning: pip install 'reluctant[lightning]'"
)
from reluctant.integrations import lightning as ours  # noqa: E402

PACKAGES = ["lightning.pytorch", "pytorch_lightning"]
BATCHES = 6


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in PACKAGES:
        logging.getLogger(name).setLevel(logging.ERROR)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)
    )


def loader(shuffle: bool = True) -> DataLoader[Any]:
    x = torch.randn(16 * BATCHES, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(x), batch_size=16, shuffle=shuffle)


class Automatic(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = self.net(batch[0]).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        # Nothing that a training step computes, were it seen.
        self.log("valid", torch.tanh(self.net(batch[0])).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


class Manual(Automatic):
    """Two optimizers, each stepped by hand; the second every other batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> None:
        first, second = self.optimizers()
        loss = self.net(batch[0]).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.manual_backward(loss)
        for optimizer in (first, second)[: 1 + index % 2]:
            optimizer.step()
            optimizer.zero_grad()

    def configure_optimizers(self) -> Any:
        return (
            torch.optim.SGD(self.net[:2].parameters(), lr=0.1),
            torch.optim.Adam(self.net[2:].parameters(), lr=0.01),
        )


def fit(
    module: Any, *callbacks: Any, package: str = "lightning.pytorch", **options: Any
) -> dict[str, Any]:
    """Everything that two epochs leave behind."""
    trainer: Any = importlib.import_module(package).Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=list(callbacks),
        **{
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
            **options,
        },
    )
    torch.manual_seed(5)
    module.net = net()
    trainer.fit(module, loader(), loader(False))
    return {
        **{f"weight {name}": value for name, value in module.state_dict().items()},
        **{f"metric {name}": value for name, value in trainer.callback_metrics.items()},
        "steps": torch.tensor(trainer.global_step),
        "random": torch.get_rng_state(),
    }


def check_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def sites(run: Run) -> dict[str, str | None]:
    return {
        site.name: None if site.layer is None else run.layers[site.layer].name for site in run.sites
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sanity check": {"num_sanity_val_steps": 2},
    "validation in mid-epoch": {"val_check_interval": 2, "num_sanity_val_steps": 0},
    "accumulation": {"accumulate_grad_batches": 2},
    "clipping": {"gradient_clip_val": 0.01},
    "bfloat16": {"precision": "bf16-mixed"},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_automatic_optimization(options: str) -> None:
    given = OPTIONS[options]
    callback = ours.ReluctantCallback(every=1, out="run")
    check_same(fit(Automatic(), callback, **given), fit(Automatic(), **given))
    run = reluctant.load("run")
    steps = 2 * BATCHES // given.get("accumulate_grad_batches", 1)
    assert run.info.steps == steps
    assert run.steps.tolist() == list(range(steps))
    assert (run.info.failure, run.info.exit_code, run.info.model) == (None, 0, "Automatic")
    # Neither validation nor a sanity check is counted among these.
    assert sites(run) == {"net.2:relu": "net.0"}
    inputs = 16 * given.get("accumulate_grad_batches", 1)
    assert run.series.site(0).inputs.tolist() == [inputs] * steps
    assert [layer.name for layer in run.layers] == ["net.0", "net.4"]
    for layer in run.layers:
        series = run.series.layer(layer.index)
        assert (series.gradient > 0).any()
        assert (series.update > 0).any()
    assert all(sample.loss is not None for sample in run.samples)
    assert [run.samples[at].rate for at in (0, -1)] == [0.01, 0.001]
    assert callback.path == Path.cwd() / "run"
    assert callback.diagnose().verdict == "healthy"


def test_manual_optimization() -> None:
    callback = ours.ReluctantCallback(every=1)
    check_same(fit(Manual(), callback), fit(Manual()))
    assert callback.path is not None
    run = reluctant.load(callback.path)
    assert run.info.steps == 2 * BATCHES
    assert run.samples[-1].optimizers == 2
    assert {sample.rate for sample in run.samples} == {0.1}
    assert run.series.layer(0).samples.tolist() == list(range(2 * BATCHES))
    # A step of the second lies in the sample that its next step of the first ends.
    assert run.series.layer(1).samples.tolist() == [2, 4, 6, 8, 10]


def test_by_budget_and_parameters_alone() -> None:
    for options in ({}, {"observe": "parameters", "every": 1}):
        callback = ours.ReluctantCallback(**options)
        check_same(fit(Automatic(), callback), fit(Automatic()))
        assert callback.path is not None
        assert reluctant.load(callback.path).samples
        assert bool(reluctant.load(callback.path).sites) == (not options)


@pytest.mark.parametrize("package", PACKAGES)
def test_either_package(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback of the one that is in use, and that of the other."""
    other = pytest.importorskip(package)
    if package != "lightning.pytorch":
        monkeypatch.delitem(sys.modules, "lightning.pytorch")
    spec = importlib.util.spec_from_file_location("fresh", str(ours.__file__))
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert issubclass(fresh.ReluctantCallback, other.Callback)

    class Module(other.LightningModule):  # type: ignore[misc, name-defined]
        training_step, validation_step = Automatic.training_step, Automatic.validation_step
        configure_optimizers = Automatic.configure_optimizers

    for number, callback in enumerate((fresh.ReluctantCallback, ours.ReluctantCallback)):
        fit(Module(), callback(every=1, out=f"run{number}"), package=package)
        run = reluctant.load(f"run{number}")
        assert run.info.steps == 2 * BATCHES
        assert sites(run) == {"net.2:relu": "net.0"}


def test_checkpoints_are_the_same() -> None:
    """And a fit that was watched is resumed by one that is not, and the other way round."""

    def checkpoint(*callbacks: Any, resumed: Path | None = None) -> Path:
        folder = Path(f"{resumed or 'fit'}-{len(callbacks)}")
        saves = lightning.callbacks.ModelCheckpoint(folder, save_last=True)
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=1 if resumed is None else 2, logger=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[saves, *callbacks],
        )  # fmt: skip
        torch.manual_seed(7)
        trainer.fit(Automatic(), loader(), loader(False), ckpt_path=resumed)
        return Path(saves.last_model_path)

    def content(path: Path) -> Any:
        state = torch.load(path, weights_only=True)
        # Whose state it is, and not the paths in it.
        state["callbacks"] = [key.partition("{")[0] for key in state["callbacks"]]
        return plain(state)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(at) for key, at in value.items()}
        if isinstance(value, Tensor):
            return value.tolist()
        return [plain(at) for at in value] if isinstance(value, list | tuple) else value

    alone, watched = checkpoint(), checkpoint(ours.ReluctantCallback())
    assert content(alone) == content(watched)
    assert content(alone)["callbacks"] == ["ModelCheckpoint"]
    after = checkpoint(resumed=watched), checkpoint(ours.ReluctantCallback(), resumed=alone)
    assert content(after[0]) == content(after[1]) != content(alone)
    assert content(after[0])["global_step"] == 2 * BATCHES


def test_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    fit(Automatic(), ours.ReluctantCallback(every=1, out="run"))
    out, err = capsys.readouterr()
    assert "reluctant" not in out
    assert "reluctant  healthy" in err
    assert "12 steps" in err
    assert "reluctant diagnose run" in err
    fit(Automatic(), ours.ReluctantCallback(quiet=True))
    assert "reluctant" not in "".join(capsys.readouterr())


def test_other_ranks_are_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightning.Trainer, "is_global_zero", False)
    fit(Automatic(), ours.ReluctantCallback())
    assert "reluctant" not in "".join(capsys.readouterr())


def test_asked_in_mid_fit() -> None:
    callback = ours.ReluctantCallback(every=1)
    with pytest.raises(RunNotFound, match="Nothing has been fitted"):
        callback.diagnose()
    assert callback.path is None
    seen = []

    class Asks(lightning.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            seen.append(len(callback.diagnose().layers))
            assert callback.path is not None
            seen.append(len(reluctant.load(callback.path).samples))

    fit(Automatic(), callback, Asks())
    assert seen == [2, BATCHES, 2, 2 * BATCHES]


def test_each_fit_is_a_run_of_its_own() -> None:
    callback = ours.ReluctantCallback(every=1, out="run")
    for name in ("run", "run-2"):
        fit(Automatic(), callback)
        assert callback.path == Path.cwd() / name
        assert reluctant.load(name).info.steps == 2 * BATCHES


def test_on_sample() -> None:
    told: list[int] = []
    fit(Automatic(), ours.ReluctantCallback(every=2, on_sample=lambda step, _: told.append(step)))
    assert told == list(range(0, 2 * BATCHES, 2))


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_fit_that_fails(error: type[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    class Fails(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
            if trainer.global_step == 4:
                raise error

    callback = ours.ReluctantCallback(every=1, out="run")
    with pytest.raises((error, SystemExit)):
        fit(Automatic(), callback, Fails())
    run = reluctant.load("run")
    assert (run.info.steps, run.info.exit_code) == (4, 1)
    assert run.steps.tolist() == [0, 1, 2, 3]
    assert "reluctant  healthy" in capsys.readouterr().err


def test_a_fit_that_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    callback = ours.ReluctantCallback(out="file/run")
    check_same(fit(Automatic(), callback), fit(Automatic()))
    err = capsys.readouterr().err
    assert err.count("reluctant: This fit is not watched, and the training goes on: No run") == 1
    assert callback.path is None


@pytest.mark.parametrize("name", ["lightning", "huggingface"])
def test_a_framework_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'reluctant\[{name}\]'"):
        runpy.run_path(str(Path(ours.__file__).with_name(f"{name}.py")))


def test_wrong_options_are_told_before_the_fit() -> None:
    with pytest.raises(WrongArgument, match="between 0 and 1"):
        ours.ReluctantCallback(budget=2)


DISTRIBUTED = """
import sys
import torch
from lightning.pytorch import Trainer
from reluctant.integrations.lightning import ReluctantCallback
from tests.integrations.test_lightning import Automatic, loader

if __name__ == "__main__":
    torch.manual_seed(0)
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
        callbacks=[ReluctantCallback(every=1, out="run")],
    )
    trainer.fit(Automatic(), loader())
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Lightning starts the second, and tells neither of its rank. One record, one verdict."""
    (tmp_path / "fit.py").write_text(DISTRIBUTED)
    done = python("fit.py", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.code == 0, done.err
    assert done.err.count("reluctant  healthy") == 1
    run = reluctant.load(tmp_path / "run")
    assert run.info.steps == BATCHES // 2
    assert sites(run) == {"net.2:relu": "net.0"}
    # 16 inputs on each.
    assert run.series.site(0).inputs.tolist() == [32] * (BATCHES // 2)
