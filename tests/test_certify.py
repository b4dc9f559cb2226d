"""What is certified holds: no input in the box takes a unit there, whatever the network."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import reluctant
from reluctant.activations import CATALOGUE
from reluctant.diagnosis import certify
from reluctant.diagnosis.certify import Box, Intervals, Prover
from reluctant.record.run import Function, Run, Weights
from tests.commands import reluctant as command

FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": partial(nn.LeakyReLU, 0.1),
    "threshold": partial(nn.Threshold, 0.3, -0.2),
    "hardtanh": partial(nn.Hardtanh, -0.37, 0.61),
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": partial(nn.ELU, 1.7),
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
}
POOLS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "largest": partial(nn.MaxPool2d, 2, padding=1),
    "mean": partial(nn.AvgPool2d, 2, padding=1),
    "means": partial(nn.AdaptiveAvgPool2d, 2),
}


def rows(function: str, sizes: list[int]) -> tuple[nn.Module, tuple[int, ...]]:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), FUNCTIONS[function]()]
    return nn.Sequential(*layers), (16, sizes[0])


def images(function: str, pool: str, padding: int | str) -> tuple[nn.Module, tuple[int, ...]]:
    convolutions = nn.Sequential(
        nn.Conv2d(4, 6, 2, padding=padding) if padding == "same" else
        nn.Conv2d(4, 6, 3, padding=padding, stride=2), FUNCTIONS[function](), POOLS[pool](),
        nn.Conv2d(6, 4, 2, groups=2), FUNCTIONS[function](), nn.Flatten(),
    )  # fmt: skip
    shape = (8, 4, 9, 9)
    features = convolutions(torch.zeros(shape)).shape[1]
    return nn.Sequential(*convolutions, nn.Linear(features, 5), FUNCTIONS[function]()), shape


functions = st.sampled_from(sorted(FUNCTIONS))
sizes = st.lists(st.integers(1, 9), min_size=2, max_size=5)
networks = st.builds(rows, functions, sizes) | st.builds(
    images, functions, st.sampled_from(sorted(POOLS)), st.sampled_from([0, 1, 2, "same"])
)


def recorded(model: nn.Module, fed: Tensor) -> Run:
    """Train it for two steps, watched."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    with tempfile.TemporaryDirectory() as place:
        with reluctant.watch(model, optimizer, every=1, out=Path(place) / "run") as watching:
            for _ in range(2):
                optimizer.zero_grad()
                model(fed).square().mean().backward()
                optimizer.step()
        run = watching.run()
        # The folder goes, and what is read late with it.
        for layer in run.layers:
            run.series.weights(layer.index)
    return run


def inputs_of_functions(model: nn.Module, x: Tensor) -> list[np.ndarray]:
    """What each function of a sequential model is fed, as (U, values)."""
    found = []
    for module in model:
        if isinstance(module, tuple(map(type, (make() for make in FUNCTIONS.values())))):
            found.append(x.transpose(0, 1).flatten(1).double().numpy())
        x = module(x)
    return found


@torch.no_grad()
def check_bounds(model: nn.Module, run: Run, shape: tuple[int, ...], box: Box | None) -> None:
    """Whatever the input, each unit stays in its interval, and on the flat if that is certain."""
    prover = Prover(run, box)
    if box is None:
        limits = run.series.limits(0)
        assert limits is not None
        low, high = (torch.from_numpy(at.copy()) for at in limits)
    else:
        low, high = torch.full((shape[1],), box.low), torch.full((shape[1],), box.high)
    low, high = (at.reshape(1, -1, *[1] * (len(shape) - 2)) for at in (low, high))
    within = torch.rand(64, *shape[1:])
    for dtype in (torch.float32, torch.float64):
        for share in (within, within.round()):  # the latter are corners of the box
            x = torch.minimum(low + share * (high - low), high)
            seen = inputs_of_functions(model.to(dtype), x.to(dtype))
            model.to(torch.float32)
            for site, z in zip(run.sites, seen, strict=True):
                at = prover.before(site.index)
                # NaN, where training has thrown the weights that far, is in no interval.
                assert not (z < at.low[:, None]).any()
                assert not (z > at.high[:, None]).any()
                flat = run.functions[site.function].flat
                for values in z[prover.certain(site)]:
                    assert any(((a <= values) & (values <= b)).all() for a, b in flat)


@settings(max_examples=60)
@given(
    networks,
    st.integers(0, 999),
    st.sampled_from([0.1, 1.0, 30.0]),
    st.sampled_from([0.0, -3.0]),
    st.booleans(),
)
def test_no_input_leaves_the_intervals(
    network: tuple[nn.Module, tuple[int, ...]], seed: int, scale: float, bias: float, observed: bool
) -> None:
    model, shape = network
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) + bias * (parameter.dim() == 1))
    run = recorded(model, scale * torch.randn(shape))
    check_bounds(model, run, shape, None if observed else Box(-scale, 0.5 * scale))


def wrong(at: Intervals, weights: Weights) -> Intervals:
    """A bound that forgets that a negative weight turns an interval round."""
    assert weights.weight is not None
    weight = weights.weight.astype(np.float64).sum(axis=2)
    bias = 0.0 if weights.bias is None else weights.bias
    return Intervals(weight @ at.low + bias, weight @ at.high + bias)


def test_a_wrong_bound_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, shape = rows("relu", [5, 8, 4])
    run = recorded(model, torch.randn(shape))
    check_bounds(model, run, shape, None)
    monkeypatch.setattr(certify, "product", wrong)
    with pytest.raises(AssertionError):
        check_bounds(model, run, shape, None)


def test_rounding_is_allowed_for() -> None:
    """float32 does not come to the exact sum, but to somewhere in the interval about it."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(400, generator=generator), torch.randn(50, 400, generator=generator)
    exact = (weight.double() @ x.double()).numpy()
    point = x.double().numpy()
    at = certify.product(
        Intervals(point, point), Weights(weight[..., None].numpy(), None, 2.0**-24)
    )
    for found in (weight @ x, weight.flip(1) @ x.flip(0), (weight * x).cumsum(1)[:, -1]):
        assert (found.double().numpy() != exact).any()
        assert (at.low <= found.numpy()).all()
        assert (found.numpy() <= at.high).all()
    assert (at.high - at.low < 0.05).all()


def test_the_interval_of_a_first_layer_is_attained() -> None:
    torch.manual_seed(0)
    model, shape = rows("relu", [5, 8])
    run = recorded(model, torch.randn(shape))
    at = Prover(run, Box(-1.0, 2.0)).before(0)
    with torch.no_grad():
        corner = torch.where(model[0].weight > 0, 2.0, -1.0)
        reached = (model[0].weight * corner).sum(1) + model[0].bias
    np.testing.assert_allclose(at.high, reached.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_a_function_makes_of_intervals(name: str) -> None:
    activation = CATALOGUE[name]
    rise, straight = activation.rise()
    if not activation.monotone or activation.trainable or activation.drawn:
        assert rise == ((), ())
        return
    generator = torch.Generator().manual_seed(0)
    scale = 10 ** torch.linspace(-3, 5, 400, dtype=torch.float64)
    ends = torch.randn(2, 400, generator=generator, dtype=torch.float64) * scale
    low, high = ends.amin(0), ends.amax(0)
    at = certify.image(
        Function(0, name, rise=rise, straight=straight), Intervals(low.numpy(), high.numpy())
    )
    for share in torch.linspace(0, 1, 21, dtype=torch.float64):
        found = activation(torch.minimum(low + share * (high - low), high)).numpy()
        assert (at.low <= found).all()
        assert (found <= at.high).all()
    # And not by much more than a step between two points, which grow to a tenth of what they are.
    step = 0.0 if straight else 0.05 + 0.1 * ends.abs().amax(0).numpy()
    steepest = activation.derivative(ends, **activation.parameters).abs().max().item()
    room = (steepest * step + 1e-5 * (1 + ends.abs().amax(0).numpy()))[:300]
    assert ((at.high - activation(high).numpy())[:300] <= room).all()
    assert ((activation(low).numpy() - at.low)[:300] <= room).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("leaky_relu", {"negative_slope": -0.5}),
        ("threshold", {"threshold": 0.0, "value": 2.0}),
        ("elu", {"alpha": -1.0}),
    ],
)
def test_a_function_that_falls_for_its_parameters_has_no_bounds(
    name: str, parameters: dict[str, float]
) -> None:
    assert CATALOGUE[name].rise(**parameters) == (((), ()), False)


SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
def main():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias.fill_(1.0)
        model[2].bias.fill_(1.0)
        model[0].bias[0] = -10       # out of reach of anything between -1 and 1
        model[0].weight[5] = torch.tensor([3.0, -3.0, 0.0, 0.0])
        model[0].bias[5] = -0.5      # would fire if the first two features were ever apart
        model[2].bias[1] = -10
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(30):
        x = torch.rand(64, 4) * 2 - 1
        x[:, 1] = x[:, 0]
        optimizer.zero_grad()
        (model(x) - x[:, :2]).square().mean().backward()
        optimizer.step()
        if {killed}:
            import os
            os.kill(os.getpid(), 9)
main()
"""


@pytest.mark.slow
class TestCommand:
    def record(self, place: Path, killed: str = "False") -> Path:
        (place / "train.py").write_text(SCRIPT.replace("{killed}", killed))
        command("run", "--quiet", "--every", "1", "--out", "rec", "train.py", cwd=place)
        return place / "rec"

    def test_the_certain_and_the_merely_unseen_are_told_apart(self, tmp_path: Path) -> None:
        record = self.record(tmp_path)
        text = " ".join(command("diagnose", record, "--certify", cwd=tmp_path).out.split())
        assert (
            "1 of 2 dead units is dead for every input in the observed range; the other was only "
            "not seen to fire." in text
        )
        assert "1 of 1 dead unit is dead for every input in the observed range." in text
        done = command("diagnose", record, "--certify", "--format", "json", cwd=tmp_path)
        found = {
            at["layer"]: at for at in json.loads(done.out)["findings"] if at["slug"] == "dead-units"
        }
        assert found["0"]["units"]["indices"] == [0, 5]
        assert found["0"]["certain"]["units"] == {"count": 1, "of": 8, "indices": [0]}
        assert found["2"]["certain"]["units"]["indices"] == [1]

    def test_a_wider_box_makes_less_certain(self, tmp_path: Path) -> None:
        record = self.record(tmp_path)
        wide = command("diagnose", record, "--certify", "--box", "-100,100", cwd=tmp_path)
        assert wide.code == 0
        text = " ".join(wide.out.split())
        assert (
            "0 of 2 dead units are dead for every input between −100 and 100; they were only not "
            "seen to fire." in text
        )
        for box in ("1", "2,1", "a,b", "0,inf", "nan,1", "1,2,3"):
            done = command("diagnose", record, "--certify", "--box", box, cwd=tmp_path)
            assert (done.code, done.out) == (2, "")
            assert "is not LOW,HIGH: two numbers, the lower first." in done.err
        done = command("diagnose", record, "--box", "0,1", cwd=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert "--box goes with --certify." in done.err

    def test_a_run_that_was_killed_has_nothing_to_certify(self, tmp_path: Path) -> None:
        record = self.record(tmp_path, killed="_ == 20")
        done = command("diagnose", record, "--certify", cwd=tmp_path)
        assert done.code == 0, done.err
        text = " ".join(done.out.split())
        assert "Nothing can be certified: weights are kept when a run ends" in text
        assert "Certify a run that has come to its end." in text
