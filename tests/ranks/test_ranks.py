"""Trainings in two processes: the same as plainly, and recorded as if they were one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from reluctant import diagnose
from reluctant.record import merging
from reluctant.record.run import Run
from tests.cli.test_same import check_bit_equal
from tests.ranks.conftest import SIZE, Ran, Runs
from tests.ranks.scripts import SCRIPTS
from tests.ranks.training import STEPS, net
from tests.ranks.twin import Twin
from tests.records import plain_histogram

OPTIONS: dict[str, tuple[object, ...]] = {
    "plainly": (),
    "by budget": ("--quiet",),
    "at every step": ("--every", 1),
    "at some steps": ("--every", 4),
    "parameters alone": ("--every", 1, "--observe", "parameters"),
}
COMPILED = [name for name in SCRIPTS if "compiled" in name]
EXACT = [name for name in SCRIPTS if name not in COMPILED]
# Sums of some dozen float32 numbers, against the same in float64.
CLOSE = {"rtol": 2e-5, "atol": 1e-7}

Ways = Callable[[str, str], Ran]


@pytest.fixture(scope="module")
def ran(runs: Runs) -> Ways:
    """Runs a script one way or another; each way once."""

    @cache
    def run(name: str, how: str) -> Ran:
        return runs(SCRIPTS[name], *OPTIONS[how], arguments=("fails",))

    return run


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin(SIZE)


# -- the script --------------------------------------------------------------------------------


def check_same(plain: Ran, watched: Ran) -> None:
    """Output, how many operations of the process group it counts among it, exit code, weights."""
    for rank, (one, other) in enumerate(zip(plain.ranks, watched.ranks, strict=True)):
        assert one.code == (3 if rank == 1 else 0), one.err
        assert (other.code, other.out) == (one.code, one.out), other.err
    for one, other in zip(weights(plain), weights(watched), strict=True):
        check_bit_equal(one, other)


def weights(ran: Ran) -> list[Path]:
    """The file that each rank left."""
    return [ran.folder / f"rank-{rank}" / f"weights-{rank}.pt" for rank in range(SIZE)]


WATCHED = [(name, "at every step") for name in EXACT]
WATCHED += [(name, "by budget") for name in ("ddp", "fsdp")]
WATCHED += [(name, "parameters alone") for name in COMPILED]


@pytest.mark.parametrize(("name", "how"), WATCHED)
def test_the_script_is_the_same(ran: Ways, name: str, how: str) -> None:
    check_same(ran(name, "plainly"), ran(name, how))
    assert ran(name, how).run.info.failure is None


def operations(ran: Ran) -> list[int]:
    return [
        int(line.split()[1])
        for done in ran.ranks
        for line in done.out.splitlines()
        if line.startswith("operations")
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_added_to_what_the_ranks_say_to_one_another(ran: Ways, name: str) -> None:
    plain = operations(ran(name, "plainly"))
    assert min(plain) > STEPS
    assert operations(ran(name, "at every step")) == plain


TALKS = """
from reluctant.observe.observer import Observer
sample = Observer._sample
def talks(*arguments):
    dist.barrier()
    sample(*arguments)
Observer._sample = talks
"""


def test_an_observer_that_talks_is_found_out(runs: Runs, ran: Ways) -> None:
    script = SCRIPTS["ddp"].replace("model = net()", TALKS + "model = net()")
    talking = runs(script, "--every", 4, arguments=("fails",))
    added = [at - 3 for at in operations(talking)]
    assert added == operations(ran("ddp", "plainly"))


# -- the record --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_sites_are_those_of_all_ranks(ran: Ways, twin: Twin, name: str) -> None:
    check_sites(ran(name, "at every step").run, twin)


def check_sites(run: Run, twin: Twin) -> None:
    names = {site.name: site for site in run.sites}
    assert set(names) == {"1:relu", "3:gelu", "5:tanh"}
    for name, site in names.items():
        module = name.partition(":")[0]
        assert site.layer is not None
        assert run.layers[site.layer].name == str(int(module) - 1)
        assert [run.sites[at].name for at in run.layers[site.layer + 1].inputs] == [name]
        series, flat = run.series.site(site.index), run.functions[site.function].flat
        assert run.steps[series.samples].tolist() == list(range(STEPS))
        for step in range(STEPS):
            call = twin.calls[step][module]
            z, inside = call.inputs, np.zeros(call.inputs.shape, dtype=bool)
            for low, high in flat:
                inside |= (z >= low) & (z <= high)
            assert series.inputs[step] == series.values[step] == len(z) == 40
            np.testing.assert_array_equal(series.fired[step], (~inside).sum(axis=0))
            np.testing.assert_allclose(series.mean[step], z.mean(axis=0), **CLOSE)
            np.testing.assert_allclose(series.std[step], z.std(axis=0), **CLOSE)
            np.testing.assert_allclose(series.low[step], z.min(axis=0), **CLOSE)
            np.testing.assert_allclose(series.high[step], z.max(axis=0), **CLOSE)
            for seen, expected in (
                (series.gradient_in[step], call.gradient_in),
                (series.gradient_out[step], call.gradient_out),
            ):
                rms = np.sqrt((expected**2).mean(axis=0))
                np.testing.assert_allclose(seen, rms, rtol=2e-5, atol=1e-9)
            counts = run.series.histogram(site.index).counts[step]
            assert counts.sum() == z.size
            # A number at an edge may be rounded to the other side of it.
            assert np.abs(counts - plain_histogram(z.ravel())).sum() <= 2


@pytest.mark.parametrize("name", EXACT)
def test_rows_are_those_of_one_process(ran: Ways, twin: Twin, name: str) -> None:
    check_rows(ran(name, "at every step").run, twin)


def check_rows(run: Run, twin: Twin) -> None:
    ordered = sorted(run.layers, key=lambda layer: layer.order)
    assert [layer.name for layer in ordered] == ["0", "2", "4", "6"]
    assert [(layer.kind, layer.units) for layer in ordered] == [
        ("Linear", units) for units in (16, 13, 4, 1)
    ]
    for layer in ordered:
        series = run.series.layer(layer.index)
        assert run.steps[series.samples].tolist() == list(range(STEPS))
        weight, bias = f"{layer.name}.weight", f"{layer.name}.bias"
        for step in range(STEPS):
            before, after = twin.weights[step], twin.weights[step + 1]
            norm = np.linalg.norm(before[weight], axis=1)
            change = np.linalg.norm(after[weight] - before[weight], axis=1)
            gradient = np.linalg.norm(twin.gradients[step][weight], axis=1)
            np.testing.assert_allclose(series.weight[step], norm, **CLOSE)
            # The difference of two float32 numbers of size one has 24 bits less its own size's.
            np.testing.assert_allclose(series.update[step], change / norm, rtol=1e-3)
            np.testing.assert_allclose(series.gradient[step], gradient, rtol=2e-5, atol=1e-9)
            np.testing.assert_allclose(series.bias[step], before[bias], **CLOSE)


@pytest.mark.parametrize("name", EXACT)
def test_losses_are_the_mean_of_all(ran: Ways, twin: Twin, name: str) -> None:
    run = ran(name, "at every step").run
    np.testing.assert_allclose(run.losses, twin.losses, rtol=1e-6)
    assert run.steps.tolist() == list(range(STEPS))
    assert run.info.steps == STEPS


@pytest.mark.parametrize("name", EXACT)
def test_every_parameter_is_known_to_train(ran: Ways, name: str) -> None:
    """Sharded ones by what an optimizer has of them, and not by what stands for them."""
    run = ran(name, "at every step").run
    assert {at.name: at.shape for at in run.parameters} == {
        at: tuple(parameter.shape) for at, parameter in net().named_parameters()
    }
    for parameter in run.parameters:
        assert parameter.optimized
        assert parameter.wanted
        assert parameter.first_gradient == 0
    assert "no-gradient" not in [finding.slug for finding in diagnose(run).findings]


def test_the_twin_notices_a_rank_left_out(
    ran: Ways, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deliberately wrong reader believes the first rank."""
    for name, check, joined in (
        ("ddp", check_sites, "merge"),
        ("ddp", check_sites, "pool"),
        ("fsdp", check_rows, "assemble"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(merging, joined, lambda parts: parts[0])
            with pytest.raises(AssertionError):
                check(ran(name, "at every step").run, twin)


# -- compiled ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_models_agree_to_rounding(ran: Ways, name: str) -> None:
    plain, watched = ran(name, "plainly"), ran(name, "at some steps")
    assert [done.code for done in watched.ranks] == [0, 3], watched.ranks[0].err
    for one, other in zip(weights(plain), weights(watched), strict=True):
        expected, found = torch.load(one), torch.load(other)
        for key, weight in expected.items():
            torch.testing.assert_close(found[key], weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_models_are_seen_through(ran: Ways, twin: Twin, name: str) -> None:
    run = ran(name, "at every step").run
    check_sites(run, twin)
    check_rows(run, twin)
