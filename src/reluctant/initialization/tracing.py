"""Learns what calls a model makes.

Without a batch, torch.fx traces `forward` with stand-ins for tensors. What a trace cannot follow,
as a `forward` that asks for numbers, is read in a pass with a batch. Both give the same nodes.
"""

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from reluctant.errors import NotInitialized
from reluctant.initialization.nodes import Node, leaves

# Modules that a trace does not enter: they ask for numbers, or do all in one call.
_WHOLE = (nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase, nn.Embedding, nn.EmbeddingBag)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one call."""
        if isinstance(m, _WHOLE) or "Norm" in type(m).__name__:
            return True
        return isinstance(m, nn.modules.batchnorm._NormBase)


def traced(model: nn.Module) -> list[Node]:
    """The calls of a model's `forward`, its optional arguments at their defaults.

    Raises:
        NotInitialized: a trace cannot follow it.
    """
    given = inspect.signature(model.forward).parameters.values()
    usual = {
        at.name: at.default
        for at in given
        if at.default is not at.empty and at.kind is not at.KEYWORD_ONLY
    }
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it asks for numbers
    try:
        graph = _Tracer().trace(model, concrete_args=usual or None)
    except Exception as error:
        raise NotInitialized.untraceable(type(model).__name__, error) from None
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    made: dict[fx.Node, Any] = {}
    for at in graph.nodes:
        if at.op == "placeholder" and not at.args:
            made[at] = Node.of_data()
        elif at.op == "get_attr":
            made[at] = _attribute(model, str(at.target))
        elif at.op in ("call_function", "call_method", "call_module"):
            args, kwargs = fx.node.map_arg((at.args, at.kwargs), made.get)
            stack = at.meta.get("nn_module_stack") or {}
            where = next(reversed(stack.values()))[0] if stack else ""
            made[at] = Node(_called(model, at), args, kwargs, where)
    return [at for at in made.values() if isinstance(at, Node)]


def _attribute(model: nn.Module, path: str) -> Any:
    at: Any = model
    for name in path.split("."):
        at = getattr(at, name)
    return at


def _called(model: nn.Module, at: fx.Node) -> Callable[..., Any]:
    if at.op == "call_module":
        return model.get_submodule(str(at.target))
    if at.op == "call_method":
        return getattr(Tensor, str(at.target))  # type: ignore[no-any-return]
    return _PYTHON.get(at.target, at.target)  # type: ignore[arg-type]


# Python's operators, as a stand-in calls them, by torch's own names.
_PYTHON: dict[Any, Callable[..., Any]] = {operator.matmul: torch.matmul}


# -- in a pass --------------------------------------------------------------------------------


class Recorder(TorchFunctionMode):
    """Writes down the calls of a pass, as `nodes`, in their order.

    `failure` is what went wrong in doing so, after which nothing more is written down.

    Args:
        data: what the pass is given.
        wanted: whether the calls that are made now belong to it.
    """

    def __init__(self, data: Iterable[Any] = (), wanted: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._wanted = wanted
        self.failure: Exception | None = None
        # The tensor is kept so that its id stays its own.
        self._made: dict[int, tuple[Tensor, Node]] = {
            id(at): (at, Node.of_data()) for at in data if isinstance(at, Tensor)
        }
        self.nodes: list[Node] = [node for _, node in self._made.values()]

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pass the call on and note it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self.failure is None and self._wanted():
            try:
                self._note(func, args, kwargs, result)
            except Exception as error:  # the pass goes on
                self.failure = error
        return result

    def _note(
        self, func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], result: Any
    ) -> None:
        outputs = [at for at in leaves((result,)) if isinstance(at, Tensor)]
        if not outputs or getattr(func, "__name__", "") in ("__set__",):
            return
        node = Node(func, self._given(args), self._given(kwargs))
        self.nodes.append(node)
        for at in outputs:
            self._made[id(at)] = (at, node)

    def _given(self, what: Any) -> Any:
        if isinstance(what, Tensor):
            known = self._made.get(id(what))
            return known[1] if known is not None else what
        if isinstance(what, tuple | list):
            return tuple(map(self._given, what))
        if isinstance(what, Mapping):
            return {key: self._given(value) for key, value in what.items()}
        return what


def passed(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Node]:
    """The calls of a pass of a model."""
    recorder = Recorder(leaves((args, kwargs)))
    with recorder:
        model(*args, **kwargs)
    if recorder.failure is not None:
        raise recorder.failure
    return recorder.nodes
