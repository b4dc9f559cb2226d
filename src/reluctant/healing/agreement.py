"""What processes that train one model together do alike, since the first of them says what.

All collectives are on a group of our own, with a timeout of its own: what goes wrong in it, or
in one process of it, ends healing in all, and is not felt by the script's.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from reluctant.observe import ranks
from reluctant.observe.shards import is_shared_out
from reluctant.remedy.refusal import Refused
from reluctant.remedy.revive import Revival

# The group is formed at so many steps: by then it is known that all train in step with one another.
FORMED_AT = 6

# They are a step apart at most, and wait for what the first makes of the record.
TIMEOUT = timedelta(minutes=2)

# So many numbers of each weight tell whether it is the same in all processes.
_TOLD_BY = 8

Value = TypeVar("Value")


class Apart(Exception):
    """Processes are not to be treated together, or no more; the message is why, a sentence."""


class Agreement:
    """Between this process and those that train with it; there may be none.

    `settled` says that it is known who they are, `alone` that there is nobody else, and `leads`
    that what this process does is what the others do.
    """

    def __init__(self) -> None:
        self.alone = ranks.size() == 1
        self.leads = ranks.rank() == 0
        self.settled = False
        self._arrived = 0
        self._group: Any = None
        self._tensors: list[Tensor] = []

    # -- coming together -----------------------------------------------------------------------

    def arrive(self, tensors: Callable[[], list[Tensor]]) -> None:
        """Tell the others that this process is about to step, and at last form a group with them.

        Nobody is waited for until it is known that all are there.

        Raises:
            Apart: they do not train one model together, or each holds a part of it.
        """
        if self._arrived == 0 and any(map(is_shared_out, tensors())):
            self.settled = True
            raise Apart("Its parameters are shared out over processes.")
        self.alone = ranks.size() == 1
        if self.alone:
            self.settled = True
        elif self._arrived < FORMED_AT:
            with _reaching():
                self._store().add(str(self._arrived), 1)
        else:
            self.settled = True
            self._form(tensors())
        self._arrived += 1

    def _store(self) -> Any:
        distributed: Any = sys.modules.get("torch.distributed")
        if distributed is None or not distributed.is_initialized():
            raise Apart("Its processes have formed no group of torch's.")
        store = distributed.distributed_c10d._get_default_store()
        return distributed.PrefixStore("reluctant-healing", store)

    def _form(self, tensors: list[Tensor]) -> None:
        import torch.distributed as dist

        if torch.accelerator.is_available():
            # What exchanges gradients on a device may be far behind.
            torch.accelerator.synchronize()
        store, size = self._store(), dist.get_world_size()
        self.leads = dist.get_rank() == 0
        # Each can be one step behind, and of optimizers that step one after another the second too.
        together = all(store.add(str(at), 0) == size for at in range(FORMED_AT - 1))
        if not together:
            store.set("apart", "yes")
        if not together or store.check(["apart"]):
            raise Apart("Its processes do not train in step with one another.")
        with _reaching():
            self._group = dist.new_group(backend="gloo", timeout=TIMEOUT)
        if len(set(self._gather(_print(tensors)))) > 1:
            raise Apart("Its processes do not train the same weights.")
        self._tensors = tensors

    @property
    def outgrown(self) -> bool:
        """Whether there are others now although there was nobody."""
        return self.alone and ranks.size() > 1

    def leave(self) -> None:
        """Have nothing to do with the others any more, who learn of it when they next turn here."""
        group, self._group, self._tensors = self._group, None, []
        if group is not None:
            import torch.distributed as dist

            if dist.is_initialized():
                dist.destroy_process_group(group)

    # -- agreeing ------------------------------------------------------------------------------

    def share(self, make: Callable[[], Value]) -> Value:
        """What the first process makes."""
        if self._group is None:
            return make()
        import torch.distributed as dist

        held: list[Any] = [make() if self.leads else None]
        with _reaching():
            dist.broadcast_object_list(held, src=0, group=self._group)
        value: Value = held[0]
        return value

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """What is refused within, in one process, is refused in all."""
        why = None
        try:
            yield
        except Refused as refused:
            why = str(refused)
        whys = [why] if self._group is None else self._gather(why)
        for said in whys:
            if said is not None:
                raise Refused(said)

    def spread(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Those of the first process, in each its own of them, with the first's numbers in them."""
        if self._group is None:
            return list(tensors)
        import torch.distributed as dist

        named = self.share(lambda: self._numbers(tensors))
        theirs = [self._tensors[number] for number in named]
        for tensor in theirs:
            # Bytes: not every kind of number is known to every version.
            held = tensor.detach().cpu().contiguous().reshape(-1)
            with _reaching():
                dist.broadcast(held.view(torch.uint8), src=0, group=self._group)
            tensor.detach().copy_(held.reshape(tensor.shape))
        return theirs

    def plan(self, make: Callable[[], Revival]) -> Revival:
        """What the first process means to write, to this process's own tensors.

        Raises:
            Refused: by the first.
        """
        if self._group is None:
            return make()

        def named() -> Any:
            try:
                writes = make().writes
            except Refused as why:
                return str(why)
            numbers = self._numbers([tensor for tensor, *_ in writes])
            kept = [(dim, at.cpu(), values.cpu()) for _, dim, at, values in writes]
            return list(zip(numbers, kept, strict=True))

        told = self.share(named)
        if isinstance(told, str):
            raise Refused(told)
        return Revival(
            tuple(
                (own, dim, at.to(own.device), values.to(own.device))
                for number, (dim, at, values) in told
                for own in (self._tensors[number],)
            )
        )

    def _numbers(self, tensors: Sequence[Tensor]) -> list[int]:
        known = {id(tensor): number for number, tensor in enumerate(self._tensors)}
        return [known[id(tensor)] for tensor in tensors]

    def _gather(self, value: Value) -> list[Value]:
        import torch.distributed as dist

        found: list[Any] = [None] * dist.get_world_size(self._group)
        with _reaching():
            dist.all_gather_object(found, value, group=self._group)
        return found


@contextmanager
def _reaching() -> Iterator[None]:
    """What torch says of a process that is not there is no error of ours."""
    try:
        yield
    except RuntimeError:
        raise Apart("Its processes do not reach one another any more.") from None


def _print(tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    """What is the same where tensors are; buffers, as running means, may be each process's own."""
    shapes = tuple(tuple(at.shape) for at in tensors)
    weights = [at.detach().reshape(-1) for at in tensors if at.requires_grad and at.numel()]
    told = [at[:: max(1, len(at) // _TOLD_BY)].cpu().double().numpy().tobytes() for at in weights]
    return shapes, tuple(told)
