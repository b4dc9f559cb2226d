"""Other tools that watch training, each driven as its own documentation shows it.

What a tool says is an alarm from its own grade of a warning on. The kind of the alarm is read off
the tool's own words, of which the first that is found counts.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

Severity = Literal["warning", "error"]


@dataclass(frozen=True)
class Alarm:
    """What a tool said: a kind of peers.KINDS, how bad it holds it to be, and where."""

    kind: str
    severity: Severity
    layer: str | None


def kind_of(said: str, words: Mapping[str, str]) -> str:
    """The kind of what was said; "other" if none of the words is in it."""
    return next((kind for word, kind in words.items() if word in said), "other")


class Tool:
    """A tool attached to a model before it is trained."""

    distribution: str

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        raise NotImplementedError

    def before_step(self, optimizer: Optimizer) -> None:
        """Called after the backward pass, before the optimizer's step."""

    def after_step(self, loss: float | None) -> None:
        """Called after the optimizer's step; `loss` is what backward was last called on."""

    def alarms(self) -> Iterable[Alarm]:
        """Called once, when the script has ended."""
        raise NotImplementedError


class Torchmortem(Tool):
    """README, Quick Start: an Autopsy, told of each step and its loss; its default sampling."""

    distribution = "torchmortem"
    words: Mapping[str, str] = {
        "Vanishing gradients": "vanishing",
        "Gradient stalling": "vanishing",
        "Exploding gradients": "exploding",
        "Dead units": "dead",
        "Activation saturation": "saturated",
        "Update ratio too low": "small update",
        "Update ratio too high": "large update",
        "Stagnant weight norms": "small update",
        "Weight norm explosion": "large update",
        "Training divergence": "divergence",
        "Loss plateau": "plateau",
        "Rank collapse": "rank",
    }
    grades: Mapping[str, Severity] = {"WARNING": "warning", "CRITICAL": "error"}

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        from torchmortem import Autopsy

        self._autopsy = Autopsy(model, optimizer=optimizer)
        self._autopsy.attach()

    def after_step(self, loss: float | None) -> None:
        self._autopsy.step(**({} if loss is None else {"loss": loss}))

    def alarms(self) -> Iterator[Alarm]:
        self._autopsy.detach()
        report = self._autopsy.get_report()
        for finding in report.findings if report else ():
            grade = self.grades.get(finding.severity.name)
            if grade is not None:
                layers = ", ".join(finding.affected_layers)
                yield Alarm(kind_of(finding.title, self.words), grade, layers)


class TorchAudit(Tool):
    """README, Quick Start: autopatch, with the schedule shown there.

    Its rules on style and speed (TA2xx, TA400 to TA404) say nothing of a run and are left out.
    """

    distribution = "torch-audit"
    every = 1000
    words: Mapping[str, str] = {
        "TA100": "not finite",
        "TA102": "exploding",
        "TA103": "vanishing",
        "TA104": "no gradient",
        "TA105": "dead",
        "TA300": "other",
        "TA301": "input",
        "TA302": "input",
        "TA303": "other",
        "TA304": "other",
        "TA305": "other",
        "TA405": "dead",
        "TA500": "no gradient",
        "TA501": "other",
    }
    grades: Mapping[str, Severity] = {"WARN": "warning", "ERROR": "error", "FATAL": "error"}

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        from torch_audit import autopatch

        self._auditor = autopatch(
            model,
            optimizer=optimizer,
            every_n_steps=self.every,
            reporters=[],
            fail_level="ERROR",
            run_static=True,
            run_init=True,
        )

    def alarms(self) -> Iterator[Alarm]:
        result = self._auditor.finish()
        self._auditor.unpatch()
        for finding in result.findings:
            grade = self.grades.get(finding.severity.value)
            if grade is not None and finding.rule_id in self.words:
                yield Alarm(self.words[finding.rule_id], grade, finding.module_path)


class TorchAuditEveryStep(TorchAudit):
    """The same, "set to 1 to audit every step"."""

    every = 1


class NeuralObservatory(Tool):
    """README, Quick Start: step() before each forward pass, and the report at the end."""

    distribution = "neural-observatory"
    words: Mapping[str, str] = {
        "NaN detected": "not finite",
        "Inf detected": "not finite",
        "NaN in parameter": "not finite",
        "Inf in parameter": "not finite",
        "of neurons": "dead",
        "High sparsity": "dead",
        "High saturation": "saturated",
        "Vanishing gradients": "vanishing",
        "Gradient norm collapsed": "vanishing",
        "Exploding gradients": "exploding",
        "gradient norm spike": "exploding",
        "activation norm spike": "exploding",
        "High parameter drift": "large update",
        "Large step-to-step": "large update",
    }
    grades: Mapping[str, Severity] = {"warning": "warning", "critical": "error"}

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        from neural_observatory import Observatory

        self._observatory = Observatory(model)
        self._observatory.watch()
        self._step = 0
        self._observatory.step(step=0, epoch=0)

    def after_step(self, loss: float | None) -> None:
        self._step += 1
        self._observatory.step(step=self._step, epoch=0)

    def alarms(self) -> Iterator[Alarm]:
        self._observatory.stop()
        for result in self._observatory.report().results:
            grade = self.grades.get(result.status.value)
            if grade is not None:
                for warning in result.warnings:
                    yield Alarm(kind_of(warning, self.words), grade, result.layer_name)


class Traintools(Tool):
    """README: GradientHealthMonitor before each step; PlasticityProbe in windows of 200 steps.

    200 is the default of its own tracker. Without `max_grad_norm`: the scripts do not clip at one.
    """

    distribution = "traintools"
    window = 200
    words: Mapping[str, str] = {
        "non-finite gradients": "not finite",
        "appears vanished": "vanishing",
        "very large": "exploding",
        "ratio is high": "large update",
        "ratio is tiny": "small update",
        "no gradients found": "no gradient",
    }

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        from traintools import GradientHealthMonitor, PlasticityProbe

        self._model = model
        self._monitor = GradientHealthMonitor()
        self._probe = PlasticityProbe(model)
        self._step = 0
        self._said: dict[Alarm, None] = {}

    def before_step(self, optimizer: Optimizer) -> None:
        rate = float(optimizer.param_groups[0]["lr"])
        for warning in self._monitor.inspect(self._model, step=self._step, lr=rate).warnings:
            layer = warning.partition(" ")[0]
            self._said[Alarm(kind_of(warning, self.words), "warning", layer)] = None

    def after_step(self, loss: float | None) -> None:
        self._step += 1
        if self._step % self.window == 0:
            self._measure()

    def alarms(self) -> Iterable[Alarm]:
        self._measure()
        return self._said

    def _measure(self) -> None:
        for layer in self._probe.measure(step=self._step).layers:
            if layer.is_critical():
                dormant = any("dormant" in flag.lower() for flag in layer.flags)
                self._said[Alarm("dead" if dormant else "rank", "error", layer.name)] = None
        self._probe.reset_buffers()


class Torchdiag(Tool):
    """README: check_gradients after a backward pass, and check_dead_neurons on a sample.

    The first is called at the first step and at every power of two, the second at the end, on the
    largest batch that the model was given.
    """

    distribution = "torchdiag"
    words: Mapping[str, str] = {
        "VANISH": "vanishing",
        "EXPLODE": "exploding",
        "no_grad": "no gradient",
    }
    critical, warning = 50, 20  # per cent of a layer dead, as it prints its grades

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model = model
        self._sample: Tensor | None = None
        self._step = 0
        self._said: dict[Alarm, None] = {}
        self._hook = model.register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor):
            sample = given[0]
            if self._sample is None or len(sample) >= len(self._sample):
                self._sample = sample.detach()

    def before_step(self, optimizer: Optimizer) -> None:
        import torchdiag

        if self._step & (self._step - 1) == 0:
            with contextlib.redirect_stdout(io.StringIO()):
                checked = torchdiag.check_gradients(self._model)
            for name, about in checked.items():
                if about["status"] in self.words:
                    self._said[Alarm(self.words[about["status"]], "warning", name)] = None
        self._step += 1

    def alarms(self) -> Iterator[Alarm]:
        import torchdiag

        self._hook.remove()
        yield from self._said
        if self._sample is None:
            return
        with contextlib.redirect_stdout(io.StringIO()):
            checked = torchdiag.check_dead_neurons(self._model, self._sample)
        for name, about in checked.items():
            if about["dead_pct"] > self.warning:
                severe = about["dead_pct"] > self.critical
                yield Alarm("dead", "error" if severe else "warning", name)


TOOLS: Mapping[str, type[Tool]] = {
    "torchmortem": Torchmortem,
    "torch-audit": TorchAudit,
    "torch-audit, every step": TorchAuditEveryStep,
    "neural-observatory": NeuralObservatory,
    "traintools": Traintools,
    "torchdiag": Torchdiag,
}
