"""Compiled, exported and converted: the same as in eager mode."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from tests.functional.cases import LEANS, USUAL, Case, gradient, over
from tests.functional.test_values import extremes
from torch import Tensor, nn

from reluctant import functional
from reluctant.activations.kernels.compiled import hashed_slopes

SLOW = (
    "relu", "leaky_relu", "prelu", "relu6", "squared_relu", "mish", "gelu_tanh", "swiglu", "maxout"
)  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def inputs(case: Case) -> Tensor:
    """(2, 6, n), the kinks among them where a function has some."""
    z = case.inputs(torch.float32).view(2, 6, 4)
    edges = list(case.edges())
    if case.name == "jumprelu":
        edges = case.learnt(torch.float32)[0].tolist()
    return torch.cat([z, *(torch.full((2, 6, 1), edge) for edge in edges)], 2)


def gradients(net: nn.Module, z: Tensor) -> list[Tensor]:
    z = z.detach().requires_grad_()
    return list(torch.autograd.grad(net(z).sum(), [z, *net.parameters()]))


def check_compiled(case: Case, backend: str) -> None:
    net, z = case.module(), inputs(case)
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(z), net(z))
    wanted, got = gradients(net, z), gradients(compiled, z)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=2e-6)
    for at, slope in enumerate(case.edges().values(), start=4):
        assert got[0][..., at].flatten().tolist() == pytest.approx([slope] * 12, abs=1e-6)


@over(USUAL)
def test_compiled(case: Case) -> None:
    check_compiled(case, "aot_eager")


@pytest.mark.slow
@over([Case(name) for name in SLOW])
def test_compiled_to_machine_code(case: Case) -> None:
    check_compiled(case, "inductor")


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_slopes_are_drawn(backend: str) -> None:
    """Uniform, each by itself, the same in both passes, by the seed, and anew with each call."""
    low, high, count = 0.25, 0.75, 1 << 16
    z = torch.full((count // 64, 64), -2.0, dtype=torch.float64).index_fill_(1, torch.tensor(5), 3)

    @torch.compile(fullgraph=True, backend=backend)
    def rrelu(z: Tensor) -> Tensor:
        return functional.rrelu(z, low, high, training=True)

    def drawn(z: Tensor) -> tuple[Tensor, Tensor]:
        torch.manual_seed(3)
        z = z.detach().requires_grad_()
        y = rrelu(z)
        return y.detach(), torch.autograd.grad(y.sum(), z)[0]

    y, slope = drawn(z)
    torch.testing.assert_close(y, z * slope)
    assert (slope[:, 5] == 1).all()
    assert torch.equal(drawn(z)[0], y)
    assert not torch.equal(rrelu(z), y)

    shares = ((slope[z < 0] - low) / (high - low)).sort().values
    assert 0 <= shares[0] <= shares[-1] <= 1
    # Kolmogorov and Smirnov: further apart than 1.95 in one of a thousand draws.
    apart = (shares - torch.linspace(0, 1, len(shares), dtype=torch.float64)).abs().max()
    assert apart * len(shares) ** 0.5 < 1.95
    deviation = slope[z < 0] - slope[z < 0].mean()
    for distance in (1, 2, 63, 126):
        together = (deviation[:-distance] * deviation[distance:]).mean() / deviation.square().mean()
        assert together.abs() * len(deviation) ** 0.5 < 4


@pytest.mark.parametrize("shape", [(16, 512), (2, 3, 56, 56), (2, 90, 7, 7), (3, 7), (0, 512)])
def test_a_slope_is_drawn_by_its_place_alone(shape: tuple[int, ...]) -> None:
    """However a loop goes over the elements: in one dimension they are counted."""
    z, seed = torch.zeros(shape), torch.tensor([12_345, -98_765], dtype=torch.int32)
    slopes = hashed_slopes(z, seed, 0.25, 0.75)
    assert slopes.shape == z.shape
    assert torch.equal(slopes.flatten(), hashed_slopes(z.flatten(), seed, 0.25, 0.75))
    assert slopes.unique().numel() > 0.99 * z.numel() or not z.numel()


_JUMP = partial(functional.jumprelu, bandwidth=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "dtype", "tolerance", "shape"),
    [
        *((functional.prelu, torch.float64, 1e-12, at) for at in [(17, 24), (3, 24, 5)]),
        (functional.prelu, torch.float32, 1e-5, (16, 24)),
        *((functional.prelu, torch.bfloat16, 2**-7, at) for at in [(16, 24), (8, 24, 3, 5)]),
        *((_JUMP, torch.float64, 1e-12, at) for at in [(3, 24), (8, 24, 3, 5)]),
    ],
)
def test_a_slope_a_channel_gets_the_sum_over_all_else(
    function: Callable[..., Tensor], dtype: torch.dtype, tolerance: float, shape: tuple[int, ...]
) -> None:
    z, along = torch.randn(shape, dtype=dtype).requires_grad_(), torch.randn(shape, dtype=dtype)
    if len(shape) == 4:
        along = along.to(memory_format=torch.channels_last)
    weight = torch.rand(24, dtype=dtype).requires_grad_()
    compiled = torch.compile(function, fullgraph=True)
    got = torch.autograd.grad(compiled(z, weight), [z, weight], along)
    exact = [at.detach().double().requires_grad_() for at in (z, weight)]
    wanted = torch.autograd.grad(function(*exact), exact, along.double())
    torch.testing.assert_close(
        [at.double() for at in got], list(wanted), rtol=tolerance, atol=tolerance
    )


@over(USUAL)
def test_no_finite_input_gives_a_nan(case: Case) -> None:
    net = case.module()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    for dtype in (torch.float32, torch.bfloat16):
        net.to(dtype)
        z = extremes(case, dtype)
        assert not compiled(z).isnan().any()
        bad = z[gradient(compiled, z).isnan()].tolist()
        assert not bad, f"gradient in {dtype} at {bad[:3]}"


@pytest.mark.parametrize("lean", LEANS)
@over([Case(name) for name in ("leaky_relu", "silu", "softplus", "prelu", "crelu", "maxout")])
def test_what_is_kept_is_the_compilers_choice(case: Case, lean: object) -> None:
    """`lean` breaks no graph."""
    net, z = case.module(lean=lean), inputs(case)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(gradient(compiled, z), gradient(net, z), rtol=1e-5, atol=2e-4)


@over(USUAL)
def test_exported(case: Case) -> None:
    net, z = case.module(), inputs(case)
    program = torch.export.export(net, (z,))
    torch.testing.assert_close(program.module()(z), net(z))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@over(USUAL)
def test_onnx(case: Case) -> None:
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"`pip install {package}` to test it")
    from onnx.reference import ReferenceEvaluator

    net, z = case.module(), inputs(case)
    program = torch.onnx.export(net, (z,), dynamo=True, verbose=False)
    (name,) = (at.name for at in program.model_proto.graph.input)
    (y,) = ReferenceEvaluator(program.model_proto).run(None, {name: z.numpy()})
    torch.testing.assert_close(torch.as_tensor(y), net(z).detach())
