"""`prune`: units that say nothing leave a model, which computes what it computed before.

What depends on a layer's width is found by the dependency graph of torch-pruning. It takes two
branches that meet for alike, and has the same channels leave both. So it is looked at what the
readers are given: a unit says nothing if each of its readers is given one and the same number on
all inputs, and that number then goes into the reader's bias. Whatever else depends on the unit, as
a normalisation over channels does, shows in the outputs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from reluctant.errors import NotPrunable
from reluctant.extras import needed
from reluctant.remedy.outputs import Forward, as_written, difference, outputs, tensors
from reluctant.remedy.refusal import Refused
from reluctant.words import number, plural

Reader = nn.Linear | nn.modules.conv._ConvNd
_READERS = (nn.Linear, nn.modules.conv._ConvNd)


@dataclass(frozen=True)
class PrunedLayer:
    """What became of a layer that had `units` units, `dead` of them dead by the record.

    `why` says of those that were not removed why not, a sentence; '' if all were.
    """

    name: str
    units: int
    dead: int
    removed: int
    why: str = ""


def check(model: nn.Module) -> None:
    """Refuse a model whose layers cannot lose units.

    Raises:
        NotPrunable: it is compiled to a script, or quantised.
    """
    for name, module in model.named_modules():
        kind = type(module)
        if isinstance(module, torch.jit.ScriptModule):
            raise NotPrunable.because(
                f"{name or 'the model'} is a {kind.__name__}, which keeps its shape",
                "Prune the model before torch.jit.script or torch.jit.trace.",
            )
        real = (at.is_floating_point() or at.is_complex() for at in module.parameters(False))
        torchs = kind.__module__.startswith("torch.")
        if (torchs and "quantized" in kind.__module__) or not all(real):
            raise NotPrunable.because(
                f"{name or 'the model'} ({kind.__name__}) is quantised",
                "Prune the model before it is quantised.",
            )


class Pruner:
    """Takes units out of copies of a model, layer by layer.

    Args:
        model: in evaluation mode; left as it is.
        batches: what the units are to say nothing on.
        forward: passes one through the model.

    `model` is the smallest so far.
    """

    def __init__(self, model: nn.Module, batches: Iterable[Any], forward: Forward) -> None:
        self.model = model
        self._forward = forward
        self._first, self._given = _observed(model, batches, forward)
        # By layer the first numbers of the units that are left.
        self._left = {
            name: list(range(_units(module)))
            for name, module in model.named_modules()
            if isinstance(module, _READERS)
        }

    def remove(self, name: str, units: Sequence[int]) -> PrunedLayer:
        """Take out those of a layer's units that say nothing, but never all of the layer's."""
        if name not in self._left:
            why = "It is no linear layer and no convolution of torch.nn."
            return PrunedLayer(name, 0, len(units), 0, why)
        width, why = _units(self.model.get_submodule(name)), ""
        try:
            why = self._remove(name, [unit for unit in units if unit in self._left[name]])
        except Refused as refused:
            why = str(refused)
        gone = len(set(units).difference(self._left[name]))
        return PrunedLayer(name, width, len(units), gone, why)

    def _remove(self, name: str, units: Sequence[int]) -> str:
        smaller = deepcopy(self.model)
        graph = self._graph(smaller)
        place_of = {unit: place for place, unit in enumerate(self._left[name])}
        places = [place_of[unit] for unit in units]
        if not places:
            return ""
        silent, talking = self._silent(graph, smaller, name, places)
        if not silent:
            return talking
        group = _group(graph, smaller, name, silent)
        if not graph.check_pruning_group(group):
            talking = "One unit stays: a layer without any would cut the model in two."
            if len(silent) == 1:
                return talking
            group = _group(graph, smaller, name, silent[1:])
        names = {module: path for path, module in smaller.named_modules()}
        self._fold(graph, group, names)
        changes = [(names.get(at.dep.target.module), at.dep.handler, at.idxs) for at in group]
        _safely(group.prune)
        self._compare(smaller)
        self.model = smaller
        for path, handler, gone in changes:
            if path in self._given and graph.is_in_channel_pruning_fn(handler):
                low, high = self._given[path]
                self._given[path] = _without(low, gone), _without(high, gone)
            if path in self._left and graph.is_out_channel_pruning_fn(handler):
                left = self._left[path]
                self._left[path] = [at for place, at in enumerate(left) if place not in set(gone)]
        return talking

    def _graph(self, model: nn.Module) -> Any:
        """What depends on what in `model`, seen in a pass of the first batch."""
        for parameter in model.parameters():
            parameter.requires_grad_()  # it is followed along autograd's own graph

        def forward(at: nn.Module, _: None) -> list[Tensor]:
            outputs = tensors(self._forward(at, self._first))
            return [output for output in outputs if output.grad_fn is not None]

        with torch.enable_grad(), as_written():
            graph = _library().DependencyGraph()
            _safely(lambda: graph.build_dependency(model, None, forward_fn=forward, verbose=False))
        return graph

    def _silent(
        self, graph: Any, model: nn.Module, name: str, places: Sequence[int]
    ) -> tuple[list[int], str]:
        """Those that say nothing, and what others do, a sentence; '' if there are none."""
        group = _group(graph, model, name, places)
        names = {module: path for path, module in model.named_modules()}
        talking: dict[int, str] = {}
        for at in group:
            if at.dep.target.type == graph.ops.OPTYPE.OUTPUT:
                raise Refused("What it gives is an output of the model.")
            _check_own(model, at.dep.target.module)
        readers = [at for at in group if _reads(graph, at)]
        if not readers:
            raise Refused("No layer is known to read it.")
        for at in readers:
            path, module = names[at.dep.target.module], at.dep.target.module
            if path not in self._given:
                raise Refused(f"{path}, which reads it, is of a kind that is not known.")
            low, high = (limits.tolist() for limits in self._given[path])
            for place, unit in zip(at.idxs, at.root_idxs, strict=True):
                if unit is None:
                    raise Refused(f"Which of its units {path} reads where is not known.")
                if low[place] != high[place]:
                    talking[unit] = f"is not the same to {path} on all inputs"
                elif low[place] != 0 and not _takes_a_constant(module):
                    talking[unit] = f"is a constant that {path} has no bias for"
        silent = [place for place in places if place not in talking]
        count = len(talking)
        words = f"What {plural(count, 'unit')} of them gave {next(iter(talking.values()), '')}."
        return silent, words if count else ""

    def _fold(self, graph: Any, group: Any, names: Mapping[nn.Module, str]) -> None:
        """Have each reader's bias give what these units gave it."""
        for at in group:
            if not _reads(graph, at):
                continue
            module: Reader = at.dep.target.module
            given = self._given[names[module]][0][at.idxs].cpu().double()
            if bool(given.any()) and module.bias is not None:
                weight = module.weight.detach()[:, at.idxs].cpu().double()
                weight = weight.flatten(2).sum(dim=2) if weight.dim() > 2 else weight
                with torch.no_grad():
                    module.bias.copy_(module.bias.cpu().double() + weight @ given)

    def _compare(self, smaller: nn.Module) -> None:
        before = outputs(self.model, self._first, self._forward)
        after = _safely(lambda: outputs(smaller, self._first, self._forward))
        far = difference(before, after)
        if not far.is_rounding:
            raise Refused(f"Without them the model's outputs differ by {number(far.largest)}.")


# -- what is given -----------------------------------------------------------------------------


def _observed(
    model: nn.Module, batches: Iterable[Any], forward: Forward
) -> tuple[Any, dict[str, tuple[Tensor, Tensor]]]:
    """The first batch, and the least and the most of each channel that layers were given."""
    given: dict[str, tuple[Tensor, Tensor]] = {}
    first = None

    def look(name: str, module: Reader, args: tuple[Any, ...], kwargs: Any) -> None:
        x: Tensor = args[0] if args else kwargs["input"]
        if not x.numel():
            return
        # Convolutions may be given an image without a batch.
        axis = x.dim() + 1 - module.weight.dim()
        low, high = torch.aminmax(x.detach().movedim(axis, 0).flatten(1), dim=1)
        if name in given:
            low, high = torch.minimum(low, given[name][0]), torch.maximum(high, given[name][1])
        given[name] = low, high

    handles = [
        module.register_forward_pre_hook(
            lambda module, args, kwargs, name=name: look(name, module, args, kwargs),
            with_kwargs=True,
        )
        for name, module in model.named_modules()
        if isinstance(module, _READERS)
    ]
    try:
        for batch in batches:
            first = batch if first is None else first
            outputs(model, batch, forward)
    finally:
        for handle in handles:
            handle.remove()
    return first, given


# -- the graph ---------------------------------------------------------------------------------


def _library() -> Any:
    with needed("torch_pruning", "A model is pruned by torch-pruning", "prune"):
        import torch_pruning
    return torch_pruning


def _safely(step: Callable[[], Any]) -> Any:
    """What the library, or a model that it has changed, fails with is no failure of ours."""
    try:
        return step()
    except Exception as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(f"torch-pruning cannot take units out of it ({why[0]}).") from error


def _group(graph: Any, model: nn.Module, name: str, places: Sequence[int]) -> Any:
    """All that leaves with these units of a layer."""
    module = model.get_submodule(name)
    remove = graph.get_pruner_of_module(module).prune_out_channels
    return _safely(lambda: graph.get_pruning_group(module, remove, list(places)))


def _reads(graph: Any, at: Any) -> bool:
    """Whether units end here: whatever is behind it stays as wide as it was."""
    handler = at.dep.handler
    return bool(
        graph.is_in_channel_pruning_fn(handler) and not graph.is_out_channel_pruning_fn(handler)
    )


def _check_own(model: nn.Module, target: Any) -> None:
    """Refuse to change weights that are another's too, or are computed: both would stay."""
    if not isinstance(target, nn.Module):
        return
    if is_parametrized(target):
        raise Refused("Its weights, or a reader's, are computed from other parameters.")
    own = {id(at) for at in target.parameters(False)}
    for module in model.modules():
        if module is not target and any(id(at) in own for at in module.parameters(False)):
            raise Refused("It has weights that another layer has too.")


def _takes_a_constant(module: Reader) -> bool:
    """Whether a number that is the same everywhere can be moved into the bias."""
    if module.bias is None:
        return False
    if isinstance(module, nn.Linear):
        return True
    pads = module.padding_mode == "zeros" and any(module._reversed_padding_repeated_twice)
    return not (pads or module.transposed or module.groups > 1)


def _units(module: nn.Module) -> int:
    return int(getattr(module, "out_features", 0) or getattr(module, "out_channels", 0))


def _without(limits: Tensor, gone: Sequence[int]) -> Tensor:
    left = torch.ones(len(limits), dtype=torch.bool, device=limits.device)
    left[list(gone)] = False
    return limits[left]
