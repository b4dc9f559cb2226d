"""What torch's loss functions are given, and what a constant answer would cost."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.observe import graph
from reluctant.observe.probes import ROOM, SMALL
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


@dataclass(eq=False)
class Given:
    """One call of a loss function: copies of what it was given, until they are read.

    `plain` says that its mean over the batch is. `numbers` are those of `HeadSeries`, (12,).
    """

    name: str
    output: Tensor
    target: Tensor
    loss: Tensor | None
    ignored: int
    plain: bool
    numbers: Tensor

    def key(self) -> tuple[object, ...]:
        """The same for calls that can be read at once."""
        how = (self.name, self.ignored, self.plain, self.loss is None, self.output.device)
        tensors = (self.output, self.target)
        return (*how, *((at.shape, at.dtype) for at in tensors))


class Heads:
    """Every head met so far; `new` are those that no sample has told of yet.

    Args:
        by: whose marks in the autograd graph count, as in `graph.mark`.
    """

    def __init__(self, by: object) -> None:
        self.new: list[Head] = []
        self._by = by
        self._met: dict[tuple[str, int | None, str], Head] = {}
        self._given: dict[int, Given] = {}
        # One thread may put by what another, which ends the run, reads.
        self._put_by: deque[Given] = deque()
        self._numbers = 0

    def given(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], loss: Any
    ) -> None:
        """Look at one call of a loss function and what it returned; a sample's first of a head."""
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
            self._given[head.index] = Given(
                name,
                output.detach(),
                target.detach(),
                loss.detach().reshape(()).clone() if _is_number(loss) else None,
                int(kwargs.get("ignore_index", -100)),
                _is_plain(args, kwargs),
                _UNREAD,
            )
            self._read(self._given[head.index])

    def take(self) -> dict[int, Given]:
        """Hand over what was given since the last time, which `settle` may still have to read."""
        taken, self._given = self._given, {}
        return taken

    def settle(self) -> None:
        """Read what was put by."""
        alike = defaultdict(list)
        self._numbers = 0
        with suppress(IndexError):
            while True:
                given = self._put_by.popleft()
                alike[given.key()].append(given)
        for waiting in alike.values():
            _read(waiting)

    def _read(self, given: Given) -> None:
        size = given.output.numel() + given.target.numel()
        if size > SMALL or not given.output.is_cpu:
            _read([given])
            return
        given.output, given.target = given.output.clone(), given.target.clone()
        self._put_by.append(given)
        self._numbers += size
        if self._numbers > ROOM:
            self.settle()


_UNREAD = torch.empty(0, device="cpu")


def rows(given: Mapping[int, Given]) -> tuple[HeadRow, ...]:
    """What `take` gave, once it is read, as numbers on the host."""
    return tuple(HeadRow(head, tuple(at.numbers.tolist())) for head, at in given.items())


def _read(alike: Sequence[Given]) -> None:
    """Read calls of one key, (K,) of them, at once."""
    output = _together([at.output for at in alike])
    target = _together([at.target for at in alike])
    name = alike[0].name
    unknown = output.new_full((len(alike),), torch.nan, dtype=torch.float32)
    classes = _classes(name, output, target, alike[0].ignored)
    losses = [at.loss for at in alike if at.loss is not None]
    columns = [
        *_moments(output),
        *(_moments(target) if target.is_floating_point() else [unknown] * 4),
        torch.stack(losses).float() if losses else unknown,
        _constant(name, output, target, classes) if alike[0].plain else None,
        *_correct(name, output, target, classes),
    ]
    numbers = torch.stack([unknown if at is None else at for at in columns], 1)
    for given, row in zip(alike, numbers.unbind(), strict=True):
        given.numbers = row
        given.output = given.target = _UNREAD


def _readable(output: Any, target: Any) -> bool:
    return (
        isinstance(output, Tensor)
        and isinstance(target, Tensor)
        and output.is_floating_point()
        and output.numel() > 0
        and target.numel() > 0
        and not torch._C._are_functorch_transforms_active()
        and torch._C._len_torch_dispatch_stack() == 0
    )


def _is_number(loss: Any) -> bool:
    return isinstance(loss, Tensor) and loss.numel() == 1


def _together(tensors: Sequence[Tensor]) -> Tensor:
    # A large one comes alone, and is not copied.
    return torch.stack(list(tensors)) if len(tensors) > 1 else tensors[0].unsqueeze(0)


class _Classes(NamedTuple):
    """Which examples count, how many there are of each class, (K, C), and of all, (K,)."""

    counted: Tensor
    sizes: Tensor
    examples: Tensor


# From here on the first dimension numbers calls.


def _classes(name: str, output: Tensor, target: Tensor, ignored: int) -> _Classes | None:
    """The classes that a target tells by their numbers; None if it tells none."""
    if name not in ("cross_entropy", "nll_loss", "multi_margin_loss"):
        return None
    if target.is_floating_point() or output.dim() != target.dim() + 1:
        return None
    counted = target != ignored
    calls, most = len(output), output.shape[_of_class(output)]
    sizes = torch.zeros(calls, most, device=output.device)
    classes = target.reshape(calls, -1).clamp(0, most - 1).long()
    sizes.scatter_add_(1, classes, counted.reshape(calls, -1).float())
    return _Classes(counted, sizes, sizes.sum(1))


def _of_class(output: Tensor) -> int:
    """The dimension that numbers classes: of one example alone it is the only one."""
    return 1 if output.dim() == 2 else 2


def _moments(values: Tensor) -> list[Tensor]:
    values = (values if values.dim() > 1 else values.unsqueeze(1)).float()
    over = tuple(range(1, values.dim()))
    std, mean = torch.std_mean(values, over, correction=0)
    return [mean, std, values.amin(over), values.amax(over)]


def _mean(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1).mean(1)


_WEIGHTING = ("weight", "pos_weight", "label_smoothing")


def _is_plain(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the mean over the batch of a call with these options is plain."""
    # A tensor of several weights is neither true nor false.
    by_name = any(isinstance(at, Tensor) or at for at in map(kwargs.get, _WEIGHTING))
    weighted = by_name or (len(args) > 2 and args[2] is not None)
    return not weighted and len(args) <= 3 and kwargs.get("reduction", "mean") == "mean"


def _constant(name: str, output: Tensor, target: Tensor, classes: _Classes | None) -> Tensor | None:
    """The loss of the best answer that is the same for all examples; None if that is unknown.

    Estimated without bias, as far as may be (Miller 1955): the answer that fits a batch of four
    best looks better than it is by a fifth.
    """
    if target.dim() == 1 or target.shape[1] < 2:
        return None
    if name in ("cross_entropy", "nll_loss"):
        return _of_classes(output, target, classes)
    if not target.is_floating_point() or target.shape != output.shape:
        return None
    target = target.float()
    if name.startswith("binary_cross_entropy"):
        share = target.mean(1)
        bits = -torch.xlogy(share, share) - torch.xlogy(1 - share, 1 - share)
        spread = target.var(1, correction=0)
        return _mean(bits + _missing(spread, share * (1 - share), target.shape[1]))
    if name == "mse_loss":
        return _mean(target.var(1))
    if name == "l1_loss":
        # Sorted, since torch.median has no deterministic way on CUDA, which a script may demand.
        middle = target.sort(1).values[:, (target.shape[1] - 1) // 2].unsqueeze(1)
        return _mean((target - middle).abs())
    return None


def _of_classes(output: Tensor, target: Tensor, classes: _Classes | None) -> Tensor | None:
    """The entropy of the classes in the batch."""
    examples: Tensor | int
    if classes is not None and output.dim() > 2:
        examples = classes.examples.unsqueeze(1)
        share = classes.sizes / examples
        spread = share * (1 - share)
    elif target.is_floating_point() and output.dim() > 2 and target.shape == output.shape:
        values = target.float().transpose(1, 2).flatten(2)
        share, spread = values.mean(2), values.var(2, correction=0)
        examples = values.shape[2]
    else:
        return None
    return (_missing(spread, share, examples) - torch.xlogy(share, share)).sum(1)


def _correct(
    name: str, output: Tensor, target: Tensor, classes: _Classes | None
) -> tuple[Tensor | None, Tensor | None]:
    """The share of examples that are told their class, and the share of the commonest class."""
    if classes is not None:
        right = (output.argmax(_of_class(output)) == target) & classes.counted
        told = right.reshape(len(output), -1).sum(1)
        return told / classes.examples, classes.sizes.amax(1) / classes.examples
    if name.startswith("binary_cross_entropy") and target.shape == output.shape:
        yes = target > 0.5
        told = output > (0.0 if name.endswith("logits") else 0.5)
        # Of one number alone the batch is that number.
        share = (yes if yes.dim() > 1 else yes.unsqueeze(1)).float().mean(1)
        return _mean((yes == told).float()), _mean(torch.maximum(share, 1 - share))
    return None, None


def _missing(spread: Tensor, curve: Tensor, examples: Tensor | int) -> Tensor:
    """What an entropy lacks by the noise in its shares: half the variance of their mean by `curve`.

    Of plain classes that is in all the correction of Miller and Madow.
    """
    return torch.where(curve > 0, spread / (2 * examples * curve), 0.0)
