"""What is recorded, against a plain slow twin: the same run again, recomputed in float64."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.observe.conftest import Watched
from tests.observe.nets import NETS, STEPS, Net, train
from torch import Tensor

from reluctant.activations import CATALOGUE
from reluctant.observe import probes
from reluctant.record.run import Run, SiteSeries

# Sums of a few hundred float32 numbers, against the same in float64.
CLOSE = {"rtol": 2e-5, "atol": 1e-7}


def rows(values: list[Tensor]) -> np.ndarray:
    """(values, U) in float64: units last for (N, U) and (N, T, U), dimension 1 for images."""
    flat = [v.movedim(1, -1) if v.dim() == 4 else v for v in values]
    return torch.cat([v.detach().double().flatten(0, -2) for v in flat]).numpy()


class Twin:
    """Trains a net with nobody watching and keeps everything."""

    def __init__(self, net: Net, accumulate: int) -> None:
        self.seen: dict[str, list[list[tuple[Tensor, Tensor]]]] = defaultdict(
            lambda: [[] for _ in range(STEPS)]
        )
        self.gradients: list[dict[str, np.ndarray]] = []
        self.weights: list[dict[str, np.ndarray]] = []
        self.step = 0
        net.tap = self.tap
        self.net = net
        train(net, accumulate, self.after)
        self.weights.append(self.copy())

    def tap(self, name: str, z: Tensor, a: Tensor) -> None:
        z.retain_grad()
        a.retain_grad()
        self.seen[name][self.step].append((z, a))

    def after(self, step: int) -> None:
        self.weights.append(self.copy())
        self.gradients.append(
            {name: p.grad.double().numpy() for name, p in self.net.named_parameters()}
        )
        self.step = step + 1

    def copy(self) -> dict[str, np.ndarray]:
        return {n: p.detach().double().clone().numpy() for n, p in self.net.named_parameters()}


def made(name: str) -> Net:
    torch.manual_seed(0)
    return NETS[name]()


CASES = [(name, accumulate) for name in NETS for accumulate in (1, 2)]


@pytest.mark.parametrize(("name", "accumulate"), CASES)
def test_activities_match_the_twin(watched: Watched, name: str, accumulate: int) -> None:
    run = watched(lambda: train(made(name), accumulate))
    twin = Twin(made(name), accumulate)
    assert len(run.sites) == len(twin.seen)
    for layer, series, facts in by_layer(run):
        for step, calls in enumerate(twin.seen[layer]):
            check_activity(series, step, rows([z for z, _ in calls]), facts)
            assert series.inputs[step] == made(name).shape[0]
            for got, place in ((series.gradient_in, 0), (series.gradient_out, 1)):
                gradient = rows([pair[place].grad for pair in calls])
                rms = np.sqrt((gradient**2).mean(axis=0))
                np.testing.assert_allclose(got[step], rms, rtol=2e-5, atol=1e-9)


def by_layer(run: Run) -> Iterator[tuple[str, SiteSeries, tuple[tuple[float, float], ...]]]:
    for site in run.sites:
        assert site.layer is not None
        name = run.layers[site.layer].name
        yield name, run.series.site(site.index), run.functions[site.function].flat


def check_activity(
    series: SiteSeries, step: int, z: np.ndarray, flat: tuple[tuple[float, float], ...]
) -> None:
    inside = np.zeros(z.shape, dtype=bool)
    for low, high in flat:
        inside |= (z >= low) & (z <= high)
    assert series.values[step] == len(z)
    np.testing.assert_array_equal(series.fired[step], (~inside).sum(axis=0))
    np.testing.assert_allclose(series.mean[step], z.mean(axis=0), **CLOSE)
    np.testing.assert_allclose(series.std[step], z.std(axis=0), **CLOSE)
    np.testing.assert_array_equal(series.low[step], z.min(axis=0).astype(np.float32))
    np.testing.assert_array_equal(series.high[step], z.max(axis=0).astype(np.float32))


@pytest.mark.parametrize("name", NETS)
def test_rows_match_the_twin(watched: Watched, name: str) -> None:
    run = watched(lambda: train(made(name)))
    twin = Twin(made(name), 1)
    matrices = {n: w for n, w in twin.weights[0].items() if w.ndim >= 2}
    assert {layer.name for layer in run.layers} == {n.removesuffix(".weight") for n in matrices}
    for layer in run.layers:
        series = run.series.layer(layer.index)
        name = layer.name if layer.name in matrices else f"{layer.name}.weight"
        others = tuple(range(1, matrices[name].ndim))
        for step in range(STEPS):
            before, after = twin.weights[step][name], twin.weights[step + 1][name]
            norm = np.sqrt((before**2).sum(axis=others))
            change = np.sqrt(((after - before) ** 2).sum(axis=others))
            gradient = np.sqrt((twin.gradients[step][name] ** 2).sum(axis=others))
            np.testing.assert_allclose(series.weight[step], norm, **CLOSE)
            # The difference of two float32 numbers of size one has 24 bits less its own size's.
            np.testing.assert_allclose(series.update[step], change / norm, rtol=1e-3)
            np.testing.assert_allclose(series.gradient[step], gradient, rtol=2e-5, atol=1e-9)
            bias = twin.weights[step].get(name.replace("weight", "bias"))
            if bias is not None:
                np.testing.assert_allclose(series.bias[step], bias, **CLOSE)


def test_the_twin_notices_a_wrong_probe(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting zero as firing, or taking the wrong axis, is found out."""
    right = probes._fired

    def off_by_one(*args: object) -> Tensor:
        return right(*args) + 1  # type: ignore[arg-type]

    monkeypatch.setattr(probes, "_fired", off_by_one)
    with pytest.raises(AssertionError):
        test_activities_match_the_twin(watched, "Mlp", 1)


def test_a_large_batch_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_VALUES", 1000)
    z = torch.randn(100, 30)
    seen = probes.Activity.of(z, 1, CATALOGUE["relu"].flat_regions())
    assert seen.values == seen.inputs == 34
    torch.testing.assert_close(seen.mean, z[::3].mean(0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    z = (100 * torch.randn(5000, 4)).to(dtype)
    seen = probes.Activity.of(z, 1, CATALOGUE["relu"].flat_regions())
    assert seen.fired.tolist() == (z > 0).sum(0).tolist()
    torch.testing.assert_close(seen.mean.double(), z.double().mean(0), rtol=1e-4, atol=1e-3)
