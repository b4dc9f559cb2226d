"""What is left as it was, and why."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from reluctant.initialization.initialized import Left
from reluctant.initialization.network import Network


def left(model: nn.Module, network: Network) -> Left:
    """The parameters that are not set, by the reason."""
    weights = {id(layer.weight) for layer in network.layers}
    of_bias = {id(at.bias): at.weight for at in network.layers if at.bias is not None}
    found: dict[str, list[str]] = {}
    for path, module in model.named_modules():
        for name, at in module.named_parameters(recurse=False):
            why = obstacle(at, network)
            if id(at) in of_bias:
                why = why or obstacle(of_bias[id(at)], network)
            elif why is None and id(at) not in weights:
                why = _whose(module, at)
            if why is not None:
                found.setdefault(why, []).append(f"{path}.{name}".lstrip("."))
    return tuple((why, tuple(names)) for why, names in found.items())


def obstacle(at: Tensor, network: Network) -> str | None:
    """Why a parameter cannot be set, or is not to be; None if it can."""
    if at.is_meta:
        return "on the meta device, where nothing is stored; model.to_empty() comes first"
    if not at.is_floating_point():
        return f"of {at.dtype}: quantised weights come from trained ones"
    if type(at.data) is not Tensor:
        return f"a {type(at.data).__name__}, of which this process may hold a part only"
    if not at.requires_grad:
        return "frozen"
    if id(at) in network.settled:
        return "set before"
    if id(at) in network.embedded:
        return "an embedding, or shared with one"
    return None


# A module -> what its parameters are, where no layer was found.
_KINDS: tuple[tuple[Callable[[nn.Module], bool], str], ...] = (
    (lambda at: "Norm" in type(at).__name__, "the scale and shift of a normalisation"),
    (lambda at: isinstance(at, nn.RNNBase | nn.RNNCellBase), "recurrent"),
    (
        lambda at: isinstance(at, nn.MultiheadAttention | NonDynamicallyQuantizableLinear),
        "an attention's own",
    ),
    (lambda at: "Parametrization" in type(at).__name__, "a weight is computed from it"),
)


def _whose(module: nn.Module, at: Tensor) -> str:
    kind = next((words for holds, words in _KINDS if holds(module)), None)
    if kind is None and at.dim() < 2:
        return "a number for each unit, and no layer's bias"
    return kind or "no layer that is known multiplies by it"
