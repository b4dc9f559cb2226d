"""Every kind of step, against the plain one that it should be recorded as."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from tests.observe.conftest import Watched
from torch import Tensor, nn

from reluctant.diagnosis import diagnose
from reluctant.observe import clock, layers
from reluctant.record.run import Run

STEPS = 6
X = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3))


def loss_of(model: nn.Module) -> Tensor:
    return model(X).square().mean()


def plain(model: nn.Module | None = None) -> None:
    model = net() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def scaled(fused: bool, scale: float = 2.0**10, factor: float = 1.0) -> None:
    """As `plain`: all scales are powers of two, so that scaling loses nothing."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(factor * loss_of(model)).backward()
        scaler.step(optimizer)
        scaler.update()


def unscaled_by_hand() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(loss_of(model)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1e6)
        scaler.step(optimizer)
        scaler.update()


def by_hand() -> None:
    model = net()
    for _ in range(STEPS):
        model.zero_grad()
        loss_of(model).backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 0.125 * weight.grad


def gradients_asked_for() -> None:
    """`torch.autograd.grad` instead of `backward()`, put where an optimizer finds them."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    for _ in range(STEPS):
        weights = list(model.parameters())
        found = torch.autograd.grad(loss_of(model), weights)
        for weight, gradient in zip(weights, found, strict=True):
            weight.grad = gradient
        optimizer.step()


def evaluated_in_between() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    for _ in range(STEPS):
        model.eval()
        model(100 * X).sum().item()  # with gradients on
        with torch.no_grad():
            model(-100 * X)
        model.train()
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def in_parts() -> None:
    """Accumulated: all parts are of one size, so that their mean is the whole's."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    for _ in range(STEPS):
        optimizer.zero_grad()
        for part in X.chunk(4):
            (model(part).square().mean() / 4).backward()
        optimizer.step()


def with_a_closure() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    for _ in range(STEPS):
        optimizer.step(closure)


def in_another_thread() -> None:
    """Every step is a thread's of its own."""
    from threading import Thread

    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()

    for _ in range(STEPS):
        thread = Thread(target=step, daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()


WAYS: dict[str, Callable[[], None]] = {
    "scaled": lambda: scaled(fused=False),
    "scaled, the optimizer unscales": lambda: scaled(fused=True),
    "unscaled by hand": unscaled_by_hand,
    "by hand": by_hand,
    "gradients asked for": gradients_asked_for,
    "evaluated in between": evaluated_in_between,
    "with a closure": with_a_closure,
}


def read_in_part(values: Any, stride: int) -> Any:
    return values[:, ::stride] if values.ndim == 2 else values


def check_same(run: Run, other: Run, rtol: float, without: tuple[str, ...] = ()) -> None:
    """All series and samples are the same, or the part of the other's that was read."""
    assert [site.name for site in run.sites] == [site.name for site in other.sites]
    assert [at.step for at in run.samples] == [at.step for at in other.samples]
    for get, items in ((run.series.site, run.sites), (run.series.layer, run.layers)):
        twin = other.series.site if items is run.sites else other.series.layer
        for item in items:
            left, right = get(item.index), twin(item.index)
            for column in fields(left):
                if column.name in without:
                    continue
                got = getattr(left, column.name)
                wanted = read_in_part(getattr(right, column.name), item.stride)
                name = f"{item.name} {column.name}"
                np.testing.assert_allclose(got, wanted, rtol, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_a_step_is_recorded_as_the_plain_one(
    watched: Watched, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = watched(plain)
    if way == "by hand":
        # Other tests have made optimizers in this process.
        monkeypatch.setattr(clock, "_BACKWARDS_WITHOUT_STEP", 1)
    run = watched(WAYS[way])
    losses = [sample.loss for sample in run.samples]
    if way == "by hand":
        # The last update, after the last backward pass, is nobody's step.
        assert len(run.samples) == STEPS
    if way != "gradients asked for":
        np.testing.assert_allclose(losses, [at.loss for at in other.samples], rtol=1e-6)
    check_same(run, other, rtol=2e-5)


def test_accumulation_is_recorded_as_one_step(watched: Watched) -> None:
    # The loss of a part is that of a quarter, and so are its gradients at the sites.
    check_same(watched(in_parts), watched(plain), 2e-5, ("gradient_in", "gradient_out"))


def test_a_thread_of_its_own_for_every_step(watched: Watched) -> None:
    """Modes are a thread's own: the first thread's activations alone can be seen."""
    run = watched(in_another_thread)
    assert [sample.step for sample in run.samples] == list(range(STEPS))
    assert len(run.layers) == 3


def test_skipped_steps_are_recorded_as_skipped(watched: Watched) -> None:
    for fused in (False, True):
        run = watched(lambda fused=fused: scaled(fused, 2.0**123, factor=64))
        skipped = [sample.skipped for sample in run.samples]
        assert skipped[0]
        assert not all(skipped)
        assert all(sample.loss is not None for sample in run.samples if not sample.skipped)
        series = run.series.layer(0)
        taken = [at.index for at in run.samples if not at.skipped]
        assert series.samples.tolist() == taken
        assert np.isfinite(series.gradient).all()
        assert "non-finite" not in {finding.slug for finding in diagnose(run).findings}


def test_of_large_networks_every_so_many_units_are_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = watched(plain)
    monkeypatch.setattr(layers, "MOST_ROWS", 11)
    run = watched(plain)
    assert [layer.stride for layer in run.layers] == [3, 2, 1]
    assert [site.stride for site in run.sites] == [3, 2]
    check_same(run, whole, rtol=1e-5)


def test_a_part_that_is_never_built_does_no_harm(watched: Watched) -> None:
    def train() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        model.spare = nn.LazyLinear(3)
        model.forward = lambda x: nn.Sequential.forward(model[:5], x)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()

    check_same(watched(train), watched(plain), rtol=1e-6)


def test_what_observation_costs_is_told_as_it_goes_on(watched: Watched) -> None:
    costs = [sample.observing for sample in watched(plain).samples]
    assert costs[0] == 0
    assert all(known is not None and known > 0 for known in costs[1:])
    assert costs == sorted(costs)  # type: ignore[type-var]
