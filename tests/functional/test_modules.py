"""Modules as torch's own: copied, saved, shown, loaded and made in the same way."""

import copy
import inspect
import pickle

import pytest
import torch
from tests.functional.cases import LEANS, USUAL, Case, gradient, over
from torch import nn

from reluctant import functional
from reluctant import nn as modules

TORCHS = [case for case in USUAL if hasattr(nn, case.of.module)]
NEEDED = {"threshold": (0.5, -1.0)}


def pair(case: Case, *args: object, **more: object) -> tuple[nn.Module, nn.Module]:
    """Ours and torch's, made with the same arguments."""
    args = args or (() if more else NEEDED.get(case.name, ()))
    ours, torchs = (getattr(home, case.of.module)(*args, **more) for home in (modules, nn))
    return ours.eval(), torchs.eval()


@pytest.mark.parametrize("lean", LEANS)
@over(USUAL)
def test_copied_and_pickled(case: Case, lean: functional.Lean) -> None:
    net, z = case.module(lean=lean), case.inputs(torch.float32)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin) is type(net)
        assert repr(twin) == repr(net)
        assert twin.lean == lean
        assert torch.equal(twin(z), net(z))


@over(USUAL)
def test_lean_is_shown_where_it_was_given(case: Case) -> None:
    assert "lean" not in repr(case.module())
    assert "lean=True" in repr(case.module(lean=True))
    assert "lean='bit'" in repr(case.module(lean="bit"))
    assert repr(case.module()).startswith(f"{case.of.module}(")


@over(TORCHS)
def test_torchs_class_is_its_base_and_shows_the_same(case: Case) -> None:
    ours, torchs = pair(case)
    assert isinstance(ours, type(torchs))
    assert repr(ours) == repr(torchs)


@over(USUAL)
def test_on_no_device(case: Case) -> None:
    for lean in LEANS:
        net, z = case.module(lean=lean), case.inputs(torch.float32)
        shape = net(z).shape
        assert net.to("meta")(z.to("meta")).shape == shape


@over(TORCHS)
def test_states_go_both_ways(case: Case) -> None:
    ours, torchs = pair(case)
    with torch.no_grad():
        for at, parameter in enumerate(ours.parameters()):
            parameter.fill_(0.5 + at)
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    torchs.load_state_dict(ours.state_dict())
    z = case.inputs(torch.float32)
    assert torch.equal(ours(z), torchs(z))
    again, _ = pair(case)
    again.load_state_dict(torchs.state_dict())
    assert torch.equal(again(z), ours(z))


def test_prelu_with_a_slope_per_channel() -> None:
    ours, torchs = pair(Case("prelu"), 6, init=0.1)
    z = Case("prelu").inputs(torch.float32)
    assert ours.weight.shape == torchs.weight.shape == (6,)
    assert torch.equal(ours(z), torchs(z))


@over(TORCHS)
def test_the_same_arguments_by_name_and_in_order(case: Case) -> None:
    arguments = inspect.signature(getattr(nn, case.of.module)).parameters.values()
    if any(at.kind is at.VAR_POSITIONAL for at in arguments):
        pytest.skip("takes anything")
    values = dict(zip((at.name for at in arguments), NEEDED.get(case.name, ()), strict=False))
    values = {at.name: values.get(at.name, at.default) for at in arguments}
    ours, torchs = pair(case, **values)
    assert repr(ours) == repr(torchs)
    if values:
        in_order, _ = pair(case, *values.values())
        assert repr(in_order) == repr(torchs)
    with pytest.raises(TypeError):
        getattr(modules, case.of.module)(nonsense=1)


IN_PLACE = [
    case
    for case in TORCHS
    if "inplace" in inspect.signature(getattr(nn, case.of.module)).parameters
]


@over(IN_PLACE)
def test_in_place(case: Case) -> None:
    ours, torchs = pair(case, *NEEDED.get(case.name, ()), inplace=True)
    z = case.inputs(torch.float32)
    into, twin = z.clone(), z.clone()
    y = ours(into)
    assert y.data_ptr() == into.data_ptr()
    assert torch.equal(y, torchs(twin))
    slopes = [gradient(lambda z, net=net: net(z * 1.0), z) for net in (ours, torchs)]
    assert torch.equal(*slopes)


@over(USUAL)
def test_half_a_model_is_a_model(case: Case) -> None:
    """Moved to another precision it goes on to work."""
    net = case.module().to(torch.bfloat16)
    assert net(case.inputs(torch.bfloat16)).dtype == torch.bfloat16
