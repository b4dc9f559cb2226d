"""Each entry of the catalogue against torch's own function and its own derivative."""

import dataclasses
import inspect
from math import inf, isfinite

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.activations import CATALOGUE, Activation, lookup
from reluctant.activations.definition import NEARLY_ZERO
from reluctant.calls import recognise
from reluctant.errors import UnknownActivation

GRID = torch.linspace(-40, 40, 16_001, dtype=torch.float64)


def derivative(activation: Activation, z: Tensor, **parameters: float) -> Tensor:
    z = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(activation(z, **parameters).sum(), z)
    return slope


def check_flat_regions(activation: Activation, **parameters: float) -> None:
    """The derivative is nearly zero in every flat region, and not all along just outside."""
    slope = derivative(activation, GRID, **parameters).abs()
    inside = torch.zeros_like(GRID, dtype=torch.bool)
    for low, high in activation.flat_regions(**parameters):
        inside |= (low < GRID) & (high > GRID)
        for edge, outwards in ((low, -1), (high, 1)):
            if isfinite(edge):
                beyond = torch.tensor([edge + 0.02 * outwards], dtype=torch.float64)
                assert derivative(activation, beyond, **parameters).abs() >= NEARLY_ZERO / 1.1
    assert (slope[inside] < NEARLY_ZERO).all()
    ends = slope[[0, -1]] < NEARLY_ZERO
    assert ends.tolist() == [bool(inside[1]), bool(inside[-2])]


@pytest.mark.parametrize("name", CATALOGUE)
def test_flat_regions_are_where_the_derivative_is_nearly_zero(name: str) -> None:
    check_flat_regions(CATALOGUE[name])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("leaky_relu", {"negative_slope": 0.3}),
        ("leaky_relu", {"negative_slope": 0.0}),
        ("threshold", {"threshold": 1.0, "value": -2.0}),
        ("elu", {"alpha": 3.0}),
        ("celu", {"alpha": 0.5}),
        ("softplus", {"beta": 2.0}),
        ("hardtanh", {"min_val": -3.0, "max_val": 0.5}),
    ],
)
def test_flat_regions_follow_the_parameters(name: str, parameters: dict[str, float]) -> None:
    check_flat_regions(CATALOGUE[name], **parameters)


def test_a_wrong_flat_region_is_found_out() -> None:
    for wrong in (((-inf, 0.5),), ((-inf, -0.5),), ((0.0, inf),), ()):
        mutant = dataclasses.replace(CATALOGUE["relu"], flat=lambda wrong=wrong: wrong)
        with pytest.raises(AssertionError):
            check_flat_regions(mutant)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_function_is_what_torch_computes(name: str) -> None:
    activation = CATALOGUE[name]
    if not activation.calls:
        pytest.skip("torch has no function for it")
    if name == "rrelu":
        pytest.skip("draws its slope at random; its formula is the mean")
    call = getattr(F, name)
    z = torch.linspace(-12, 12, 97, dtype=torch.float64)
    extra = [activation.parameters[key] for key in required(call)]
    if name == "prelu":
        extra = [torch.tensor([0.25], dtype=torch.float64)]
    torch.testing.assert_close(activation(z), call(z, *extra))


def required(call: object) -> list[str]:
    """The names of the further arguments that have no default, where python can tell."""
    try:
        parameters = list(inspect.signature(call).parameters.values())[1:]
    except ValueError:
        return []
    return [at.name for at in parameters if at.default is at.empty and at.name != "weight"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_module_of_torch_is_recognised(name: str) -> None:
    """torch's own module for it ends in a call that is known, with the same parameters."""
    modules = {
        "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(), "prelu": nn.PReLU(),
        "rrelu": nn.RReLU(), "relu6": nn.ReLU6(), "threshold": nn.Threshold(0.0, 0.0),
        "elu": nn.ELU(), "selu": nn.SELU(), "celu": nn.CELU(), "softplus": nn.Softplus(),
        "silu": nn.SiLU(), "gelu": nn.GELU(), "mish": nn.Mish(), "hardswish": nn.Hardswish(),
        "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "hardsigmoid": nn.Hardsigmoid(),
        "hardtanh": nn.Hardtanh(), "logsigmoid": nn.LogSigmoid(), "softsign": nn.Softsign(),
    }  # fmt: skip
    if name not in modules:
        assert not CATALOGUE[name].calls
        return
    calls = []

    class Listening(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            calls.append(recognise(func, args, kwargs or {}))
            return func(*args, **(kwargs or {}))

    with Listening():
        modules[name](torch.randn(3))
    (known,) = [call for call in calls if call is not None]
    assert known.activation is CATALOGUE[name]
    assert known.parameters == dict(CATALOGUE[name].parameters)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_derivative_is_what_torch_differentiates(name: str) -> None:
    """At the kinks too: the derivative that is used there is the one torch uses."""
    activation = CATALOGUE[name]
    if not activation.calls or name == "rrelu":
        pytest.skip("torch has no such function, or draws its slope at random")
    call = getattr(F, name)
    extra = [activation.parameters[key] for key in required(call)]
    if name == "prelu":
        extra = [torch.tensor([0.25], dtype=torch.float64)]
    edges = [edge for edge, _ in activation.kinks(**activation.parameters)]
    z = torch.tensor([*edges, *torch.linspace(-12, 12, 98).tolist()], dtype=torch.float64)
    z.requires_grad_()
    (wanted,) = torch.autograd.grad(call(z, *extra).sum(), z)
    got = activation.derivative(z.detach(), **activation.parameters)
    torch.testing.assert_close(got, wanted)


def test_names_are_their_own_keys() -> None:
    assert all(name == activation.name for name, activation in CATALOGUE.items())


def test_functions_are_found_by_what_people_call_them() -> None:
    assert lookup("ReLU") is CATALOGUE["relu"]
    assert lookup("squared-relu") is lookup("relu2") is CATALOGUE["squared_relu"]
    with pytest.raises(UnknownActivation, match="Did you mean leaky_relu"):
        lookup("leaki_relu")
    with pytest.raises(UnknownActivation, match="None comes near"):
        lookup("xyzzy")
