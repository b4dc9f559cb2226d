"""`reluctant.prune`: the units that a run lost leave its trained model for good."""

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from reluctant.diagnosis import diagnose
from reluctant.errors import NotPrunable, WrongArgument
from reluctant.record.reader import load
from reluctant.record.run import Layer, Run
from reluctant.remedy.outputs import Difference, Forward, call, difference, outputs
from reluctant.remedy.prune import PrunedLayer, Pruner, check
from reluctant.words import number

# What wraps a model, and the attribute that holds it: the record names what is inside.
_WRAPPERS = ("_orig_mod", "module")


@dataclass(frozen=True)
class Pruned:
    """What was removed: by layer, in parameters, and the largest difference between outputs."""

    layers: tuple[PrunedLayer, ...]
    parameters_before: int
    parameters_after: int
    largest_difference: float

    @property
    def removed(self) -> int:
        """How many units."""
        return sum(layer.removed for layer in self.layers)


def prune(
    model: nn.Module, run: Run | str | Path, inputs: Any, *, forward: Forward | None = None
) -> tuple[nn.Module, Pruned]:
    """A smaller model without the dead units of a run, which gives the same outputs.

    A unit leaves if what it gives its readers is one and the same number on all of `inputs`, zero
    for a dead rectifier; if that is not zero, as behind a batch normalisation, it moves into their
    biases. One that the record calls dead and that fires on some input stays, and so does one that
    something else depends on; `Pruned.layers` says why. At least one unit of a layer stays. Outputs
    are the same in evaluation mode; build a new optimizer to train on. Needs torch-pruning: the
    extra `prune`.

    Args:
        model: trained in that run; left as it is.
        run: the run, or the folder that it is in.
        inputs: a batch, or batches that can be gone through several times, as a list or a
            `DataLoader`: best the whole training set. A batch is a tensor, a list or tuple of
            positional arguments, or a mapping of arguments by name.
        forward: `forward(model, batch)` passes a batch through the model in another way, as
            `lambda model, batch: model(batch[0])` does where batches hold targets too.

    Returns:
        The new model, without wrappers such as that of `torch.compile`, and what was removed.

    Raises:
        NotPrunable: the model cannot be changed, is not that of the run, or would compute something
            else on some of the inputs.
        NotInstalled: torch-pruning is not there.
        WrongArgument: there are no inputs, or they can be gone through only once.
        RunNotFound, RecordDamaged, RecordTooNew: as their names say.
    """
    check(model := _inner(model))
    batches, forward = _batches(inputs), forward or call
    dead = _dead(run if isinstance(run, Run) else load(run), model)
    before = _copied(model).eval()
    pruner = Pruner(before, batches, forward)
    layers = tuple(pruner.remove(name, units) for name, units in dead.items())
    smaller = deepcopy(pruner.model) if pruner.model is before else pruner.model
    largest = _compared(before, smaller, batches, forward)
    for name, module in model.named_modules():
        smaller.get_submodule(name).training = module.training
    for name, parameter in model.named_parameters():
        smaller.get_parameter(name).requires_grad_(parameter.requires_grad)
    return smaller, Pruned(layers, _size(model), _size(smaller), largest)


def _compared(
    before: nn.Module, after: nn.Module, batches: Iterable[Any], forward: Forward
) -> float:
    found = Difference()
    for batch in batches:
        found |= difference(outputs(before, batch, forward), outputs(after, batch, forward))
    if not found.is_rounding:
        raise NotPrunable.because(
            f"without its dead units its outputs would differ by {number(found.largest)}",
            "Keep it as it is: it depends on its width, or on chance (is there noise in eval()?).",
        )
    return found.largest


def _batches(inputs: Any) -> Iterable[Any]:
    batches: Iterable[Any] = [inputs] if isinstance(inputs, Tensor | Mapping) else inputs
    if iter(batches) is batches:
        raise WrongArgument(
            "The inputs can be gone through only once, and are needed several times.",
            "Give a list of batches, or a DataLoader.",
        )
    if next(iter(batches), None) is None:
        raise WrongArgument(
            "There are no inputs to tell which units are dead.", "Give at least one batch."
        )
    return batches


def _inner(model: nn.Module) -> nn.Module:
    for name in _WRAPPERS:
        children = dict(model.named_children())
        if type(model).__module__.startswith("torch.") and list(children) == [name]:
            return _inner(children[name])
    return model


def _copied(model: nn.Module) -> nn.Module:
    try:
        return deepcopy(model)
    except Exception as error:
        raise NotPrunable.because(
            f"it cannot be copied ({error})",
            "Remove what torch puts around weights (torch.nn.utils.remove_weight_norm) first.",
        ) from error


def _dead(run: Run, model: nn.Module) -> dict[str, tuple[int, ...]]:
    """By module the units that the run calls dead, in the model's order."""
    layers = {layer.name: layer for layer in run.layers}
    shuffled = {site.layer for site in run.sites if not site.aligned}
    theirs = _of_other_models(run, model)
    names = {_plain(name): name for name, _ in model.named_modules()}
    said: dict[Layer, set[int]] = {}
    for finding in diagnose(run).findings:
        layer = layers.get(finding.layer or "")
        # What no layer feeds, or feeds in another order of units, has none of a layer's.
        if finding.slug != "dead-units" or finding.units is None or layer is None:
            continue
        if layer.index not in shuffled | theirs and layer.kind != "matrix":
            said.setdefault(layer, set()).update(finding.units.indices)
    ordered = sorted(said, key=lambda layer: layer.order)
    return {_named(layer, model, names): tuple(sorted(said[layer])) for layer in ordered}


def _of_other_models(run: Run, model: nn.Module) -> set[int | None]:
    """The layers of models of other classes, where several trained in the run."""
    roots = {site.root for site in run.sites if site.root}
    own = {root for root in roots if root.partition("#")[0] == type(model).__name__}
    if len(roots) > 1 and not own:
        raise NotPrunable.because(
            f"in the run are {', '.join(sorted(roots))}, and here is a {type(model).__name__}",
            "Give one of these models, or the run in which this one was trained.",
        )
    return {site.layer for site in run.sites if len(roots) > 1 and site.root not in own}


def _named(layer: Layer, model: nn.Module, names: Mapping[str, str]) -> str:
    """The path of the module in the model that is this layer."""
    # With several models in a run a name begins with its model's.
    path = re.sub(rf"^{re.escape(type(model).__name__)}(#\d+)?\.", "", layer.name)
    name = names.get(layer.name, names.get(path))
    here = "there is none"
    if name is not None:
        module = model.get_submodule(name)
        weight = getattr(module, "weight", None)
        if weight is None or is_parametrized(module) or tuple(weight.shape) == layer.shape:
            return name
        here = _shape(weight.shape)
    elif (parameter := _parameter(model, path)) is not None:
        if tuple(parameter.shape) == layer.shape:
            return path
        here = _shape(parameter.shape)
    raise NotPrunable.because(
        f"in the run {layer.name} is {_shape(layer.shape)}, and here {here}",
        "Give the run in which this very model was trained, and the model as it was then.",
    )


def _parameter(model: nn.Module, path: str) -> Tensor | None:
    return dict(model.named_parameters(remove_duplicate=False)).get(path)


def _plain(name: str) -> str:
    return f"{name}.".replace("_orig_mod.", "").rstrip(".")


def _shape(shape: Iterable[int]) -> str:
    return "×".join(map(str, shape))


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
