"""torch's own test samples: modules and functions of the same name give the same."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant import functional
from reluctant import nn as modules

# torch's samples need it, and say so no better.
pytest.importorskip("expecttest", reason="`pip install expecttest` to use torch's samples")
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

MODULES = {info.name: info for info in module_db if getattr(modules, info.module_cls.__name__, 0)}
MODULES = {
    name: info
    for name, info in MODULES.items()
    if info.module_cls is getattr(nn, info.module_cls.__name__, None)
}
ELSEWHERE = ("topk",)  # torch.topk gives the values alone, and is another function
OPS = {
    f"{op.name} {op.variant_test_name}".strip(): op
    for op in op_db
    if op.name.split(".")[-1] in dir(functional) and op.name not in ELSEWHERE
}


def outcome(call: Any, z: Tensor, args: Any, kwargs: Any) -> tuple[Tensor, list[Tensor]]:
    """The value, and the gradients of all that can have one."""
    z = z.detach().clone().requires_grad_()
    learnt = [at for at in (*args, *kwargs.values()) if isinstance(at, Tensor)]
    learnt = [at for at in learnt if at.requires_grad]
    torch.manual_seed(0)
    y = call(z.clone(), *args, **kwargs)
    more = list(call.parameters()) if isinstance(call, nn.Module) else []
    return y, list(torch.autograd.grad(y, [z, *learnt, *more], torch.ones_like(y)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str, dtype: torch.dtype, training: bool) -> None:
    info = MODULES[name]
    samples = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training
    )
    assert samples
    for sample in samples:
        made = sample.constructor_input
        torchs = info.module_cls(*made.args, **made.kwargs).to(dtype).train(training)
        ours = getattr(modules, info.module_cls.__name__)(*made.args, **made.kwargs)
        ours.to(dtype).train(training).load_state_dict(torchs.state_dict())
        z, *args = sample.forward_input.args
        kwargs = sample.forward_input.kwargs
        torch.testing.assert_close(outcome(ours, z, args, kwargs), outcome(torchs, z, args, kwargs))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex128], ids=str)
@pytest.mark.parametrize("name", OPS)
def test_functions(name: str, dtype: torch.dtype) -> None:
    op = OPS[name]
    if dtype not in op.dtypes:
        pytest.skip("torch's own does not take it")
    name = op.name.split(".")[-1]
    # Its own wrappers set a seed of their own.
    torchs, ours = getattr(F, name, op.op), getattr(functional, name)
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        given = (sample.input, sample.args, sample.kwargs)
        if dtype not in op.supported_backward_dtypes("cpu"):
            z, args, kwargs = given
            with torch.no_grad():
                assert torch.equal(ours(z, *args, **kwargs), torchs(z, *args, **kwargs))
            continue
        torch.testing.assert_close(outcome(ours, *given), outcome(torchs, *given))


def test_most_of_torchs_functions_are_there() -> None:
    assert len(OPS) >= 20
    assert len(MODULES) >= 15
