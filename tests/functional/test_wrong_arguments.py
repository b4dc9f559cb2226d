"""What cannot be computed is refused in a sentence that names it, with a way out."""

from collections.abc import Callable

import pytest
import torch
from tests.functional.cases import USUAL, Case, over

from reluctant import functional
from reluctant import nn as modules
from reluctant.errors import WrongArgument

Z = torch.randn(3, 5)

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "prelu, channels": (lambda: functional.prelu(Z, torch.ones(4)), "prelu.*4 param.*5 channels"),
    "swish, channels": (lambda: functional.swish(Z, torch.ones(4)), "swish.*4 param.*5 channels"),
    "jumprelu, channels": (lambda: functional.jumprelu(Z, torch.ones(4)), "jumprelu.*5 channels"),
    "PReLU, channels": (lambda: modules.PReLU(4)(Z), "prelu.*4 parameters"),
    "prelu, sign": (lambda: functional.prelu(Z, torch.tensor([-0.1]), lean=True), "prelu.*weight"),
    "leaky_relu, sign": (
        lambda: functional.leaky_relu(Z, -0.1, lean=True), "leaky_relu.*negative_slope = -0.1"
    ),
    "elu, sign": (lambda: functional.elu(Z, -1.0, lean=True), "elu.*alpha = -1"),
    "softplus, sign": (lambda: functional.softplus(Z, -1.0, lean=True), "softplus.*beta = -1"),
    "gelu": (lambda: functional.gelu(Z, approximate="x"), "gelu.*approximate='x'"),
    "GELU": (lambda: modules.GELU("x")(Z), "gelu.*approximate='x'"),
    "reglu, odd": (lambda: functional.reglu(Z), "reglu splits dim -1 .* 5"),
    "glu, odd": (lambda: functional.glu(Z), "glu splits dim -1 .* 5"),
    "SwiGLU, odd": (lambda: modules.SwiGLU()(Z), "swiglu splits dim -1 .* 5"),
    "swiglu, dim": (lambda: functional.swiglu(Z, 2), "swiglu.*dim=2"),
    "maxout, odd": (lambda: functional.maxout(Z), "maxout splits dim -1 .* 5"),
    "maxout, pieces": (lambda: functional.maxout(Z, 1), "maxout needs pieces >= 2"),
    "topk, many": (lambda: functional.topk(Z, 6), "topk.*k=6.*5"),
    "topk, none": (lambda: functional.topk(Z, 0), "topk.*k=0"),
    "TopK": (lambda: modules.TopK(6)(Z), "topk.*k=6"),
    "crelu, dim": (lambda: functional.crelu(Z, 3), "crelu.*dim=3"),
    "celu": (lambda: functional.celu(Z, 0.0), "celu needs alpha != 0"),
    "rrelu": (lambda: functional.rrelu(Z, 0.5, 0.2), "rrelu needs lower <= upper"),
    "rrelu, lean": (
        lambda: functional.rrelu(Z, 0.0, 0.2, training=True, lean=True), "rrelu.*lower > 0"
    ),
    "jumprelu, band": (lambda: functional.jumprelu(Z, 0.1, 0.0), "jumprelu needs bandwidth > 0"),
    "hardtanh": (lambda: functional.hardtanh(Z, 1.0, -1.0), "hardtanh needs min_val <= max_val"),
    "softplus": (lambda: functional.softplus(Z, 0.0), "softplus needs beta != 0"),
    "in place": (lambda: functional.penalized_tanh(Z, inplace=True), "penalized_tanh.*inplace"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_refused(what: str) -> None:
    call, words = WRONG[what]
    with pytest.raises(WrongArgument, match=words) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert caught.value.way_out.endswith(".")


@over([case for case in USUAL if case.name != "topk"])
def test_integers_are_refused(case: Case) -> None:
    for dtype in (torch.int64, torch.bool):
        z = torch.ones(2, 6, dtype=dtype)
        with pytest.raises(WrongArgument, match=f"{case.name}.*{dtype}.*float"):
            case.call()(z, *case.learnt(torch.float32))


@over(USUAL)
def test_unknown_arguments_are_pythons_error(case: Case) -> None:
    with pytest.raises(TypeError):
        functional.function(case.name)(Z, nonsense=1)
