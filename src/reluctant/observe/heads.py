"""What torch's loss functions are given, and what a constant answer would cost."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.observe import graph
from reluctant.observe.probes import to_floats
from reluctant.record.observation import HeadRow
from reluctant.record.run import Head

# The loss functions that compare an output with a target.
LOSSES: dict[Callable[..., Any], str] = {
    getattr(F, name): name
    for name in (
        "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss "
        "l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss multilabel_soft_margin_loss "
        "soft_margin_loss hinge_embedding_loss multi_margin_loss multilabel_margin_loss"
    ).split()
}

# Places of one loss function beyond so many are not told apart.
MOST_HEADS = 64


class Heads:
    """Every head met so far; `new` are those that no sample has told of yet.

    Args:
        by: whose marks in the autograd graph count, as in `graph.mark`.
    """

    def __init__(self, by: object) -> None:
        self.new: list[Head] = []
        self._by = by
        self._met: dict[tuple[str, int | None, str], Head] = {}
        self._given: dict[int, list[Tensor | float]] = {}

    def given(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], loss: Any
    ) -> None:
        """Read one call of a loss function, and what it returned; a sample's first of each head."""
        output: Any = args[0] if args else kwargs.get("input")
        target: Any = args[1] if len(args) > 1 else kwargs.get("target")
        if not _readable(output, target) or not output.requires_grad:
            return
        name = LOSSES[func]
        site, behind = graph.squashed(output, self._by)
        key = (name, site, behind)
        head = self._met.get(key)
        if head is None:
            if len(self._met) >= MOST_HEADS:
                return
            head = self._met[key] = Head(len(self._met), *key)
            self.new.append(head)
        if head.index in self._given:
            return
        with torch.no_grad():
            output, target = output.detach(), target.detach()
            classes = _classes(name, output, target, int(kwargs.get("ignore_index", -100)))
            self._given[head.index] = [
                *_moments(output),
                *(_moments(target) if target.is_floating_point() else [float("nan")] * 4),
                loss.detach().float().view(()) if _is_number(loss) else float("nan"),
                _constant(name, output, target, classes, _options(args, kwargs)),
                *_correct(name, output, target, classes),
            ]

    def take(self) -> dict[int, list[Tensor | float]]:
        """Hand over what was given since the last time."""
        taken, self._given = self._given, {}
        return taken


def rows(given: Mapping[int, list[Tensor | float]]) -> tuple[HeadRow, ...]:
    """What `take` gave as numbers on the host."""
    return tuple(HeadRow(head, to_floats(numbers)) for head, numbers in given.items())


def _readable(output: Any, target: Any) -> bool:
    return (
        isinstance(output, Tensor)
        and isinstance(target, Tensor)
        and output.is_floating_point()
        and output.numel() > 0
        and target.numel() > 0
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
    )


def _is_number(loss: Any) -> bool:
    return isinstance(loss, Tensor) and loss.numel() == 1


class _Classes(NamedTuple):
    """Which examples count, how many there are of each class, (C,), and of all."""

    counted: Tensor
    sizes: Tensor
    examples: Tensor


def _classes(name: str, output: Tensor, target: Tensor, ignored: int) -> _Classes | None:
    """The classes that a target tells by their numbers; None if it tells none."""
    if name not in ("cross_entropy", "nll_loss", "multi_margin_loss"):
        return None
    if target.is_floating_point() or output.dim() != target.dim() + 1:
        return None
    counted = target != ignored
    sizes = torch.zeros(output.shape[-1 if output.dim() == 1 else 1], device=output.device)
    classes = target.flatten().clamp(0, len(sizes) - 1).long()
    sizes.scatter_add_(0, classes, counted.flatten().float())
    return _Classes(counted, sizes, sizes.sum())


def _moments(values: Tensor) -> list[Tensor]:
    values = values.float()
    low, high = values.aminmax()
    std, mean = torch.std_mean(values, correction=0)
    return [mean, std, low, high]


_WEIGHTING = ("weight", "pos_weight", "label_smoothing")


def _options(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The options of a call whose mean over the batch is plain; None of any other."""
    # A tensor of several weights is neither true nor false.
    by_name = any(isinstance(at, Tensor) or at for at in map(kwargs.get, _WEIGHTING))
    weighted = by_name or (len(args) > 2 and args[2] is not None)
    if weighted or len(args) > 3 or kwargs.get("reduction", "mean") != "mean":
        return None
    return kwargs


def _constant(
    name: str,
    output: Tensor,
    target: Tensor,
    classes: _Classes | None,
    options: Mapping[str, Any] | None,
) -> Tensor | float:
    """The loss of the best answer that is the same for all examples; NaN if that is unknown.

    Estimated without bias, as far as may be (Miller 1955): the answer that fits a batch of four
    best looks better than it is by a fifth.
    """
    if options is None or target.dim() == 0 or target.shape[0] < 2:
        return float("nan")
    if name in ("cross_entropy", "nll_loss"):
        return _of_classes(output, target, classes)
    if not target.is_floating_point() or target.shape != output.shape:
        return float("nan")
    target = target.float()
    if name.startswith("binary_cross_entropy"):
        share = target.mean(0)
        bits = -torch.xlogy(share, share) - torch.xlogy(1 - share, 1 - share)
        return (
            bits + _missing(target.var(0, correction=0), share * (1 - share), len(target))
        ).mean()
    if name == "mse_loss":
        return target.var(0).mean()
    if name == "l1_loss":
        return (target - target.median(0).values).abs().mean()
    return float("nan")


def _of_classes(output: Tensor, target: Tensor, classes: _Classes | None) -> Tensor | float:
    """The entropy of the classes in the batch."""
    examples: Tensor | int
    if classes is not None and output.dim() > 1:
        share, examples = classes.sizes / classes.examples, classes.examples
        spread = share * (1 - share)
    elif target.is_floating_point() and output.dim() > 1 and target.shape == output.shape:
        values = target.float().transpose(0, 1).flatten(1)
        share, spread = values.mean(1), values.var(1, correction=0)
        examples = values.shape[1]
    else:
        return float("nan")
    return (_missing(spread, share, examples) - torch.xlogy(share, share)).sum()


def _correct(
    name: str, output: Tensor, target: Tensor, classes: _Classes | None
) -> tuple[Tensor | float, Tensor | float]:
    """The share of examples that are told their class, and the share of the commonest class."""
    if classes is not None:
        right = output.argmax(-1 if output.dim() == 1 else 1) == target
        told = (right & classes.counted).sum()
        return told / classes.examples, classes.sizes.max() / classes.examples
    if name.startswith("binary_cross_entropy") and target.shape == output.shape:
        yes = target > 0.5
        told = output > (0.0 if name.endswith("logits") else 0.5)
        share = yes.float().mean(0)
        return (yes == told).float().mean(), torch.maximum(share, 1 - share).mean()
    return float("nan"), float("nan")


def _missing(spread: Tensor, curve: Tensor, examples: Tensor | int) -> Tensor:
    """What an entropy lacks by the noise in its shares: half the variance of their mean by `curve`.

    Of plain classes that is in all the correction of Miller and Madow.
    """
    return torch.where(curve > 0, spread / (2 * examples * curve), 0.0)
