"""`reluctant.swap` on models that are there already, and functions of one's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import reluctant
from reluctant.activations import CATALOGUE
from reluctant.errors import UnknownActivation, WrongArgument
from reluctant.facts import drawn
from reluctant.swapping import replacement


def model() -> nn.Sequential:
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.ReLU6(), nn.GELU(), nn.GELU("tanh"))
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), inner, nn.Hardtanh())


def test_every_module_of_the_function_is_replaced_and_no_other() -> None:
    net = model()
    swapped = reluctant.swap(net, "relu", "leaky_relu:0.2")
    assert [at.path for at in swapped] == ["1", "2.1"]
    assert swapped[0].old == "ReLU(inplace=True)"
    assert isinstance(net[1], nn.LeakyReLU)
    assert net[1].negative_slope == 0.2
    assert isinstance(net[2][2], nn.ReLU6)
    assert [at.path for at in reluctant.swap(net, "hardtanh", "tanh")] == ["3"]
    assert [at.path for at in reluctant.swap(net, "gelu_tanh", "silu")] == ["2.4"]
    assert [at.path for at in reluctant.swap(net, "gelu", "silu")] == ["2.3"]
    assert reluctant.swap(net, "mish", "silu") == ()


def test_learnt_parameters_go_where_the_model_is() -> None:
    net = model().double().eval()
    reluctant.swap(net, "relu", "prelu")
    assert net[1].weight.dtype == torch.float64
    assert not net[1].training
    assert any(parameter is net[1].weight for parameter in net.parameters())


def test_a_shared_module_stays_shared() -> None:
    act = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act)
    assert [at.path for at in reluctant.swap(net, "relu", "prelu")] == ["1", "3"]
    assert net[1] is net[3]


@pytest.mark.parametrize("training", [True, False])
def test_transformer_layers_compute_the_new_function(training: bool) -> None:
    """They hold a function, and in evaluation fuse what they take for ReLU."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    twin = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=True, activation=lambda x: F.leaky_relu(x, 0.5)
    )
    twin.load_state_dict(layer.state_dict())
    (swapped,) = reluctant.swap(layer, "relu", "leaky_relu:0.5")
    assert swapped.path == "activation"
    x = torch.randn(2, 3, 8)
    with torch.set_grad_enabled(training):
        torch.testing.assert_close(layer.train(training)(x), twin.train(training)(x))


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("relu", "leakyrelu", UnknownActivation, "leaky_relu"),
        ("rellu", "silu", UnknownActivation, "relu"),
        ("relu", "swiglu", WrongArgument, "another shape"),
        ("relu", "celu:0", WrongArgument, "alpha != 0"),
        ("relu", "relu:1", WrongArgument, "too many"),
        ("relu", "leaky_relu:x", WrongArgument, "no numbers"),
    ],
)
def test_bad_input(old: str, new: str, error: type[Exception], words: str) -> None:
    net = model()
    with pytest.raises(error, match=words):
        reluctant.swap(net, old, new)
    assert isinstance(net[1], nn.ReLU)
    with pytest.raises(WrongArgument, match="itself a ReLU"):
        reluctant.swap(nn.ReLU(), "relu", "silu")


@pytest.mark.parametrize(
    ("name", "function", "parameters", "twin"),
    [
        ("soft_clip", "Min(Max(z, -2), 2)*Abs(z)", {}, lambda z: z.clamp(-2, 2) * z.abs()),
        ("serf", "z*erf(log(1 + exp(z)))", {}, lambda z: z * torch.erf(F.softplus(z))),
        ("wavy", "sigmoid(z)*sin(z) + relu(z)", {}, lambda z: z.sigmoid() * z.sin() + z.relu()),
        ("bump", "beta*exp(-z**2)", {"beta": 0.3}, lambda z: 0.3 * torch.exp(-(z**2))),
        ("sinc", "Piecewise((1, Eq(z, 0)), (sin(z)/z, True))", {}, lambda z: z.sin() / z),
        ("root", "sqrt(2)*pi**2*tanh(z)", {}, lambda z: 2**0.5 * torch.pi**2 * torch.tanh(z)),
        ("mine", lambda z: z * torch.tanh(z), {}, lambda z: z * torch.tanh(z)),
    ],
)
def test_a_function_of_ones_own(name, function, parameters, twin) -> None:  # type: ignore[no-untyped-def]
    activation = reluctant.register(name, function, parameters)
    z = torch.tensor([-3.1, -1.2, -0.3, 0.4, 1.7, 2.5], dtype=torch.float64, requires_grad=True)
    call = getattr(reluctant.functional, name)
    torch.testing.assert_close(call(z), twin(z))
    assert torch.autograd.gradcheck(call, z)
    assert torch.autograd.gradgradcheck(call, z)
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    reluctant.swap(net, "relu", name)
    assert type(net[1]).__name__ == activation.module
    torch.testing.assert_close(net[1](z), call(z))
    if name == "sinc":
        (slope,) = torch.autograd.grad(call(at := torch.zeros(1, requires_grad=True)), at)
        assert slope == 0


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("relu", "z", "already"),
        ("My Relu", "z", "name"),
        ("odd", "q*z", "q"),
        ("odd", "z +* 2", "cannot be read"),
        ("odd", "sin(z)/z", "z = 0"),
        ("odd", "log(z)", "not a number"),
        ("odd", lambda z: z.sum(), "shape"),
        ("odd", lambda z: z + "x", "TypeError"),
    ],
)
def test_what_is_no_function_is_refused(name, function, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WrongArgument, match=words):
        reluctant.register(name, function)
    assert "odd" not in CATALOGUE


@pytest.mark.parametrize(
    "text",
    ["relu", "leaky_relu:0.1", "prelu", "prelu:1,0.1", "hardtanh:-2,2", "elu:0.5", "rrelu",
     "softplus:2", "max(z, a * tanh(z))"],
)  # fmt: skip
def test_what_is_drawn_is_what_the_module_computes(text: str) -> None:
    of = replacement(text)
    xs, ys = drawn(of.of, **of.parameters)["curve"]
    with torch.no_grad():
        computed = of.module().eval().double()(torch.tensor(xs, dtype=torch.float64))
    torch.testing.assert_close(torch.tensor(ys, dtype=torch.float64), computed)
