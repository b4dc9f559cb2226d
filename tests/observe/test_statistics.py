"""What is recorded, against a plain slow twin: the same run again, recomputed in float64."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest
import torch
from tests.observe.conftest import Watched
from tests.observe.nets import NETS, STEPS, Net, train
from tests.records import plain_histogram
from torch import Tensor, nn

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


@pytest.mark.parametrize(("name", "accumulate"), CASES)
def test_histograms_match_the_twin(watched: Watched, name: str, accumulate: int) -> None:
    run = watched(lambda: train(made(name), accumulate))
    twin = Twin(made(name), accumulate)
    for site in run.sites:
        assert site.layer is not None
        calls = twin.seen[run.layers[site.layer].name]
        found = run.series.histogram(site.index)
        assert found.samples.tolist() == list(range(STEPS))
        for counts, pairs in zip(found.counts, calls, strict=True):
            expected = plain_histogram(rows([z for z, _ in pairs]).ravel())
            np.testing.assert_array_equal(counts, expected)


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


def test_the_twin_notices_a_number_counted_twice(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = probes._some

    def wrong(values: Tensor) -> Tensor:
        return torch.cat([right(values), right(values)[:, :1]], dim=1)

    monkeypatch.setattr(probes, "_some", wrong)
    with pytest.raises(AssertionError):
        test_histograms_match_the_twin(watched, "Mlp", 1)


def shown(*calls: Tensor) -> probes.Activity:
    """What the shelf tells of calls of one relu on (N, U) tensors."""
    shelf, seen = probes.Shelf(), probes.Activity()
    for z in calls:
        shelf.activity(z, 1, 1, CATALOGUE["relu"].flat_regions(), seen)
    shelf.settle()
    return seen


def test_a_large_batch_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_VALUES", 1000)
    z = torch.randn(100, 30)
    seen = shown(z)
    assert seen.values == seen.inputs == 34
    torch.testing.assert_close(seen.mean, z[::3].mean(0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    z = (100 * torch.randn(5000, 4)).to(dtype)
    seen = shown(z)
    assert seen.fired.tolist() == (z > 0).sum(0).tolist()
    torch.testing.assert_close(seen.mean.double(), z.double().mean(0), rtol=1e-4, atol=1e-3)


def test_what_is_put_by_tells_what_is_read_at_once_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of one site with batches of several sizes, some read together and some at once."""
    calls = [torch.randn(size, 6) + 3 * size for size in (1, 5, 5, 40, 5, 40)]
    together = shown(*calls)
    whole = torch.cat(calls)
    assert together.inputs == together.values == len(whole)
    assert together.fired.tolist() == (whole > 0).sum(0).tolist()
    for small, room in ((0, 1 << 20), (100, 1 << 20), (1 << 16, 100)):
        monkeypatch.setattr(probes, "SMALL", small)
        monkeypatch.setattr(probes, "ROOM", room)
        other = shown(*calls)
        assert other.fired.tolist() == together.fired.tolist()
        for got in (other, together):
            torch.testing.assert_close(got.mean, whole.mean(0))
            torch.testing.assert_close(got.variance, whole.var(0, correction=0))
            torch.testing.assert_close(got.low, whole.amin(0))
            torch.testing.assert_close(got.high, whole.amax(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(50, 7), (11, 7, 3, 5), (3, 4, 5, 7)])
def test_blocks_tell_what_the_whole_tells(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """Whatever the last block's size, and where the examples differ from one to the next."""
    axis = shape.index(7)
    drift = torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1))
    z = (torch.randn(shape) + drift - 1).to(dtype)
    over = [at for at in range(len(shape)) if at != axis]
    whole = z.double()
    for block in (1, 50, 100, 10_000):
        monkeypatch.setattr(probes, "BLOCK", block)
        shelf, seen, back = probes.Shelf(), probes.Activity(), probes.Gradient()
        shelf.activity(z, axis, 1, CATALOGUE["relu"].flat_regions(), seen)
        shelf.gradient(z, axis, 1, back)
        shelf.settle()
        assert seen.fired.tolist() == (z > 0).sum(over).tolist()
        for got, expected in (
            (seen.mean, whole.mean(over)),
            (seen.variance, whole.var(over, correction=0)),
            (seen.low, whole.amin(over)),
            (seen.high, whole.amax(over)),
            (back.square, whole.square().mean(over)),
        ):
            torch.testing.assert_close(got.double(), expected, rtol=2e-6, atol=2e-6)


def test_what_is_put_by_may_be_overwritten() -> None:
    shelf, seen = probes.Shelf(), probes.Gradient()
    gradient = torch.randn(3, 4)
    expected = gradient.square().mean(0)
    shelf.gradient(gradient, 1, 1, seen)
    gradient.zero_()
    shelf.settle()
    torch.testing.assert_close(seen.square, expected)


def test_what_one_thread_puts_by_may_be_read_by_another() -> None:
    """A thread trains on while the main thread ends the run."""
    shelf, count = probes.Shelf(), 2000
    seen = [probes.Gradient() for _ in range(count)]
    gradient = torch.ones(1, 4)

    def read() -> None:
        for one in seen:
            shelf.gradient(gradient, 1, 1, one)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread = Thread(target=read, daemon=True)
        thread.start()
        while thread.is_alive():
            shelf.settle()
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    shelf.settle()
    assert [one.values for one in seen] == [1] * count


def test_tensors_of_several_kinds_come_to_the_host_as_they_were() -> None:
    one, two = torch.arange(3), torch.tensor([0.5, 2.0], dtype=torch.bfloat16)
    tensors = [one, None, two, torch.ones(4), one + 7, two]
    halved = probes.to_host(tensors, lambda numbers: numbers / 2)
    for tensor, array, half in zip(tensors, probes.to_host(tensors), halved, strict=True):
        assert (tensor is None) == (array is None)
        if tensor is not None:
            assert array.tolist() == tensor.tolist()
            assert half.tolist() == (tensor / 2).tolist()


# -- which numbers are counted ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 8), (70, 6, 35), (5, 1024), (4096, 1), (1, 12, 700)])
@pytest.mark.parametrize("backwards", [False, True])
def test_units_and_positions_are_counted_alike(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], backwards: bool
) -> None:
    """Whatever their number, and however they lie in memory."""
    monkeypatch.setattr(probes, "MOST_COUNTED", 1000)
    z = torch.arange(float(np.prod(shape))).view(shape)
    if backwards:
        z = z.transpose(0, -1).contiguous().transpose(0, -1)
    shelf, seen = probes.Shelf(), probes.Activity()
    before = torch.get_rng_state()
    shelf.activity(z, 1, 1, CATALOGUE["relu"].flat_regions(), seen)
    shelf.settle()
    assert torch.equal(before, torch.get_rng_state())
    (some,) = seen.some
    places = some.long()
    assert 0.5 * min(z.numel(), 1000) < len(places) <= 1000
    assert set(places.diff().tolist()) == {int(places[1])}, "at a fixed stride"
    turn = int(np.prod(shape[1:]))
    times = torch.bincount(places % turn, minlength=turn)
    assert times.max() - times.min() <= 1


def test_of_many_calls_the_first_are_counted() -> None:
    calls = [torch.full((3, 2), float(at)) for at in range(20)]
    some = torch.cat(shown(*calls).some)
    assert some.unique().tolist() == list(range(probes.MOST_CALLS_COUNTED))


def test_what_is_counted_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script may go on to write into its own, as a function in place does."""
    monkeypatch.setattr(probes, "SMALL", 0)
    z = torch.ones(3, 2)
    shelf, seen = probes.Shelf(), probes.Activity()
    shelf.activity(z, 1, 1, CATALOGUE["relu"].flat_regions(), seen)
    z.zero_()
    assert seen.some[0].tolist() == [1.0] * 6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_counted(watched: Watched, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 9).to(dtype)
    seen: list[Tensor] = []

    def train_once() -> None:
        z = layer(torch.randn(40, 6, dtype=dtype))
        seen.append(z.detach().clone())
        z.relu().sum().backward()
        torch.optim.SGD(layer.parameters(), lr=0.1).step()

    run = watched(train_once)
    (counts,) = run.series.histogram(0).counts
    np.testing.assert_array_equal(counts, plain_histogram(seen[0].float().numpy().ravel()))
