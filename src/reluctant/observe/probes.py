"""From tensors to statistics per unit. Draws no random number and changes no tensor."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from math import gcd
from typing import Any

import torch
from torch import Tensor

Intervals = tuple[tuple[float, float], ...]
Array = Any  # NDArray[Any], or None

# At most about this many numbers are read at a site in one call: a strided share of the examples
# of a large batch tells the same, and keeps a sampled step cheap.
MOST_VALUES = 4_000_000

# On the CPU a larger tensor is read so many numbers at a time: they stay in the cache from one call
# to the next, and scratch is small and used again. The memory for more of it comes page by page,
# which takes longer than the reading.
BLOCK = 1 << 20

# A tensor of up to so many numbers is put by, to be read together with others of its shape: the
# calls to read it would cost more than the reading. So many numbers are put by in all.
SMALL = 1 << 16
ROOM = 1 << 20

# So many numbers of a call go into the histogram of its site, and so many calls of a sample.
MOST_COUNTED = 1 << 12
MOST_CALLS_COUNTED = 8


def by_unit(values: Tensor, axis: int, step: int = 1) -> Tensor:
    """A view (or, of a large tensor, a strided share) as (examples, U) or (examples, U, positions).

    `axis` numbers the units, of which every `step`-th is read; dimensions before it are examples,
    those after it positions.
    """
    values = values.detach()
    if step > 1:
        values = values[(slice(None),) * axis + (slice(None, None, step),)]
    if axis != 1:
        values = values.flatten(0, axis - 1) if axis > 0 else values.unsqueeze(0)
    if values.dim() > 3:
        values = values.flatten(2)
    stride = -(-values.numel() // MOST_VALUES)
    if stride > 1:
        values = values[:: min(stride, values.shape[0])]
    return values


def wide(values: Tensor) -> Tensor:
    """The same in at least float32: sums in half precision would overflow."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class Activity:
    """Counts and moments of a site's pre-activation; (U,) tensors on the script's device.

    `inputs` counts examples as the batch has them, `values` the numbers seen of each unit, `fired`
    those outside the flat regions; `variance` is the population's. `some` are those numbers, of
    all units alike, that are to be counted into a histogram, (n,) of each of the first calls.
    """

    fired: Tensor
    mean: Tensor
    variance: Tensor
    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        self.inputs = 0
        self.values = 0
        self.some: list[Tensor] = []

    def add(
        self,
        inputs: int,
        values: int,
        fired: Tensor,
        mean: Tensor,
        variance: Tensor,
        low: Tensor,
        high: Tensor,
        some: Tensor,
    ) -> None:
        """Take in what one call of the site showed (Chan, Golub, LeVeque 1979)."""
        if not self.values:
            self.fired, self.mean, self.variance = fired, mean, variance
            self.low, self.high = low, high
        else:
            share = values / (self.values + values)
            apart = mean - self.mean
            self.variance = self.variance + share * (variance - self.variance)
            self.variance += apart.square() * (share * (1 - share))
            self.mean = self.mean + apart * share
            self.fired = self.fired + fired
            self.low = torch.minimum(self.low, low)
            self.high = torch.maximum(self.high, high)
        self.inputs += inputs
        self.values += values
        if len(self.some) < MOST_CALLS_COUNTED:
            self.some.append(some)


class Gradient:
    """The mean square, per unit, of the gradients that come back to one tensor's place, (U,).

    `came` says that there are some, were they not read yet; of those that come once it is `over`
    nobody is told.
    """

    square: Tensor | None = None

    def __init__(self) -> None:
        self.values = 0
        self.came = False
        self.over = False

    def add(self, values: int, square: Tensor) -> None:
        """Take in the mean square of one gradient over so many values."""
        self.values += values
        if self.square is not None:
            square = self.square + (square - self.square) * (values / self.values)
        self.square = square


class Shelf:
    """Where pre-activations and gradients are read, small ones of a shape together."""

    def __init__(self) -> None:
        # One thread may put by what another, which ends the run, takes: each piece is taken once.
        self._put_by: deque[tuple[Any, Tensor, Callable[..., None]]] = deque()
        self._numbers = 0
        self.on_device = False  # whether anything was read elsewhere than on the CPU

    def activity(self, z: Tensor, axis: int, step: int, flat: Intervals, to: Activity) -> None:
        """Read the pre-activation `z`: every `step`-th unit along dimension `axis`."""
        values = by_unit(z, axis, step)
        # The first dimension is the batch, if there is one.
        inputs = min(int(z.shape[0]), int(values.shape[0])) if axis else 1
        self._read(values, flat, partial(to.add, inputs))

    def gradient(self, gradient: Tensor, axis: int, step: int, to: Gradient) -> None:
        """Read a gradient, likewise."""
        if not to.over:
            to.came = True
            self._read(by_unit(gradient, axis, step), None, to.add)

    def settle(self) -> None:
        """Read what was put by."""
        alike = defaultdict(list)
        self._numbers = 0
        with suppress(IndexError):
            while True:
                key, *piece = self._put_by.popleft()
                alike[key].append(piece)
        for (*_, flat), waiting in alike.items():
            pieces, receivers = zip(*waiting, strict=True)
            together = torch.stack(pieces) if len(pieces) > 1 else pieces[0].unsqueeze(0)
            _read(together, flat, receivers)

    def _read(self, values: Tensor, flat: Intervals | None, give: Callable[..., None]) -> None:
        size = values.numel()
        self.on_device = self.on_device or not values.is_cpu
        if size > SMALL:
            _read(values.unsqueeze(0), flat, [give])
            return
        key = values.shape, values.dtype, values.device, flat
        # A copy: the script may go on to write into its own.
        self._put_by.append((key, values.clone(), give))
        self._numbers += size
        if self._numbers > ROOM:
            self.settle()


def _read(values: Tensor, flat: Intervals | None, receivers: Sequence[Callable[..., None]]) -> None:
    """What (K, examples, U) or (K, examples, U, positions) show, each of K to its receiver."""
    count = values.shape[1] * (values.shape[3] if values.dim() == 4 else 1)
    shown = _squares(values) if flat is None else (*_moments(values, flat), _some(values))
    for give, *numbers in zip(receivers, *(each.unbind(0) for each in shown), strict=True):
        give(count, *numbers)


def _over(values: Tensor) -> tuple[int, ...]:
    """Examples and positions."""
    return (1,) if values.dim() == 3 else (1, 3)


def _blocks(values: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The examples in blocks, in at least float32, each with scratch of its shape.

    None stands for scratch that torch is to make: all is one block where a call costs more.
    """
    count = -(-values.numel() // BLOCK) if values.device.type == "cpu" else 1
    if count == 1:
        yield wide(values), None
        return
    scratch = widened = None
    for block in values.tensor_split(min(count, values.shape[1]), 1):  # the largest first
        if scratch is None:
            scratch = torch.empty_like(wide(block))
            widened = torch.empty_like(scratch) if scratch.dtype != block.dtype else None
        examples = slice(block.shape[1])
        if widened is not None:
            block = widened[:, examples].copy_(block)
        yield block, scratch[:, examples]


def _squares(values: Tensor) -> tuple[Tensor]:
    over = _over(values)
    sums = [torch.square(block, out=scratch).sum(over) for block, scratch in _blocks(values)]
    total = torch.stack(sums).sum(0) if len(sums) > 1 else sums[0]
    return (total / (values[0].numel() // values.shape[2]),)


def _moments(values: Tensor, flat: Intervals) -> tuple[Tensor, ...]:
    """`fired`, `mean`, `variance`, `low`, `high` of `Activity`, each (K, U)."""
    sizes, parts = [], []
    for block, scratch in _blocks(values):
        sizes.append(block.shape[1])
        parts.append(_of_block(block, flat, scratch))
    if len(parts) == 1:
        return parts[0]
    fired, means, variances, low, high = map(torch.stack, zip(*parts, strict=True))
    shares = means.new_tensor(sizes).view(-1, 1, 1) / values.shape[1]
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean).square())).sum(0)
    return fired.sum(0), mean, variance, low.amin(0), high.amax(0)


def _of_block(values: Tensor, flat: Intervals, scratch: Tensor | None) -> tuple[Tensor, ...]:
    over = _over(values)
    # In two passes and one scratch: on the CPU fifteen times as fast as torch.var_mean.
    mean = values.mean(over, keepdim=True)
    scratch = torch.sub(values, mean, out=scratch)
    variance = scratch.square_().mean(over)
    fired = _fired(values, flat, scratch)
    return fired, mean.view_as(variance), variance, values.amin(over), values.amax(over)


def _fired(values: Tensor, flat: Intervals, scratch: Tensor) -> Tensor:
    """How many values of each unit lie outside the flat intervals, as int64 (K, U).

    NaN lies in the intervals that have no lower end. `scratch`, of the values' shape, is
    overwritten: counting in floating point is five times as fast as counting booleans, and exact
    far beyond MOST_VALUES.
    """
    over = _over(values)
    # Of every interval but one that reaches down without end: so many values, less those in it.
    fired: Tensor | float = float(values.numel() // (values.shape[0] * values.shape[2]))
    for bottom, top in flat:
        if bottom == -torch.inf:
            fired = fired - (values.numel() // (values.shape[0] * values.shape[2]))
        else:
            fired = fired - torch.ge(values, bottom, out=scratch).sum(over)
        if top != torch.inf:
            fired = fired + torch.gt(values, top, out=scratch).sum(over)
    if not isinstance(fired, Tensor):
        fired = scratch.new_full((values.shape[0], values.shape[2]), fired)
    return fired.to(torch.int64)


def _some(values: Tensor) -> Tensor:
    """(K, n): at most MOST_COUNTED of the numbers of each of K, at a fixed stride, and a copy.

    Units and positions take turns: the stride has no factor in common with their number.
    """
    each, turn = values[0].numel(), values[0, 0].numel()
    stride = -(-each // MOST_COUNTED)
    while gcd(stride, turn) > 1:
        stride += 1
    if len(values) > 1 or values.is_contiguous():
        return values.flatten(1)[:, ::stride].clone()
    # To lay it out anew may cost as much as all the rest.
    return values.take(torch.arange(0, each, stride, device=values.device)).unsqueeze(0)


def row_norms(weight: Tensor, axis: int) -> Tensor:
    """The Euclidean norm of each unit's weights, (U,), in at least float32."""
    weight = weight.detach()
    if weight.dtype in (torch.float16, torch.bfloat16):
        weight = weight.float()
    others = 1 - axis if weight.dim() == 2 else [at for at in range(weight.dim()) if at != axis]
    norms: Tensor = torch.linalg.vector_norm(weight, dim=others)
    return norms


def to_floats(numbers: Sequence[Tensor | float]) -> tuple[float, ...]:
    """Numbers, of which some are tensors of no dimension on one device, in one copy from it."""
    tensors = [number for number in numbers if isinstance(number, Tensor)]
    fetched = iter(torch.stack(tensors).tolist() if tensors else ())
    return tuple(next(fetched) if isinstance(at, Tensor) else at for at in numbers)


def to_host(
    tensors: Sequence[Tensor | None], make: Callable[[Array], Array] | None = None
) -> list[Array]:
    """(n,) tensors as arrays, in one copy from each device; None stays None.

    `make` is called with all numbers of a kind at once, and makes as many of them.
    """
    kinds: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        if tensor is not None:
            kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    arrays = {kind: _pieces(alike, make) for kind, alike in kinds.items()}
    return [None if at is None else next(arrays[at.device, at.dtype]) for at in tensors]


def _pieces(tensors: list[Tensor], make: Callable[[Array], Array] | None) -> Iterator[Array]:
    whole = torch.cat(tensors)
    if whole.dtype in (torch.float16, torch.bfloat16):
        whole = whole.float()
    numbers: Array = whole.cpu().numpy()
    if make is not None:
        numbers = make(numbers)
    start = 0
    for tensor in tensors:
        end = start + tensor.numel()
        yield numbers[start:end]
        start = end
