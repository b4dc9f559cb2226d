"""The calls that a model makes, each with the calls that what it is given comes from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from reluctant.calls import KNOWN, Call, recognise

# Calls that leave each channel what it is, or take a part of it.
_CARRYING = frozenset(
    "flatten view reshape contiguous dropout dropout1d dropout2d dropout3d dropout_ alpha_dropout "
    "feature_dropout max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d boolean_dispatch squeeze to float clone identity mean "
    "interpolate pad".split()
)
# Calls that tell a size, or divide a weight by its own.
_SIZES = frozenset(
    "norm vector_norm matrix_norm linalg_norm linalg_vector_norm linalg_matrix_norm _weight_norm "
    "_weight_norm_interface _weightnorm _spectralnorm".split()
)
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_ADDING = frozenset("add add_ __add__ __iadd__ __radd__ iadd".split())


def _data() -> None:
    """Stands for what makes a model's data."""


@dataclass(eq=False)
class Node:
    """One call. Among what it is given, what trains is itself, what calls gave are their nodes."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    module: str = ""  # the path of the module whose forward makes the call
    readers: list["Node"] = field(default_factory=list)

    def __post_init__(self) -> None:
        for source in self.sources:
            source.readers.append(self)

    @cached_property
    def sources(self) -> tuple["Node", ...]:
        """The calls that what it is given comes from, in order."""
        return tuple(at for at in leaves((self.args, self.kwargs)) if isinstance(at, Node))

    @cached_property
    def name(self) -> str:
        """What is called, as `conv2d` or `batchnorm2d`."""
        return str(getattr(self.func, "__name__", type(self.func).__name__)).lower()

    @cached_property
    def activation(self) -> Call | None:
        """The activation function that it is; None if it is none."""
        if self.func not in KNOWN:
            return None
        call = recognise(self.func, self.args, self.kwargs)
        slope = self.args[1] if len(self.args) > 1 else self.kwargs.get("weight")
        if call is not None and call.activation.trainable and isinstance(slope, Tensor):
            (learnt,) = call.activation.trainable
            return Call(call.activation, {learnt: float(slope.detach().mean())})
        return call

    @property
    def is_norm(self) -> bool:
        """Whether it makes the size of what it is given a size of its own."""
        return ("norm" in self.name or self.name == "rsqrt") and self.name not in _SIZES

    @classmethod
    def of_data(cls) -> "Node":
        """What a model is given."""
        return cls(_data, (), {})

    @property
    def has_weights(self) -> bool:
        """Whether it is a whole part of a network, as attention or a recurrent layer."""
        return self.name in ("multi_head_attention_forward", *_RECURRENT) or (
            isinstance(self.func, nn.Module)
            and not self.is_norm
            and "embedding" not in self.name
            and next(self.func.parameters(), None) is not None
        )

    @property
    def is_addition(self) -> bool:
        """Whether it adds two branches."""
        return self.name in _ADDING and len(self.sources) == 2

    @property
    def joins(self) -> bool:
        """Whether it puts the channels of several side by side."""
        return self.name in ("cat", "concat", "concatenate")

    @property
    def carries(self) -> bool:
        """Whether channels come out of it as they went in."""
        return self.name in _CARRYING


def leaves(what: Any) -> Iterator[Any]:
    """What is in tuples, lists and mappings, however deep."""
    if isinstance(what, tuple | list):
        for at in what:
            yield from leaves(at)
    elif isinstance(what, Mapping):
        yield from leaves(tuple(what.values()))
    else:
        yield what
