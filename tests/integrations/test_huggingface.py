"""`ReluctantCallback` in the `Trainer` of Hugging Face's `transformers`; nothing is downloaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import reluctant
from reluctant.errors import RunNotFound
from reluctant.record.run import Run

NEEDS = "needs transformers: pip install 'reluctant[huggingface]'"
transformers = pytest.importorskip("transformers", reason=NEEDS)
accelerate = pytest.importorskip("accelerate", reason=NEEDS)
from reluctant.integrations.huggingface import ReluctantCallback  # noqa: E402

STEPS = 6


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Texts(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Made-up texts, and for each a made-up class."""

    def __init__(self, classes: bool) -> None:
        generator = torch.Generator().manual_seed(1)
        self.tokens = torch.randint(0, 50, (4 * STEPS, 8), generator=generator)
        self.labels = self.tokens[:, 0] % 2 if classes else self.tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.tokens[index], "labels": self.labels[index]}


def gpt() -> Any:
    size = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 8}
    size |= {"activation_function": "gelu_pytorch_tanh"}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=50, **size))


def bert() -> Any:
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=50, intermediate_size=32, **size)
    )


GPT = {f"transformer.h.{at}.mlp.act:gelu_tanh": f"transformer.h.{at}.mlp.c_fc" for at in range(2)}
BERT = {
    f"bert.encoder.layer.{at}.intermediate.intermediate_act_fn:gelu": (
        f"bert.encoder.layer.{at}.intermediate.dense"
    )
    for at in range(2)
} | {"bert.pooler.activation:tanh": "bert.pooler.dense"}
MODELS: dict[str, tuple[Any, dict[str, str]]] = {"gpt": (gpt, GPT), "bert": (bert, BERT)}


def fit(name: str, *callbacks: Any, **options: Any) -> dict[str, Any]:
    """Everything that a training leaves behind."""
    torch.manual_seed(0)
    data = Texts(classes=name == "bert")
    trainer = transformers.Trainer(
        MODELS[name][0](),
        transformers.TrainingArguments(
            "trained",
            per_device_train_batch_size=4,
            num_train_epochs=1,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=1,
            **options,
        ),
        train_dataset=data,
        eval_dataset=data,
        callbacks=list(callbacks),
    )
    trainer.train()
    history = [
        {
            key: value
            for key, value in entry.items()
            if "runtime" not in key and "per_sec" not in key
        }
        for entry in trainer.state.log_history
    ]
    return {
        "weights": {key: at.tolist() for key, at in trainer.model.state_dict().items()},
        "history": history,
        "random": torch.get_rng_state().tolist(),
    }


def sites(run: Run) -> dict[str, str | None]:
    return {
        site.name: None if site.layer is None else run.layers[site.layer].name for site in run.sites
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulation": {"gradient_accumulation_steps": 2},
    "evaluation": {"eval_strategy": "steps", "eval_steps": 2},
    "bfloat16": {"bf16": True},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_a_training(name: str, options: str) -> None:
    given = OPTIONS[options]
    callback = ReluctantCallback(every=1, out="run", quiet=True)
    assert fit(name, callback, **given) == fit(name, **given)
    run = reluctant.load("run")
    accumulated = given.get("gradient_accumulation_steps", 1)
    steps = STEPS // accumulated
    assert run.info.steps == steps
    assert run.steps.tolist() == list(range(steps))
    assert (run.info.failure, run.info.exit_code) == (None, 0)
    assert sites(run) == MODELS[name][1]
    for site in run.sites:
        # Evaluation is no part of it.
        assert run.series.site(site.index).inputs.tolist() == [4 * accumulated] * steps
    for layer in run.layers:
        assert run.series.layer(layer.index).samples.tolist() == list(range(steps))
    assert run.samples[0].rate == 5e-5
    assert all(sample.loss is not None for sample in run.samples)
    assert callback.path == Path.cwd() / "run"
    assert callback.diagnose().layers


def test_checkpoints_are_the_same() -> None:
    """Nothing of ours is in them; a training that was watched is resumed by one that is not."""
    states = []
    for number, callbacks in enumerate(((), (ReluctantCallback(quiet=True),))):
        torch.manual_seed(0)
        trainer = transformers.Trainer(
            gpt(),
            transformers.TrainingArguments(
                f"trained{number}", per_device_train_batch_size=4, max_steps=4, save_steps=2,
                use_cpu=True, report_to=[], disable_tqdm=True,
            ),
            train_dataset=Texts(classes=False),
            callbacks=list(callbacks),
        )  # fmt: skip
        trainer.train(resume_from_checkpoint="trained0/checkpoint-2" if number else None)
        folder = Path(f"trained{number}/checkpoint-4")
        states.append(
            {
                "files": sorted(path.name for path in folder.iterdir()),
                "callbacks": trainer.state.stateful_callbacks,
                "weights": (folder / "model.safetensors").read_bytes(),
            }
        )
    assert states[0] == states[1]


def test_the_verdict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fit("gpt", ReluctantCallback(every=1, out="run"))
    out, err = capsys.readouterr()
    assert "reluctant" not in out
    assert err.count("reluctant  healthy") == 1
    assert f"{STEPS} steps" in err
    monkeypatch.setattr(transformers.TrainerState, "is_world_process_zero", False, raising=False)
    monkeypatch.setattr(transformers.Trainer, "is_world_process_zero", lambda self: False)
    fit("gpt", ReluctantCallback())
    assert "reluctant  healthy" not in capsys.readouterr().err


def test_asked_in_mid_training() -> None:
    callback = ReluctantCallback(every=1, quiet=True)
    with pytest.raises(RunNotFound):
        callback.diagnose()
    seen = []

    class Asks(transformers.TrainerCallback):
        def on_step_end(self, *given: Any, **more: Any) -> None:
            assert callback.path is not None
            callback.diagnose()
            seen.append(len(reluctant.load(callback.path).samples))

    fit("gpt", callback, Asks())
    assert seen == list(range(1, STEPS + 1))


def test_a_training_that_fails_and_the_next() -> None:
    """The trainer tells nobody of a failure: the next training, or the end, closes the record."""

    class Fails(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step == 3:
                raise ZeroDivisionError

    callback = ReluctantCallback(every=1, out="run", quiet=True)
    with pytest.raises(ZeroDivisionError):
        fit("gpt", callback, Fails())
    fit("gpt", callback)
    assert [reluctant.load(name).info.steps for name in ("run", "run-2")] == [3, STEPS]


@pytest.mark.parametrize("explicit", [True, False])
def test_a_loop_with_accelerate(explicit: bool) -> None:
    """Its optimizer is a wrapper: the steps are those of the one within."""

    def train(every: int | None) -> list[Any]:
        torch.manual_seed(0)
        accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
        model = gpt()
        loader = torch.utils.data.DataLoader(Texts(classes=False), batch_size=4)
        model, optimizer, loader = accelerator.prepare(
            model, torch.optim.AdamW(model.parameters(), lr=0.01), loader
        )
        if every is not None:
            given = optimizer if explicit else None
            watching = reluctant.watch(model, given, every=every, out="run")
        for batch in loader:
            with accelerator.accumulate(model):
                accelerator.backward(model(**batch).loss)
                accelerator.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()
                optimizer.zero_grad()
        if every is not None:
            watching.close()
        return [at.tolist() for at in model.state_dict().values()]

    assert train(1) == train(None)
    run = reluctant.load("run")
    assert run.info.steps == STEPS // 2
    assert run.samples[-1].optimizers == 1
    assert sites(run) == GPT
